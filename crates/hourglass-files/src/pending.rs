//! Files that get their names when they are whole.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use tempfile::{Builder, NamedTempFile};

use crate::regular::check_target;
use crate::temporary::{RANDOM, SUFFIX, claim, directory_of, prefix_of, remove_stale_of};

/// Writes a file so that at every instant either the old content or the new is there, also after a power cut.
///
/// # Errors
/// Names the path. Nothing is left behind.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = PendingFile::create(path)?;
    file.write_all(bytes)?;
    file.finish()
}

/// Writes a file that is either whole or not there, without waiting for the disk: where there are many, and they can be made
/// again.
///
/// # Errors
/// Names the path. Nothing is left behind.
pub fn write_quickly(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = Unnamed::create(path)?;
    file.write_all(bytes)?;
    file.give_name()
}

/// A file beside the one that it will be: dropped before [`PendingFile::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct PendingFile {
    file: BufWriter<Unnamed>,
}

impl PendingFile {
    /// Begins the file that is to be at `path`, and removes what killed programs have left of it.
    ///
    /// # Errors
    /// When none can be made there, or something is there that is no file.
    pub fn create(path: &Path) -> io::Result<Self> {
        check_target(path)?;
        remove_stale_of(path);
        let file = Unnamed::create(path)?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 16, file),
        })
    }

    /// Where the file is until then, for those who write to paths only.
    pub fn temporary_path(&self) -> &Path {
        self.file.get_ref().file.path()
    }

    /// Gives the file its name, and sees to it that both are on the disk.
    ///
    /// # Errors
    /// When not all of it can be written.
    pub fn finish(self) -> io::Result<()> {
        let file = self.file.into_inner();
        let file = file.map_err(io::IntoInnerError::into_error)?;
        let synced = file.file.as_file().sync_all();
        synced.map_err(|error| file.named(error))?;
        let path = file.path.clone();
        file.give_name()?;
        match cfg!(unix) {
            true => fs::File::open(directory_of(&path))?.sync_all(),
            false => Ok(()),
        }
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for PendingFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// A file under a temporary name; errors are told of the name that it is to have.
#[derive(Debug)]
struct Unnamed {
    path: PathBuf,
    file: NamedTempFile,
}

impl Unnamed {
    fn create(path: &Path) -> io::Result<Self> {
        check_target(path)?;
        loop {
            let file = named_temporary(path).map_err(|error| naming(path, error))?;
            if claim(file.as_file(), file.path()) {
                let path = path.into();
                return Ok(Self { path, file });
            }
        }
    }

    fn give_name(self) -> io::Result<()> {
        let Self { path, file } = self;
        let persisted = file.persist(&path);
        persisted.map_err(|error| naming(&path, error.error))?;
        Ok(())
    }

    fn named(&self, error: io::Error) -> io::Error {
        naming(&self.path, error)
    }
}

impl Write for Unnamed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.as_file_mut().write(bytes);
        written.map_err(|error| self.named(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.as_file_mut().flush();
        flushed.map_err(|error| self.named(error))
    }
}

impl Seek for Unnamed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = self.file.as_file_mut().seek(to);
        place.map_err(|error| self.named(error))
    }
}

/// A new file beside `path`, as all may read it whom the user lets; never what is there already.
fn named_temporary(path: &Path) -> io::Result<NamedTempFile> {
    let prefix = prefix_of(path);
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX).rand_bytes(RANDOM);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory_of(path))
}

/// The error of the system, with the path that the user knows in place of a temporary one.
pub(crate) fn naming(path: &Path, error: io::Error) -> io::Error {
    let reason = error.to_string();
    // The tempfile crate puts its own path behind what the system says.
    let reason = reason.split(" at path \"").next().unwrap_or_default();
    let message = format!("{}: it can't be written: {reason}", path.display());
    io::Error::new(error.kind(), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.into_string().expect("text"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        write_atomically(&path, b"old").expect("written");
        let below = path.join("below-a-file");
        for written in [
            write_atomically(&below, b"new"),
            write_quickly(&below, b"new"),
        ] {
            let error = written.expect_err("not a directory").to_string();
            assert!(
                error.starts_with(&format!("{}: ", below.display())),
                "{error}"
            );
            assert!(!error.contains("/.below"), "{error}");
        }
        let mut dropped = PendingFile::create(&path).expect("begun");
        dropped.write_all(b"new").expect("written");
        drop(dropped);
        assert_eq!(fs::read(&path).expect("read"), b"old");
        assert_eq!(names(directory.path()), ["file"]);
        write_quickly(&path, b"new").expect("written");
        assert_eq!(fs::read(&path).expect("read"), b"new");
        assert_eq!(names(directory.path()), ["file"]);
    }

    #[test]
    fn what_was_left_is_removed_but_not_what_is_being_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        for left in [".file.tmp", ".file.aB3dE6.tmp", ".other.aB3dE6.tmp"] {
            fs::write(at(left), b"part").expect("written");
        }
        let mut first = PendingFile::create(&at("file")).expect("begun");
        let mut second = PendingFile::create(&at("file")).expect("begun at the same time");
        first.write_all(b"first").expect("written");
        second.write_all(b"second").expect("written");
        first.finish().expect("finished");
        second.finish().expect("finished");
        assert_eq!(names(directory.path()), [".other.aB3dE6.tmp", "file"]);
        assert_eq!(fs::read(at("file")).expect("read"), b"second");
    }

    #[cfg(unix)]
    #[test]
    fn planted_links_and_devices_are_not_written_to() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::write(at("precious"), b"kept").expect("written");
        symlink(at("precious"), at(".file.tmp")).expect("a link");
        symlink("/dev/null", at("null")).expect("a link");
        write_atomically(&at("file"), b"new").expect("written");
        write_quickly(&at("file"), b"newer").expect("written");
        assert_eq!(fs::read(at("precious")).expect("read"), b"kept");
        assert_eq!(fs::read(at("file")).expect("read"), b"newer");
        for written in [
            write_atomically(&at("null"), b"x"),
            write_quickly(&at("null"), b"x"),
        ] {
            let error = written.expect_err("a device").to_string();
            assert!(error.ends_with("found a device"), "{error}");
        }
        // As any other file: not its owner's alone, where the user's mask lets others read.
        fs::write(at("usual"), b"").expect("written");
        let mode = |name: &str| fs::metadata(at(name)).expect("a file").permissions().mode();
        assert_eq!(mode("file"), mode("usual"));
    }
}
