//! Reading a cache.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use hourglass_files::read;

use super::keep;
use super::key::Key;
use super::layout::{ABOUT, About, file};
use super::stamp;
use crate::dataset::{Bytes, Dataset, Ids, Split, Splits};
use crate::error::DataError;
use crate::locations::Locations;
use crate::options::{Skipped, SourceReport};

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
pub(super) struct StoredSplit {
    pub(super) values: Bytes,
    /// SHA-256 of the values.
    pub(super) sha256: String,
    pub(super) labels: Option<Bytes>,
    pub(super) ids: Option<Ids>,
}

/// Opens the cache of images of this key. Where there is no usable one, `make` first writes it into the directory that it is
/// given. The paths of skipped files are relative to `root`.
pub(crate) fn open_or_make(
    locations: &Locations,
    key: &Key,
    root: &Path,
    make: impl FnOnce(&Path) -> Result<(), DataError>,
) -> Result<Cached, DataError> {
    let is_current = |cached: &Cached| cached.is_current(root);
    keep::open_or_make(locations, "images", key, Cached::open, is_current, make)
}

impl Cached {
    /// Opens the cache at `path`; an error where anything is not as it was written.
    fn open(path: &Path) -> Result<Self, DataError> {
        let about_path = path.join(ABOUT);
        let about: About = serde_json::from_slice(&read(&about_path)?)
            .map_err(|error| damaged(&about_path, error))?;
        let features = about.shape.features();
        let open_split = |split| open_split(path, split, "pixels", features);
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
    fn is_current(&self, root: &Path) -> bool {
        let mut unreadable = self.about.skipped.iter().filter(|file| file.unreadable);
        unreadable.all(|file| hourglass_files::open_file(&root.join(&file.path)).is_err())
    }

    /// The splits, as the dataset `name`, with a report that also says where their cache is.
    pub(crate) fn into_splits(
        self,
        name: &str,
        label_names: Option<Vec<String>>,
        report: SourceReport,
    ) -> Result<Splits, DataError> {
        let report = SourceReport {
            cache: Some(self.path),
            ..report
        };
        let shape = self.about.shape;
        let dataset = |stored: StoredSplit| {
            Dataset::of_images(name, shape, stored.values, stored.labels).with_details(
                stored.sha256,
                stored.ids,
                label_names.clone(),
            )
        };
        let splits = Splits::new(dataset(self.train), self.test.map(dataset))?;
        Ok(splits.with_report(report))
    }
}

/// Opens the files of a split, whose samples take so many bytes each in the file of `values`.
pub(super) fn open_split(
    path: &Path,
    split: Split,
    values: &str,
    sample_bytes: usize,
) -> Result<StoredSplit, DataError> {
    let values_path = file(path, split, values);
    let (values, sha256) = open_file(&values_path)?;
    if sample_bytes == 0 || values.is_empty() || !values.len().is_multiple_of(sample_bytes) {
        return Err(damaged(&values_path, "it holds no whole samples"));
    }
    let count = values.len() / sample_bytes;
    let present = |part| Some(file(path, split, part)).filter(|path| path.exists());
    let labels = match present("labels") {
        Some(path) => match open_file(&path)?.0 {
            labels if labels.len() == count => Some(labels),
            _ => return Err(damaged(&path, "it doesn't hold one label per sample")),
        },
        None => None,
    };
    let ids = match present("ids") {
        Some(path) => Some(
            Ids::read(open_file(&path)?.0, count)
                .ok_or_else(|| damaged(&path, "it doesn't hold one id per sample"))?,
        ),
        None => None,
    };
    Ok(StoredSplit {
        values,
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

pub(super) fn damaged(path: &Path, reason: impl Into<Box<dyn Error + Send + Sync>>) -> DataError {
    DataError::Io {
        path: path.into(),
        reason: io::Error::new(io::ErrorKind::InvalidData, reason),
    }
}
