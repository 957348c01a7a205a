//! Making a cache: images prepared in parallel, written in their order, few in memory at a time.

use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::cache::{ABOUT, About, file};
use crate::decode::Fault;
use crate::ids::IdsWriter;
use crate::options::{OnError, Skipped};
use crate::stamp::{self, Hashing};
use crate::{DataError, ImageShape, Split};

/// Called with the images done and all of them.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(usize, usize);

/// Memory for the images that wait to be written.
const WAITING_BYTES: usize = 32 << 20;
/// As many images are prepared in parallel between two calls of the progress function, where memory allows.
const WAITING_IMAGES: usize = 256;

/// Images in their final shape, one by one.
pub(crate) trait Source: Sync {
    /// How many there are.
    fn count(&self) -> usize;
    /// The pixels of one, plane by plane.
    fn pixels(&self, index: usize) -> Result<Vec<u8>, Fault>;
    /// What to call one, if anything.
    fn id(&self, index: usize) -> Option<String>;
    /// The label of one: of all or of none.
    fn label(&self, index: usize) -> Option<u8>;
}

/// What to bring into a cache.
pub(crate) struct Job<'a> {
    /// The folder or file of the images, for errors.
    pub(crate) root: &'a Path,
    /// The shape that the sources give.
    pub(crate) shape: ImageShape,
    pub(crate) splits: Vec<(Split, &'a dyn Source)>,
    pub(crate) on_error: OnError,
}

/// The sources of a job.
pub(crate) fn borrowed<S: Source>(sources: &[(Split, S)]) -> Vec<(Split, &dyn Source)> {
    sources
        .iter()
        .map(|(split, source)| (*split, source as &dyn Source))
        .collect()
}

/// Does `job` in the directory at `path`.
pub(crate) fn make(path: &Path, job: &Job<'_>, progress: Progress<'_>) -> Result<(), DataError> {
    let total = job.splits.iter().map(|(_, source)| source.count()).sum();
    let mut done = 0;
    let mut advance = |images| {
        done += images;
        progress(done, total);
    };
    advance(0);
    let mut about = About {
        shape: job.shape.to_array(),
        skipped: Vec::new(),
    };
    for (split, source) in &job.splits {
        let writer = SplitWriter::create(path, *split)?;
        about
            .skipped
            .extend(job.write(writer, *source, &mut advance)?);
    }
    let mut file = Part::create(path.join(ABOUT))?;
    let text = serde_json::to_vec_pretty(&about).expect("texts and numbers");
    file.write(&text)?;
    file.finish()
}

/// The indices below `count` in pieces of which each fits into memory and keeps every thread busy.
fn chunks(count: usize, shape: ImageShape) -> impl Iterator<Item = Range<usize>> {
    let images = (WAITING_BYTES / shape.features())
        .min(WAITING_IMAGES)
        .max(rayon::current_num_threads());
    (0..count)
        .step_by(images)
        .map(move |start| start..count.min(start + images))
}

fn skipped(source: &dyn Source, index: usize, fault: &Fault) -> Skipped {
    Skipped {
        path: source.id(index).unwrap_or_default(),
        reason: fault.to_string(),
        unreadable: matches!(fault, Fault::Unreadable(_)),
    }
}

impl Job<'_> {
    /// Writes a split, and returns what had to be skipped.
    fn write(
        &self,
        mut writer: SplitWriter,
        source: &dyn Source,
        advance: &mut dyn FnMut(usize),
    ) -> Result<Vec<Skipped>, DataError> {
        let mut left_out = Vec::new();
        for indices in chunks(source.count(), self.shape) {
            let fitted: Vec<_> = indices
                .clone()
                .into_par_iter()
                .map(|index| source.pixels(index))
                .collect();
            let images = fitted.len();
            for (index, fitted) in indices.zip(fitted) {
                match (fitted, self.on_error) {
                    (Ok(pixels), _) => writer.push(&pixels, source, index)?,
                    (Err(fault), OnError::Stop) => return Err(self.refusal(source, index, &fault)),
                    (Err(fault), OnError::Skip) => left_out.push(skipped(source, index, &fault)),
                }
            }
            advance(images);
        }
        if let [first, ..] = left_out.as_slice()
            && left_out.len() == source.count()
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

    fn refusal(&self, source: &dyn Source, index: usize, fault: &Fault) -> DataError {
        let path = match source.id(index) {
            Some(id) => self.root.join(id),
            None => self.root.into(),
        };
        DataError::Image {
            path,
            reason: fault.to_string(),
        }
    }
}

/// A split's files while they are written.
struct SplitWriter {
    directory: PathBuf,
    split: Split,
    pixels: Part,
    labels: Vec<u8>,
    ids: Option<(IdsWriter, Part)>,
}

impl SplitWriter {
    fn create(directory: &Path, split: Split) -> Result<Self, DataError> {
        Ok(Self {
            directory: directory.into(),
            split,
            pixels: Part::create(file(directory, split, "pixels"))?,
            labels: Vec::new(),
            ids: None,
        })
    }

    fn push(&mut self, pixels: &[u8], source: &dyn Source, index: usize) -> Result<(), DataError> {
        self.pixels.write(pixels)?;
        self.labels.extend(source.label(index));
        if let Some(id) = source.id(index) {
            if self.ids.is_none() {
                let part = Part::create(file(&self.directory, self.split, "ids"))?;
                self.ids = Some((IdsWriter::new(), part));
            }
            if let Some((ids, part)) = &mut self.ids {
                ids.push(&id, &mut part.writer)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), DataError> {
        self.pixels.finish()?;
        if !self.labels.is_empty() {
            let mut part = Part::create(file(&self.directory, self.split, "labels"))?;
            part.write(&self.labels)?;
            part.finish()?;
        }
        if let Some((ids, mut part)) = self.ids {
            ids.finish(&mut part.writer)?;
            part.finish()?;
        }
        Ok(())
    }
}

/// A file while it is written.
struct Part {
    path: PathBuf,
    file: fs_err::File,
    writer: Hashing<BufWriter<fs_err::File>>,
}

impl Part {
    fn create(path: PathBuf) -> Result<Self, DataError> {
        let file = fs_err::File::create(&path)?;
        let writer = Hashing::new(BufWriter::new(file.try_clone()?));
        Ok(Self { path, file, writer })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        Ok(self.writer.write_all(bytes)?)
    }

    /// Sees to it that the file is on disk, and stamps it.
    fn finish(mut self) -> Result<(), DataError> {
        self.writer.flush()?;
        self.file.sync_all()?;
        stamp::stamp(&self.path, &self.writer.finish());
        Ok(())
    }
}
