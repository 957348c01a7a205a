//! The SHA-256 of each file, remembered in a stamp beside it.
//!
//! Hashing a dataset at every start would take a tenth of a second or more. So the hash of `NAME` is written to
//! `NAME.sha256`, with the file's size and modification time. As long as these two stay the same, the file is taken to be
//! unchanged.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use hourglass_files::{hash_file, read_to_string, write_quickly};

use crate::error::DataError;

/// SHA-256 of the file at `path`, in hexadecimal: read from its stamp, or else computed and stamped.
pub(crate) fn sha256_of_file(path: &Path) -> Result<String, DataError> {
    if let Some(sha256) = stamped(path) {
        return Ok(sha256);
    }
    let sha256 = hash_file(path)?;
    stamp(path, &sha256);
    Ok(sha256)
}

/// The hash that the stamp of `path` holds, where the file has not changed since.
pub(crate) fn stamped(path: &Path) -> Option<String> {
    let text = read_to_string(&stamp_path(path)).ok()?;
    let (sha256, state) = text.trim_end().split_once(' ')?;
    (state == file_state(path)?).then(|| sha256.into())
}

/// Remembers the hash of `path`. A directory that can't be written to only means that the file is hashed again next time.
pub(crate) fn stamp(path: &Path, sha256: &str) {
    if let Some(state) = file_state(path) {
        let text = format!("{sha256} {state}\n");
        let _ = write_quickly(&stamp_path(path), text.as_bytes());
    }
}

/// Size in bytes and time of change in nanoseconds.
fn file_state(path: &Path) -> Option<String> {
    let metadata = fs_err::metadata(path).ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} {}", metadata.len(), modified.as_nanos()))
}

fn stamp_path(path: &Path) -> PathBuf {
    path.with_added_extension("sha256")
}
