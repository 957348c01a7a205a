//! Files of a directory that get their names together.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use tempfile::{Builder, TempDir};

use crate::pending::naming;
use crate::temporary::{RANDOM, SUFFIX, claim, prefix_of, remove_stale_of};

/// Files in a directory within the one that they will be in: dropped before [`PendingFiles::finish`], it leaves nothing
/// behind. As long as that directory is there, not all of them have their names.
#[derive(Debug)]
pub struct PendingFiles {
    directory: PathBuf,
    temporary: TempDir,
    /// Held so that nobody takes the directory for one that a killed program has left, where directories have locks.
    _lock: Option<std::fs::File>,
}

impl PendingFiles {
    /// Begins files that are to be in `directory`, and removes those that killed programs have left under this name.
    ///
    /// # Errors
    /// When none can be made there.
    pub fn create(directory: &Path, name: &str) -> io::Result<Self> {
        let path = directory.join(name);
        remove_stale_of(&path);
        loop {
            let temporary = Builder::new()
                .prefix(&prefix_of(&path))
                .suffix(SUFFIX)
                .rand_bytes(RANDOM)
                .tempdir_in(directory)
                .map_err(|error| naming(directory, error))?;
            let lock = std::fs::File::open(temporary.path()).ok();
            if lock
                .as_ref()
                .is_none_or(|lock| claim(lock, temporary.path()))
            {
                return Ok(Self {
                    directory: directory.into(),
                    temporary,
                    _lock: lock,
                });
            }
        }
    }

    /// Where they are until then.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives the files with these names their places, one after the other.
    ///
    /// # Errors
    /// Names the file.
    pub fn finish(self, names: &[&str]) -> io::Result<()> {
        let Self {
            directory,
            temporary,
            ..
        } = self;
        for name in names {
            fs::rename(temporary.path().join(name), directory.join(name))?;
        }
        // At once: a program that is killed after the last name has left nothing but this.
        drop(temporary);
        match cfg!(unix) {
            true => fs::File::open(&directory)?.sync_all(),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_their_places_together_or_not_at_all() {
        let place = tempfile::tempdir().expect("a directory");
        let count = || fs::read_dir(place.path()).expect("read").count();
        let dropped = PendingFiles::create(place.path(), "made").expect("begun");
        fs::write(dropped.path().join("a"), b"part").expect("written");
        drop(dropped);
        assert_eq!(count(), 0);
        let whole = PendingFiles::create(place.path(), "made").expect("begun");
        for name in ["a", "b"] {
            fs::write(whole.path().join(name), name).expect("written");
        }
        whole.finish(&["a", "b"]).expect("finished");
        assert_eq!(count(), 2);
        assert_eq!(fs::read(place.path().join("b")).expect("read"), b"b");
    }

    #[cfg(unix)]
    #[test]
    fn what_was_left_is_removed_but_not_what_is_being_written() {
        let place = tempfile::tempdir().expect("a directory");
        let left = place.path().join(".made.aB3dE6.tmp");
        fs::create_dir(&left).expect("a directory");
        fs::write(left.join("a"), b"part").expect("written");
        let first = PendingFiles::create(place.path(), "made").expect("begun");
        assert!(!left.exists());
        let second = PendingFiles::create(place.path(), "made").expect("begun");
        assert!(first.path().exists() && second.path().exists());
    }
}
