//! The parts of a dataset, and their names.

use std::fmt;
use std::str::FromStr;

use crate::error::DataError;

/// A part of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// The images that weights are fitted to.
    Train,
    /// Images held out of the training images, to choose between models and to stop early.
    Validation,
    /// The dataset's own test images.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

impl FromStr for Split {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        [Self::Train, Self::Validation, Self::Test]
            .into_iter()
            .find(|split| split.to_string() == name)
            .ok_or_else(|| DataError::UnknownSplit(name.into()))
    }
}
