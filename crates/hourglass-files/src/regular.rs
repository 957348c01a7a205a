//! Opening regular files, and refusing everything else.

use std::fs::FileType;
use std::io::{self, Read};
use std::path::Path;

use fs_err as fs;

/// Opens what must be a regular file: a pipe, say, could be waited for without end.
///
/// # Errors
/// Names the path.
pub fn open_file(path: &Path) -> io::Result<fs::File> {
    let found = fs::metadata(path)?.file_type();
    match found.is_file() {
        true => fs::File::open(path),
        false => Err(other(path, "expected a file", found)),
    }
}

/// The bytes of a regular file.
///
/// # Errors
/// Names the path.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_file(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a regular file.
///
/// # Errors
/// Names the path.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open_file(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Refuses a path at which a file is to be written but something else is: it would be replaced, or be waited for.
///
/// # Errors
/// Names the path.
pub fn check_target(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let expected = "expected a new file or one to write over";
            Err(other(path, expected, found.file_type()))
        }
        // What can't be looked at is told by whoever writes there.
        _ => Ok(()),
    }
}

fn other(path: &Path, expected: &str, found: FileType) -> io::Error {
    let message = format!("{}: {expected}, found {}", path.display(), name(found));
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// What is not a regular file.
fn name(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    match kind.is_dir() {
        true => "a directory",
        false => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_no_files() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        let error = open_file(path).expect_err("a directory").to_string();
        let expected = format!("{}: expected a file, found a directory", path.display());
        assert_eq!(error, expected);
        assert!(
            read(path).is_err() && read_to_string(path).is_err() && check_target(path).is_err()
        );
        assert!(check_target(&path.join("new")).is_ok());
    }

    /// Opening one to read waits for a writer, opening one to write for a reader.
    #[cfg(unix)]
    #[test]
    fn pipes_and_devices_are_refused_at_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let pipe = directory.path().join("pipe");
        make_pipe(&pipe);
        let error = open_file(&pipe).expect_err("a pipe").to_string();
        assert!(
            error.ends_with("pipe: expected a file, found a pipe"),
            "{error}"
        );
        let error = check_target(&pipe).expect_err("a pipe").to_string();
        assert!(error.ends_with("to write over, found a pipe"), "{error}");
        let error = check_target(Path::new("/dev/null")).expect_err("a device");
        assert!(error.to_string().ends_with("found a device"), "{error}");
    }

    #[cfg(unix)]
    #[expect(unsafe_code, reason = "the standard library makes no pipes with names")]
    fn make_pipe(path: &Path) {
        use std::os::unix::ffi::OsStrExt;
        let path = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("a path");
        // SAFETY: mkfifo reads the text that it is given, which ends in a zero.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    }
}
