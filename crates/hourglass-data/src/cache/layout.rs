//! The files of a cache: their names, and what the first of them says.

use std::path::{Path, PathBuf};

use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

use crate::dataset::Split;
use crate::options::Skipped;

/// The file that says what the others are.
pub(super) const ABOUT: &str = "about.json";

/// What a cache says about itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) shape: Shape,
    pub(super) skipped: Vec<Skipped>,
}

/// The file that holds a part of a split: `pixels`, `labels` or `ids`.
pub(super) fn file(directory: &Path, split: Split, part: &str) -> PathBuf {
    directory.join(format!("{split}.{part}"))
}
