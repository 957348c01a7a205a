//! What can go wrong with compressed codes.

/// Compressed codes that can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// A file can't be written or read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is not one of compressed codes.
    #[error("expected a file that `hourglass compress` has written, found another ({found})")]
    NotOurs {
        /// Its first bytes.
        found: String,
    },
    /// The file was written by another version.
    #[error(
        "expected format 1, the newest that this version reads, found {found}; use the version that has written it"
    )]
    Version {
        /// The format.
        found: u8,
    },
    /// The file was written with another model.
    #[error(
        "expected a file made by this model, SHA-256 {expected}, found one made by {found}; name the model that it was compressed with"
    )]
    OtherModel {
        /// The model's SHA-256.
        expected: String,
        /// The file's.
        found: String,
    },
    /// The file ends too early, goes on too long, or holds impossible values.
    #[error(
        "the file is damaged: expected {expected}, found {found}; copy it again from where it is whole"
    )]
    Damaged {
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A code has a value that is not a finite number.
    #[error(
        "image {image}: expected a finite code, found {found}; the weights are damaged, or the training has diverged"
    )]
    NotFinite {
        /// The image, from 0.
        image: u64,
        /// The number.
        found: f32,
    },
    /// There is nothing to compress.
    #[error("expected images, found none")]
    NoImages,
    /// What was given as the model's SHA-256 is not one.
    #[error("expected the model's SHA-256 in hexadecimal, found {found}")]
    BadModel {
        /// What was given.
        found: String,
    },
}

impl CompressError {
    pub(super) fn damaged(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Damaged {
            expected: expected.into(),
            found: found.into(),
        }
    }
}
