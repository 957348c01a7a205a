//! Files that are either whole or not there.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use sha2::{Digest, Sha256};

/// Writes a file so that at every instant either the old content or the new is there, also after a power cut.
///
/// # Errors
/// Names the path. Nothing is left behind under the final name.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_path(path);
    let written = (|| {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The error that matters is the first one.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    match path.parent() {
        Some(directory) if cfg!(unix) && !directory.as_os_str().is_empty() => {
            fs::File::open(directory)?.sync_all()
        }
        _ => Ok(()),
    }
}

/// SHA-256 of parts one after the other, in hexadecimal.
pub fn hex_sha256(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let bytes = hash.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where a file is written before it gets its name.
pub fn temporary_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        write_atomically(&path, b"old").expect("written");
        write_atomically(&path.join("below-a-file"), b"new").expect_err("not a directory");
        assert_eq!(std::fs::read(&path).expect("read"), b"old");
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("read").count(),
            1
        );
    }
}
