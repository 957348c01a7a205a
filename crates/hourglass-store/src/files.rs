//! Files that are either whole or not there.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
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

/// Reads a file of at most so many bytes, so that a damaged or a hostile one can't ask for more memory than what it should
/// hold needs.
///
/// # Errors
/// Names the path; see also [`open_file`].
pub(crate) fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open_file(path)?;
    let length = check_length(path, &file, most)?;
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The length of a file, which must be at most so many bytes.
///
/// # Errors
/// Names the path.
pub(crate) fn check_length(path: &Path, file: &fs::File, most: u64) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if length <= most {
        return Ok(length);
    }
    let path = path.display();
    let message = format!("{path}: expected at most {most} bytes, found {length}");
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}

/// Opens what must be a file: a pipe, say, could be waited for without end.
///
/// # Errors
/// Names the path.
pub(crate) fn open_file(path: &Path) -> io::Result<fs::File> {
    if fs::metadata(path)?.is_file() {
        return fs::File::open(path);
    }
    let message = format!("{}: expected a file, found something else", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}

/// SHA-256 of what comes from readers one after the other, in hexadecimal.
///
/// # Errors
/// When one can't be read.
pub(crate) fn sha256_of_readers(readers: [Box<dyn Read>; 2]) -> io::Result<String> {
    let mut hash = Sha256::new();
    for reader in readers {
        let mut reader = BufReader::new(reader);
        loop {
            let bytes = reader.fill_buf()?;
            let length = bytes.len();
            if length == 0 {
                break;
            }
            hash.update(bytes);
            reader.consume(length);
        }
    }
    Ok(hex(&hash.finalize()))
}

/// SHA-256 of parts one after the other, in hexadecimal.
pub fn hex_sha256(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
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
