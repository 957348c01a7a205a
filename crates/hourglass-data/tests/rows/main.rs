//! Tables and vectors as datasets.

use std::path::{Path, PathBuf};

use hourglass_data::{DataError, DataOptions, Locations, Splits, open_with};
use tempfile::TempDir;

mod parquet;
mod tables;
mod vectors;

/// A directory with the user's files, and one for data.
struct Place {
    files: TempDir,
    data: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            files: TempDir::new().unwrap(),
            data: TempDir::new().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    fn open(&self, path: impl AsRef<Path>, options: &DataOptions) -> Result<Splits, DataError> {
        let path = self.files.path().join(path);
        let locations = Locations::from_env(Some(self.data.path().into()));
        open_with(path.to_str().unwrap(), &locations, options, &mut |_, _| {})
    }

    #[track_caller]
    fn refusal(&self, path: impl AsRef<Path>, options: &DataOptions) -> String {
        self.open(path, options).expect_err("a refusal").to_string()
    }
}
