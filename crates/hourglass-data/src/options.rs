//! How the user's own images are to be opened, and a report of what was found.

use std::path::PathBuf;

use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

use crate::error::DataError;

use crate::limits::MAX_SIDE;

/// How images become a dataset. The default takes the images' own shape and stops at the first file that can't be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ImageOptions {
    /// The shape that every image is brought to. Without it, that of the source is taken: for a folder, that of the first
    /// image, with three channels unless all images are grey.
    pub shape: Option<Shape>,
    /// Accepts only images that already have the shape: nothing is resized, no colour is converted, no alpha is flattened.
    pub strict: bool,
    /// What to do about a file that can't be used.
    pub on_error: OnError,
}

/// What to do about an image file that can't be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// Refuse the folder, naming the first such file.
    #[default]
    Stop,
    /// Go on without it, and list it in the [`ImageReport`].
    Skip,
}

impl ImageOptions {
    /// Refuses a shape that no image can be brought to.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        let side = 1..=MAX_SIDE as usize;
        match self.shape {
            Some(shape)
                if !(matches!(shape.channels, 1 | 3)
                    && side.contains(&shape.height)
                    && side.contains(&shape.width)) =>
            {
                Err(DataError::BadShape { shape })
            }
            _ => Ok(()),
        }
    }
}

/// What was found besides usable images when they were opened. Empty for IDX files of the shape asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageReport {
    /// The image files that were left out, in the order of their paths.
    pub skipped: Vec<Skipped>,
    /// The number of files ignored because their extension is not that of an image. Hidden files are not counted.
    pub ignored: usize,
    /// Decisions about the folder that may surprise, a sentence each.
    pub notes: Vec<String>,
    /// The directory that keeps the decoded images, where there is one. It may be deleted, and is made again when needed.
    pub cache: Option<PathBuf>,
}

/// An image file that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The path below the folder, written as an [id](crate::Dataset::id).
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
    /// Whether the operating system refused to read it, which may change without the file changing.
    pub unreadable: bool,
}
