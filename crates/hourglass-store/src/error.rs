//! What can go wrong with a model's files.

use std::path::{Path, PathBuf};

use hourglass_models::{ConfigError, StateDictError};
use thiserror::Error;

use crate::files::{CONFIG_FILE, WEIGHTS_FILE};

/// A model's files that can't be written or read.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file can't be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// There is no model in the directory.
    #[error(
        "{path}: expected a directory with {CONFIG_FILE} and {WEIGHTS_FILE}{published}, found {found}; \
         train a model first, such as with `hourglass train variational`"
    )]
    NoModel {
        /// The directory.
        path: PathBuf,
        /// The published names, which could have been given instead.
        published: String,
        /// What is there.
        found: &'static str,
    },
    /// There is a run in the directory whose training has not ended.
    #[error(
        "{path}: expected a finished model, found a run without {missing}: the training has not ended; go on with it by \
         `hourglass train --resume --out {path}`"
    )]
    Unfinished {
        /// The directory.
        path: PathBuf,
        /// The file that it lacks.
        missing: &'static str,
    },
    /// A file has other content than expected.
    #[error("{path}: {message}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The settings describe no model that can be built.
    #[error("{path}: {error}")]
    Config {
        /// The file.
        path: PathBuf,
        /// The setting.
        error: ConfigError,
    },
    /// The weights do not fit the model.
    #[error("{path}: {error}")]
    Weights {
        /// The file.
        path: PathBuf,
        /// The tensor.
        error: StateDictError,
    },
}

impl StoreError {
    pub(crate) fn content(path: &Path, message: impl Into<String>) -> Self {
        Self::Content {
            path: path.to_owned(),
            message: message.into(),
        }
    }

    pub(crate) fn weights(path: &Path, error: StateDictError) -> Self {
        Self::Weights {
            path: path.to_owned(),
            error,
        }
    }
}
