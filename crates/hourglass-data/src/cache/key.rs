//! The name of a cache, which changes with whatever its images depend on.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use hourglass_files::{Hashing, hex_sha256};
use hourglass_samples::Shape;

use crate::options::ImageOptions;

/// The version of a cache's content: of what counts as an image, and of the rule by which images are decoded and brought to
/// a shape. Raise it with each change to either, so that the caches of earlier versions are made again.
const RULE: u32 = 2;

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
        // `on_error` is no part of the key: it changes nothing about images without faults.
        let ImageOptions { shape, strict, .. } = options;
        let shape = shape.map(Shape::to_array);
        let place = format!("{place:?} {shape:?} {strict}");
        let mut hashing = Hashing::new(io::sink());
        for line in content {
            writeln!(hashing, "{line}").expect("a sink takes everything");
        }
        let content = format!("{RULE} {}", hashing.finish());
        Self {
            place: hex_sha256(place.as_bytes())[..16].into(),
            content: hex_sha256(content.as_bytes())[..32].into(),
        }
    }

    /// The key of a table: `place` is where it lies and how it is taken, `content` what is there.
    pub(crate) fn of_table(place: &str, content: &str) -> Self {
        Self {
            place: hex_sha256(place.as_bytes())[..16].into(),
            content: hex_sha256(format!("{RULE} {content}").as_bytes())[..32].into(),
        }
    }

    /// The part of the name that stands for the place alone: the names of all caches of one place begin with it.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The name of the directory.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.place, self.content)
    }
}

/// What the file system says about a file, by which a change to the file is noticed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileState {
    bytes: u64,
    /// Nanoseconds from 1970 to the last change.
    modified: i128,
}

impl FileState {
    pub(crate) fn new(metadata: &std::fs::Metadata) -> Self {
        let since_1970 = |time: SystemTime| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        };
        Self {
            bytes: metadata.len(),
            // Where the file system has no such times, a change shows in the file's size alone.
            modified: metadata.modified().map_or(0, since_1970),
        }
    }
}

impl fmt::Display for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.bytes, self.modified)
    }
}
