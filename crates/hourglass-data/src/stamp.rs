//! SHA-256 of files, remembered beside them.
//!
//! Hashing a dataset takes a tenth of a second or more, at each start. So the hash of `NAME` is written to `NAME.sha256`,
//! with the file's size and time of change; while these two stay, the file is taken to have stayed the same.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use hourglass_files::{open_file, read_to_string, write_quickly};
use sha2::{Digest, Sha256};

use crate::DataError;

/// SHA-256 of `bytes`, in hexadecimal.
pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of the file at `path`, in hexadecimal: read from its stamp, or else computed and stamped.
pub(crate) fn sha256_of_file(path: &Path) -> Result<String, DataError> {
    if let Some(sha256) = stamped(path) {
        return Ok(sha256);
    }
    let sha256 = hash_file(path)?;
    stamp(path, &sha256);
    Ok(sha256)
}

/// SHA-256 of the file at `path`, in hexadecimal, whatever its stamp says.
pub(crate) fn hash_file(path: &Path) -> Result<String, DataError> {
    let mut hashing = Hashing::new(io::sink());
    io::copy(&mut open_file(path)?, &mut hashing)?;
    Ok(hashing.finish())
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

/// Hashes what is written through it.
pub(crate) struct Hashing<W> {
    inner: W,
    hasher: Sha256,
}

impl<W: Write> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
        }
    }

    pub(crate) fn finish(self) -> String {
        hex(&self.hasher.finalize())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Copies `source` to `target`, and tells a failure to read from a failure to write.
pub(crate) fn copy(
    source: &mut impl Read,
    target: &mut impl Write,
    mut copied: impl FnMut(usize),
) -> Result<(), CopyError> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return target.flush().map_err(CopyError::Write),
            Ok(count) => {
                target
                    .write_all(&buffer[..count])
                    .map_err(CopyError::Write)?;
                copied(count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyError::Read(error)),
        }
    }
}

/// Which side of a copy failed.
pub(crate) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}
