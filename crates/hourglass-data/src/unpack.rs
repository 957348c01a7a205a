//! Unpacking gzip, streamed: nothing has its final name before it is whole and on disk.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use tempfile::NamedTempFile;

use crate::DataError;
use crate::stamp::{self, CopyError, Hashing};

/// An unpacked file that has no name yet; dropping it removes it.
pub(crate) struct Unpacked {
    file: NamedTempFile,
    /// SHA-256 of the unpacked bytes.
    pub(crate) sha256: String,
}

/// Unpacks `packed` into a temporary file in `directory`.
pub(crate) fn unpack(packed: &Path, directory: &Path) -> Result<Unpacked, DataError> {
    let mut source = MultiGzDecoder::new(BufReader::new(fs_err::File::open(packed)?));
    let in_directory = |reason| DataError::Io {
        path: directory.into(),
        reason,
    };
    let mut file = NamedTempFile::with_prefix_in(".unpacking-", directory).map_err(in_directory)?;
    let mut hashing = Hashing::new(&mut file);
    stamp::copy(&mut source, &mut hashing, |_| {}).map_err(|error| match error {
        CopyError::Read(error) => DataError::Gzip {
            path: packed.into(),
            reason: error.to_string(),
        },
        CopyError::Write(error) => in_directory(error),
    })?;
    let sha256 = hashing.finish();
    file.as_file().sync_all().map_err(in_directory)?;
    Ok(Unpacked { file, sha256 })
}

impl Unpacked {
    /// Gives the file its name, and stamps it.
    pub(crate) fn persist(self, path: &Path) -> Result<(), DataError> {
        readable_by_all(&self.file);
        self.file.persist(path).map_err(|error| DataError::Io {
            path: path.into(),
            reason: error.error,
        })?;
        stamp::stamp(path, &self.sha256);
        Ok(())
    }
}

/// A temporary file is its owner's alone; a data directory may be shared.
fn readable_by_all(file: &NamedTempFile) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = file
            .as_file()
            .set_permissions(std::fs::Permissions::from_mode(0o644));
    }
    #[cfg(not(unix))]
    let _ = file;
}

/// The unpacked copy of `packed` in `cache`, made where it is not there yet.
///
/// It is named by the hash of the packed file, so that a changed file never meets an old copy, and used again only while
/// its stamp holds.
pub(crate) fn unpack_once(packed: &Path, cache: &Path) -> Result<PathBuf, DataError> {
    let target = cache.join(format!("{}.idx", stamp::hash_file(packed)?));
    if stamp::stamped(&target).is_none() {
        fs_err::create_dir_all(cache)?;
        unpack(packed, cache)?.persist(&target)?;
    }
    Ok(target)
}
