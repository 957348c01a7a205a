//! Finding a cache, or making it where there is none.

use std::path::Path;

use hourglass_files::check_target;
use tempfile::TempDir;

use super::cached::Cached;
use super::key::Key;
use crate::error::DataError;
use crate::locations::Locations;

/// Opens the cache of this key. Where there is no usable one, `make` first writes it into the directory that it is given.
/// The paths of skipped files are relative to `root`.
pub(crate) fn open_or_make(
    locations: &Locations,
    key: &Key,
    root: &Path,
    make: impl FnOnce(&Path) -> Result<(), DataError>,
) -> Result<Cached, DataError> {
    let images = locations.data_directory()?.join("images");
    let target = images.join(key.name());
    let open_usable = || {
        Cached::open(&target)
            .ok()
            .filter(|cached| cached.is_current(root))
    };
    if let Some(cached) = open_usable() {
        return Ok(cached);
    }
    fs_err::create_dir_all(&images)?;
    let lock = images.join(format!("{}.lock", key.place()));
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
        remove_others(&images, &unfinished, &target);
    }
    let temporary =
        TempDir::with_prefix_in(&unfinished, &images).map_err(|reason| DataError::Io {
            path: images.clone(),
            reason,
        })?;
    make(temporary.path())?;
    if target.exists() {
        fs_err::remove_dir_all(&target)?;
    }
    fs_err::rename(temporary.path(), &target)?;
    // It has another name now, and stays.
    let _ = temporary.keep();
    remove_others(&images, &format!("{}-", key.place()), &target);
    Cached::open(&target)
}

/// Removes what begins with `prefix` in `images`, apart from `keep`. What can't be removed only takes up space.
fn remove_others(images: &Path, prefix: &str, keep: &Path) {
    let entries = fs_err::read_dir(images).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(prefix) && entry.path() != keep {
            let _ = fs_err::remove_dir_all(entry.path());
        }
    }
}
