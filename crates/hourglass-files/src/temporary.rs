//! The names that files have before they are whole, and what killed programs have left under such names.
//!
//! A file `NAME` is written as `.NAME.RANDOM.tmp` beside it. Whoever writes it holds a lock on it. The lock
//! tells a file that is being written from one that a killed program has left.

use std::ffi::OsStr;
use std::fs::TryLockError;
use std::path::Path;

use fs_err as fs;

/// The end of such a name.
pub(crate) const SUFFIX: &str = ".tmp";
/// Letters and digits that nobody can guess.
pub(crate) const RANDOM: usize = 6;
/// Bytes of the name that the file is to have, at most: file systems take 255 with the rest.
const MOST_BYTES: usize = 200;

/// Where something is written that is to be at `path`.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

/// How its name begins until then.
pub(crate) fn prefix_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut ends = (0..=name.len().min(MOST_BYTES)).rev();
    let end = ends.find(|&end| name.is_char_boundary(end));
    format!(".{}.", &name[..end.unwrap_or(0)])
}

/// Whether this is a name under which the file at `path` is written before it is whole.
pub fn is_temporary_of(name: &OsStr, path: &Path) -> bool {
    let name = name.to_string_lossy();
    let Some(rest) = name.strip_prefix(prefix_of(path).as_str()) else {
        return false;
    };
    // Version 0.1.0 had nothing random in its names.
    let random = rest.strip_suffix(SUFFIX);
    let is_random =
        |text: &str| text.len() == RANDOM && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    rest == "tmp" || random.is_some_and(is_random)
}

/// Removes what killed programs have left of the file, or the directory, at `path`. What can't be removed takes room, and no
/// more.
pub(crate) fn remove_stale_of(path: &Path) {
    remove_stale(directory_of(path), |name| is_temporary_of(name, path));
}

/// Removes the files and directories in `directory` whose names are temporary ones and that no program holds a lock on. What
/// can't be removed takes room, and no more.
pub fn remove_stale(directory: &Path, is_temporary: impl Fn(&OsStr) -> bool) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !is_temporary(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        // Not what a link leads to, and never a pipe.
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if !kind.is_file() && !kind.is_dir() {
            continue;
        }
        // The lock is held until it is gone, so that whoever has just made it and claims it now sees that it is lost.
        if let Some(_lock) = lock_of_left(&path) {
            let _ = match kind.is_file() {
                true => fs::remove_file(&path),
                false => fs::remove_dir_all(&path),
            };
        }
    }
}

/// Whether no program holds a lock on the file or the directory at `path`: what file systems without locks say nothing about
/// is not left.
pub fn is_left(path: &Path) -> bool {
    lock_of_left(path).is_some()
}

/// The lock on what no program holds a lock on.
fn lock_of_left(path: &Path) -> Option<fs::File> {
    let file = fs::File::open(path).ok()?;
    file.file().try_lock().is_ok().then_some(file)
}

/// Claims what has just been made, so that nobody takes it for something left; whether it is still there. Where there are no
/// locks, nobody removes anything.
pub(crate) fn claim(file: &std::fs::File, path: &Path) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_those_of_one_file() {
        let is = |name: &str| is_temporary_of(OsStr::new(name), Path::new("a/config.toml"));
        assert!(is(".config.toml.tmp") && is(".config.toml.aB3dE6.tmp"));
        for other in [
            "config.toml",
            ".config.toml",
            ".config.toml.aB3dE.tmp",
            ".config.toml.aB3d-6.tmp",
            ".config.toml.bak.aB3dE6.tmp",
            ".config.aB3dE6.tmp",
        ] {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn long_names_stay_short_enough() {
        let name = "ä".repeat(127);
        let prefix = prefix_of(Path::new(&name));
        assert!(prefix.len() + RANDOM + SUFFIX.len() <= 255, "{prefix}");
        let temporary = format!("{prefix}aB3dE6.tmp");
        assert!(is_temporary_of(OsStr::new(&temporary), Path::new(&name)));
    }
}
