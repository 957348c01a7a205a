//! Decoded images kept in the data directory, so that an image file is read once and never again.
//!
//! A cache is the directory `images/PLACE-CONTENT`. PLACE stands for where the images come from and what they are brought
//! to, CONTENT for what was there: a change gives another name, and the new cache takes the place of the old one. It holds
//! `about.json` and for each split `SPLIT.pixels`, `SPLIT.labels` and `SPLIT.ids`. It is written under a temporary name, and
//! renamed when it is whole and on disk; it is used while the stamp of each file holds.

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hourglass_files::{check_target, read};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::fit::RULE;
use crate::ids::Ids;
use crate::mapped::Bytes;
use crate::options::{ImageOptions, ImageReport, Skipped};
use crate::stamp::{self, Hashing};
use crate::{DataError, Dataset, ImageShape, Locations, Split, Splits};

/// The file that says what the others are.
pub(crate) const ABOUT: &str = "about.json";

/// The name of a cache.
pub(crate) struct Key {
    place: String,
    content: String,
}

impl Key {
    /// `place` is where the images come from, the lines of `content` say what is there.
    pub(crate) fn new(
        place: &Path,
        options: &ImageOptions,
        content: impl IntoIterator<Item = String>,
    ) -> Self {
        // Not what to do about faults: that changes nothing about the images that have none.
        let ImageOptions { shape, strict, .. } = options;
        let place = format!("{place:?} {shape:?} {strict}");
        let mut hashing = Hashing::new(io::sink());
        for line in content {
            writeln!(hashing, "{line}").expect("a sink takes everything");
        }
        let content = format!("{RULE} {}", hashing.finish());
        Self {
            place: stamp::hex_sha256(place.as_bytes())[..16].into(),
            content: stamp::hex_sha256(content.as_bytes())[..32].into(),
        }
    }

    fn name(&self) -> String {
        format!("{}-{}", self.place, self.content)
    }
}

/// What a cache says about itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct About {
    /// `[channels, height, width]`
    pub(crate) shape: [usize; 3],
    pub(crate) skipped: Vec<Skipped>,
}

/// A cache that is whole.
#[derive(Debug)]
pub(crate) struct Cached {
    pub(crate) path: PathBuf,
    about: About,
    train: Stored,
    test: Option<Stored>,
}

/// A split's files.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) pixels: Bytes,
    /// SHA-256 of the pixels.
    pub(crate) sha256: String,
    pub(crate) labels: Option<Bytes>,
    pub(crate) ids: Option<Ids>,
}

impl Cached {
    /// What could not be used, in the order of the paths.
    pub(crate) fn skipped(&self) -> &[Skipped] {
        &self.about.skipped
    }

    /// Whether what could not be read still can't be: permissions change without a change of the file.
    fn is_current(&self, root: &Path) -> bool {
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
        let shape = self.about.shape();
        let dataset = |stored| Dataset::stored(name, shape, stored, label_names.clone());
        let splits = Splits::new(dataset(self.train), self.test.map(dataset))?;
        Ok(splits.with_report(report))
    }
}

impl About {
    fn shape(&self) -> ImageShape {
        let [channels, height, width] = self.shape;
        ImageShape {
            channels,
            height,
            width,
        }
    }
}

/// The cache of this key: as it is where it is there, or else made by `make` in the directory that this is given. What had
/// to be skipped lies in `root`.
pub(crate) fn open_or_make(
    locations: &Locations,
    key: &Key,
    root: &Path,
    make: impl FnOnce(&Path) -> Result<(), DataError>,
) -> Result<Cached, DataError> {
    let images = locations.data_directory()?.join("images");
    let target = images.join(key.name());
    let open_usable = || open(&target).ok().filter(|cached| cached.is_current(root));
    if let Some(cached) = open_usable() {
        return Ok(cached);
    }
    fs_err::create_dir_all(&images)?;
    let lock = images.join(format!("{}.lock", key.place));
    check_target(&lock)?;
    let mut options = fs_err::OpenOptions::new();
    let options = options.write(true).create(true).truncate(false);
    let lock = options.open(lock)?;
    // Where a file system knows no locks, two processes may do the same work, and the last one's stays.
    let locked = lock.file().lock().is_ok();
    if let Some(cached) = open_usable() {
        return Ok(cached);
    }
    let unfinished = format!(".writing-{}-", key.place);
    if locked {
        remove_others(&images, &unfinished, &target);
    }
    let temporary =
        TempDir::with_prefix_in(&unfinished, &images).map_err(|reason| DataError::Io {
            path: images.clone(),
            reason,
        })?;
    make(temporary.path())?;
    if target.exists() {
        fs_err::remove_dir_all(&target)?;
    }
    fs_err::rename(temporary.path(), &target)?;
    // It has another name now, and stays.
    let _ = temporary.keep();
    remove_others(&images, &format!("{}-", key.place), &target);
    open(&target)
}

/// Removes what begins with `prefix` in `images`, apart from `keep`. What resists takes room, and no more.
fn remove_others(images: &Path, prefix: &str, keep: &Path) {
    let entries = fs_err::read_dir(images).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(prefix) && entry.path() != keep {
            let _ = fs_err::remove_dir_all(entry.path());
        }
    }
}

/// Opens the cache at `path`; an error where anything is not as it was written.
fn open(path: &Path) -> Result<Cached, DataError> {
    let about_path = path.join(ABOUT);
    let about: About =
        serde_json::from_slice(&read(&about_path)?).map_err(|error| damaged(&about_path, error))?;
    let features = about.shape().features();
    let open_split = |split| open_split(path, split, features);
    Ok(Cached {
        train: open_split(Split::Train)?,
        test: match file(path, Split::Test, "pixels").exists() {
            true => Some(open_split(Split::Test)?),
            false => None,
        },
        path: path.into(),
        about,
    })
}

fn open_split(path: &Path, split: Split, features: usize) -> Result<Stored, DataError> {
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
            _ => return Err(damaged(&path, "it holds not a label for each image")),
        },
        None => None,
    };
    let ids = match present("ids") {
        Some(path) => Some(
            Ids::read(open_file(&path)?.0, count)
                .ok_or_else(|| damaged(&path, "it holds not an id for each image"))?,
        ),
        None => None,
    };
    Ok(Stored {
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

pub(crate) fn file(directory: &Path, split: Split, part: &str) -> PathBuf {
    directory.join(format!("{split}.{part}"))
}
