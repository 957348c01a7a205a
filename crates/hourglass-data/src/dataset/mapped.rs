//! The bytes of a dataset file: mapped from disk, or owned where they were embedded or made in memory.

use std::ops::Deref;
use std::path::Path;

use hourglass_files::open_file;
use memmap2::Mmap;

use crate::error::DataError;

/// Read-only bytes, without a header at their start.
#[derive(Debug)]
pub(crate) struct Bytes {
    storage: Storage,
    start: usize,
    end: usize,
}

#[derive(Debug)]
enum Storage {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps the regular file at `path` into memory; nothing is read before it is used.
    pub(crate) fn map(path: &Path) -> Result<Self, DataError> {
        let file = open_file(path)?;
        let mapped = map_file(file.file()).map_err(|reason| DataError::Io {
            path: path.into(),
            reason,
        })?;
        Ok(Self {
            start: 0,
            end: mapped.len(),
            storage: Storage::Mapped(mapped),
        })
    }

    /// Takes bytes that are in memory already.
    pub(crate) fn owned(bytes: Vec<u8>) -> Self {
        Self {
            start: 0,
            end: bytes.len(),
            storage: Storage::Owned(bytes),
        }
    }

    /// The same bytes without the first `count` of them.
    pub(crate) fn skip(mut self, count: usize) -> Self {
        self.start += count;
        self
    }

    /// The first `count` bytes, or all where there are fewer.
    pub(crate) fn limit(mut self, count: usize) -> Self {
        self.end = self.end.min(self.start.saturating_add(count));
        self
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let all: &[u8] = match &self.storage {
            Storage::Mapped(mapped) => mapped,
            Storage::Owned(bytes) => bytes,
        };
        &all[self.start..self.end]
    }
}

/// Maps a whole file.
#[expect(
    unsafe_code,
    reason = "a memory map is unsafe because another process may change the file under it"
)]
fn map_file(file: &std::fs::File) -> std::io::Result<Mmap> {
    // SAFETY: the map is read-only and every byte pattern is a valid u8. Dataset files are written under a temporary name
    // and renamed, never changed in place, by this crate. A user who overwrites or truncates a file during a run gets wrong
    // pixels or a SIGBUS, as with every program that maps its input.
    unsafe { Mmap::map(file) }
}
