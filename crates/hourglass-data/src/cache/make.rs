//! Making a cache: images are prepared in parallel and written in their order, with only a few in memory at a time.

use std::ops::Range;
use std::path::Path;

use hourglass_samples::Shape;
use rayon::prelude::*;

use super::images::{Images, Progress, Unusable};
use super::layout::{ABOUT, About};
use super::write::{PartFile, SplitWriter};
use crate::dataset::Split;
use crate::error::DataError;
use crate::options::{OnError, Skipped};

/// Memory for the images that wait to be written.
const WAITING_BYTES: usize = 32 << 20;
/// As many images are prepared in parallel between two calls of the progress function, where memory allows.
const WAITING_IMAGES: usize = 256;

/// What to bring into a cache.
pub(crate) struct CacheJob<'a> {
    /// The folder or file of the images, for errors.
    pub(crate) root: &'a Path,
    /// The shape that the images have.
    pub(crate) shape: Shape,
    pub(crate) splits: Vec<(Split, &'a dyn Images)>,
    pub(crate) on_error: OnError,
}

/// The indices below `count` in pieces, each of which fits into memory and keeps every thread busy.
fn chunks(count: usize, shape: Shape) -> impl Iterator<Item = Range<usize>> {
    let images = (WAITING_BYTES / shape.features())
        .min(WAITING_IMAGES)
        .max(rayon::current_num_threads());
    (0..count)
        .step_by(images)
        .map(move |start| start..count.min(start + images))
}

fn skipped(images: &dyn Images, index: usize, fault: Unusable) -> Skipped {
    Skipped {
        path: images.id(index).unwrap_or_default(),
        reason: fault.reason,
        unreadable: fault.unreadable,
    }
}

impl CacheJob<'_> {
    /// Writes the files of the cache into the directory at `path`.
    pub(crate) fn make(&self, path: &Path, progress: Progress<'_>) -> Result<(), DataError> {
        let total = self.splits.iter().map(|(_, images)| images.count()).sum();
        let mut done = 0;
        let mut advance = |images| {
            done += images;
            progress(done, total);
        };
        advance(0);
        let mut about = About {
            shape: self.shape,
            skipped: Vec::new(),
        };
        for (split, images) in &self.splits {
            let writer = SplitWriter::create(path, *split)?;
            about
                .skipped
                .extend(self.write(writer, *images, &mut advance)?);
        }
        let mut file = PartFile::create(path.join(ABOUT))?;
        let text = serde_json::to_vec_pretty(&about).expect("texts and numbers");
        file.write(&text)?;
        file.finish()
    }

    /// Writes a split, and returns what had to be skipped.
    fn write(
        &self,
        mut writer: SplitWriter,
        images: &dyn Images,
        advance: &mut dyn FnMut(usize),
    ) -> Result<Vec<Skipped>, DataError> {
        let mut left_out = Vec::new();
        for indices in chunks(images.count(), self.shape) {
            let fitted: Vec<_> = indices
                .clone()
                .into_par_iter()
                .map(|index| images.pixels(index))
                .collect();
            let prepared = fitted.len();
            for (index, fitted) in indices.zip(fitted) {
                match (fitted, self.on_error) {
                    (Ok(pixels), _) => writer.push(&pixels, images, index)?,
                    (Err(fault), OnError::Stop) => return Err(self.refusal(images, index, fault)),
                    (Err(fault), OnError::Skip) => left_out.push(skipped(images, index, fault)),
                }
            }
            advance(prepared);
        }
        if let [first, ..] = left_out.as_slice()
            && left_out.len() == images.count()
        {
            return Err(DataError::NothingUsable {
                path: self.root.into(),
                count: left_out.len(),
                first: format!("{}: {}", first.path, first.reason),
            });
        }
        writer.finish()?;
        Ok(left_out)
    }

    fn refusal(&self, images: &dyn Images, index: usize, fault: Unusable) -> DataError {
        let path = match images.id(index) {
            Some(id) => self.root.join(id),
            None => self.root.into(),
        };
        DataError::Image {
            path,
            reason: fault.reason,
        }
    }
}
