//! What can go wrong with files of codes.

use std::path::{Path, PathBuf};

/// A file of codes that can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodesError {
    /// A file can't be written or read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The extension names no format.
    #[error(
        "{path}: expected a name that ends in .npy, .csv or .parquet, which says how codes are kept"
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what its extension says, or is damaged.
    #[error("{path}: expected {expected}, found {found}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A code has a value that is not a finite number.
    #[error("{path}: row {row}, z{column}: expected a finite number, found {found}")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// The dimension of the code, from 0.
        column: usize,
        /// The number.
        found: f32,
    },
}

impl CodesError {
    pub(super) fn content(
        path: &Path,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Content {
            path: path.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}
