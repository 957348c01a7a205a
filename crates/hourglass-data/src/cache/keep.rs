//! Finding a cache, or making it where there is none.

use std::path::Path;

use hourglass_files::check_target;
use tempfile::TempDir;

use super::key::Key;
use crate::error::DataError;
use crate::locations::Locations;

/// Opens the cache of this key among those of a `kind`, by `open`. Where there is none that `is_current`, `make` first writes it
/// into the directory that it is given.
pub(super) fn open_or_make<T>(
    locations: &Locations,
    kind: &str,
    key: &Key,
    open: impl Fn(&Path) -> Result<T, DataError>,
    is_current: impl Fn(&T) -> bool,
    make: impl FnOnce(&Path) -> Result<(), DataError>,
) -> Result<T, DataError> {
    let caches = locations.data_directory()?.join(kind);
    let target = caches.join(key.name());
    let open_usable = || open(&target).ok().filter(|cached| is_current(cached));
    if let Some(cached) = open_usable() {
        return Ok(cached);
    }
    fs_err::create_dir_all(&caches)?;
    let lock = caches.join(format!("{}.lock", key.place()));
    check_target(&lock)?;
    let mut options = fs_err::OpenOptions::new();
    let options = options.write(true).create(true).truncate(false);
    let lock = options.open(lock)?;
    // Where a file system has no locks, two processes may do the same work; the cache of the last one stays.
    let locked = lock.file().lock().is_ok();
    if let Some(cached) = open_usable() {
        return Ok(cached);
    }
    let unfinished = format!(".writing-{}-", key.place());
    if locked {
        remove_others(&caches, &unfinished, &target);
    }
    let temporary =
        TempDir::with_prefix_in(&unfinished, &caches).map_err(|reason| DataError::Io {
            path: caches.clone(),
            reason,
        })?;
    make(temporary.path())?;
    if target.exists() {
        fs_err::remove_dir_all(&target)?;
    }
    fs_err::rename(temporary.path(), &target)?;
    // It has another name now, and stays.
    let _ = temporary.keep();
    remove_others(&caches, &format!("{}-", key.place()), &target);
    open(&target)
}

/// Removes what begins with `prefix` in `caches`, apart from `keep`. What can't be removed only takes up space.
fn remove_others(caches: &Path, prefix: &str, keep: &Path) {
    let entries = fs_err::read_dir(caches).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(prefix) && entry.path() != keep {
            let _ = fs_err::remove_dir_all(entry.path());
        }
    }
}
