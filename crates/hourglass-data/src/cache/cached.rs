//! Reading a cache.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use hourglass_files::read;

use super::layout::{ABOUT, About, file};
use super::stamp;
use crate::dataset::{Bytes, Dataset, Ids, Split, Splits};
use crate::error::DataError;
use crate::options::{ImageReport, Skipped};

/// A cache that is whole.
#[derive(Debug)]
pub(crate) struct Cached {
    path: PathBuf,
    about: About,
    train: StoredSplit,
    test: Option<StoredSplit>,
}

/// A split's files.
#[derive(Debug)]
struct StoredSplit {
    pixels: Bytes,
    /// SHA-256 of the pixels.
    sha256: String,
    labels: Option<Bytes>,
    ids: Option<Ids>,
}

impl Cached {
    /// Opens the cache at `path`; an error where anything is not as it was written.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let about_path = path.join(ABOUT);
        let about: About = serde_json::from_slice(&read(&about_path)?)
            .map_err(|error| damaged(&about_path, error))?;
        let features = about.shape.features();
        let open_split = |split| open_split(path, split, features);
        Ok(Self {
            train: open_split(Split::Train)?,
            test: match file(path, Split::Test, "pixels").exists() {
                true => Some(open_split(Split::Test)?),
                false => None,
            },
            path: path.into(),
            about,
        })
    }

    /// The files that could not be used, in the order of their paths.
    pub(crate) fn skipped(&self) -> &[Skipped] {
        &self.about.skipped
    }

    /// Whether the files that could not be read still can't be: permissions can change without the file changing.
    pub(super) fn is_current(&self, root: &Path) -> bool {
        let mut unreadable = self.about.skipped.iter().filter(|file| file.unreadable);
        unreadable.all(|file| hourglass_files::open_file(&root.join(&file.path)).is_err())
    }

    /// The splits, as the dataset `name`, with a report that also says where their cache is.
    pub(crate) fn into_splits(
        self,
        name: &str,
        label_names: Option<Vec<String>>,
        report: ImageReport,
    ) -> Result<Splits, DataError> {
        let report = ImageReport {
            cache: Some(self.path),
            ..report
        };
        let shape = self.about.shape;
        let dataset = |stored: StoredSplit| {
            Dataset::new(name, shape, stored.pixels, stored.labels).with_details(
                stored.sha256,
                stored.ids,
                label_names.clone(),
            )
        };
        let splits = Splits::new(dataset(self.train), self.test.map(dataset))?;
        Ok(splits.with_report(report))
    }
}

fn open_split(path: &Path, split: Split, features: usize) -> Result<StoredSplit, DataError> {
    let pixels_path = file(path, split, "pixels");
    let (pixels, sha256) = open_file(&pixels_path)?;
    if features == 0 || pixels.is_empty() || !pixels.len().is_multiple_of(features) {
        return Err(damaged(&pixels_path, "it holds no whole images"));
    }
    let count = pixels.len() / features;
    let present = |part| Some(file(path, split, part)).filter(|path| path.exists());
    let labels = match present("labels") {
        Some(path) => match open_file(&path)?.0 {
            labels if labels.len() == count => Some(labels),
            _ => return Err(damaged(&path, "it doesn't hold one label per image")),
        },
        None => None,
    };
    let ids = match present("ids") {
        Some(path) => Some(
            Ids::read(open_file(&path)?.0, count)
                .ok_or_else(|| damaged(&path, "it doesn't hold one id per image"))?,
        ),
        None => None,
    };
    Ok(StoredSplit {
        pixels,
        sha256,
        labels,
        ids,
    })
}

/// A file and its SHA-256, as long as its stamp holds.
fn open_file(path: &Path) -> Result<(Bytes, String), DataError> {
    let sha256 = stamp::stamped(path).ok_or_else(|| damaged(path, "its stamp does not hold"))?;
    Ok((Bytes::map(path)?, sha256))
}

fn damaged(path: &Path, reason: impl Into<Box<dyn Error + Send + Sync>>) -> DataError {
    DataError::Io {
        path: path.into(),
        reason: io::Error::new(io::ErrorKind::InvalidData, reason),
    }
}
