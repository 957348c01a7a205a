//! Finding and opening a dataset, by its catalog name or by its path.

use std::io::Read;
use std::path::{Path, PathBuf};

use hourglass_files::open_file;

use crate::cache::Progress;
use crate::catalog;
use crate::dataset::Splits;
use crate::error::DataError;
use crate::locations::Locations;
use crate::options::ImageOptions;
use crate::source::kind::{Request, Source, describe};
use crate::source::unpack::{START_BYTES, is_packed, unpacked};
use crate::source::{self, resized};

/// Opens a dataset of the catalog, or what lies at a path, with the default [`ImageOptions`]. See [`open_with`].
pub fn open(name_or_path: &str, locations: &Locations) -> Result<Splits, DataError> {
    open_with(
        name_or_path,
        locations,
        &ImageOptions::default(),
        &mut |_, _| {},
    )
}

/// Opens a dataset of the catalog, or what lies at a path: a directory of IDX files, a folder of PNG and JPEG images, one
/// image, a `.npy` file or an IDX file of images. A catalog name takes precedence over a path of the same name. A directory
/// with one of the IDX files in it counts as a directory of IDX files. The kind of a file is told by its first bytes.
///
/// Images that must be decoded or resized are processed once and then kept in the data directory; meanwhile `progress` is
/// called with the number of images done and the number of all images.
pub fn open_with(
    name_or_path: &str,
    locations: &Locations,
    options: &ImageOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Splits, DataError> {
    options.check()?;
    let request = Request {
        name: name_or_path,
        locations,
        options,
    };
    match catalog::find(name_or_path) {
        Some(entry) => resized::open(catalog::open(entry, locations)?, &request, progress),
        None => open_path(&request, progress),
    }
}

/// Opens what lies at the requested path: the kinds of sources are asked in turn whether it is theirs.
fn open_path(request: &Request<'_>, progress: Progress<'_>) -> Result<Splits, DataError> {
    let path = Path::new(request.name);
    if !path.exists() {
        return Err(unknown_name(request.name));
    }
    if path.is_dir() {
        let kind = source::find(path, None);
        let kind = kind.ok_or_else(|| unknown_kind(path, "a directory".into()))?;
        return kind.open(path, request, progress);
    }
    let plain = unpacked(path, request.locations, |start| {
        kind_of(path, start)?.unpacked_length(start, path)
    })?;
    let mut start = Vec::new();
    let mut file = open_file(&plain)?.take(START_BYTES as u64);
    file.read_to_end(&mut start)?;
    kind_of(path, &start)?.open(&plain, request, progress)
}

/// The kind of the file at `path` that begins with `start`, once it is unpacked.
fn kind_of(path: &Path, start: &[u8]) -> Result<&'static dyn Source, DataError> {
    let unpacked_name = match is_packed(path) {
        true => path.with_extension(""),
        false => PathBuf::from(path),
    };
    source::find(&unpacked_name, Some(start)).ok_or_else(|| unknown_kind(path, describe(start)))
}

fn unknown_kind(path: &Path, found: String) -> DataError {
    DataError::UnknownFile {
        path: path.into(),
        expected: source::files(),
        found,
    }
}

fn unknown_name(name: &str) -> DataError {
    let known: Vec<&str> = catalog::ENTRIES.iter().map(|entry| entry.name).collect();
    DataError::UnknownDataset {
        name: name.into(),
        suggestion: catalog::closest(name),
        known: known.join(", "),
        paths: source::paths(),
    }
}
