//! Where data is kept on this machine, and where it is downloaded from.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::DataError;

/// The data directory, and the mirror that replaces the public ones.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    data_directory: Option<PathBuf>,
    mirror: Option<String>,
}

impl Locations {
    /// Takes these locations, whatever the environment says. Without a mirror, those of the catalog are used.
    pub fn new(data_directory: impl Into<PathBuf>, mirror: Option<String>) -> Self {
        Self {
            data_directory: Some(data_directory.into()),
            mirror,
        }
    }

    /// The data directory is the first of: `data_directory` (the value of `--data-dir`), the environment variable
    /// `HOURGLASS_DATA`, `hourglass` in the user's cache directory. `HOURGLASS_MIRROR` names the mirror. Nothing
    /// else in this crate reads the environment.
    pub fn from_env(data_directory: Option<PathBuf>) -> Self {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        Self {
            data_directory: data_directory
                .or_else(|| set("HOURGLASS_DATA").map(PathBuf::from))
                .or_else(|| dirs::cache_dir().map(|cache| cache.join("hourglass"))),
            mirror: set("HOURGLASS_MIRROR").map(|url| url.to_string_lossy().into_owned()),
        }
    }

    /// The data directory. It is an error if the user has no cache directory; embedded datasets need none.
    pub fn data_directory(&self) -> Result<&Path, DataError> {
        self.data_directory
            .as_deref()
            .ok_or(DataError::NoDataDirectory)
    }

    /// The mirror, which is the only source to download from where one is set.
    pub fn mirror(&self) -> Option<&str> {
        self.mirror.as_deref()
    }
}
