//! Opening a dataset by its name or its path.

use std::path::{Path, PathBuf};

use hourglass_samples::{Input, Kind};

use crate::cache::Progress;
use crate::catalog;
use crate::dataset::Splits;
use crate::error::DataError;
use crate::locations::Locations;
use crate::options::DataOptions;
use crate::source::kind::{Request, describe};
use crate::source::unpack::{is_packed, start_of, unpacked};
use crate::source::{self, resized};

/// Opens a dataset of the catalog, or what lies at a path, with the default [`DataOptions`]. See [`open_with`].
pub fn open(name_or_path: &str, locations: &Locations) -> Result<Splits, DataError> {
    open_with(
        name_or_path,
        locations,
        &DataOptions::default(),
        &mut |_, _| {},
    )
}

/// Opens a dataset of the catalog, or what lies at a path; the crate's page says what that may be. A catalog name takes
/// precedence over a path of the same name. A directory with one of the IDX files in it counts as a directory of IDX files.
/// The kind of a file is told by its first bytes, or of a text by its name.
///
/// Images that must be decoded or resized, and tables, are processed once and then kept in the data directory; meanwhile
/// `progress` is called with how much is done and how much there is.
pub fn open_with(
    name_or_path: &str,
    locations: &Locations,
    options: &DataOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Splits, DataError> {
    options.images.check()?;
    let splits = open_one(name_or_path, locations, options, &[], progress)?;
    if let Some(input) = options.input.as_deref() {
        check_kind(name_or_path, input.kind(), &splits)?;
    }
    let kind = splits.train().kind();
    let splits = match &options.test {
        Some(test) => {
            // The columns, categories and labels of the training samples hold for the others too.
            let like = DataOptions {
                input: (kind != Kind::Image).then(|| splits.train().input().clone()),
                ..options.clone()
            };
            let label_names = splits.train().label_names().unwrap_or_default();
            let others = open_one(test, locations, &like, label_names, progress)?;
            check_kind(test, splits.train().kind(), &others)?;
            splits.with_test(&others)?
        }
        None => splits,
    };
    match options.test_fraction {
        Some(fraction) => splits.hold_out(fraction),
        None => Ok(splits),
    }
}

fn check_kind(name: &str, expected: Kind, found: &Splits) -> Result<(), DataError> {
    let found = found.train().kind();
    match found == expected {
        true => Ok(()),
        false => Err(DataError::OtherKind {
            name: name.into(),
            expected,
            found,
        }),
    }
}

fn open_one(
    name: &str,
    locations: &Locations,
    options: &DataOptions,
    label_names: &[String],
    progress: Progress<'_>,
) -> Result<Splits, DataError> {
    let request = Request {
        name,
        locations,
        options,
        label_names,
    };
    match catalog::find(name) {
        Some(entry) => {
            let splits = catalog::open(entry, &request, progress)?;
            options.check_used(name, splits.train().kind())?;
            match splits.train().kind() {
                Kind::Image => resized::open(splits, &request, progress),
                Kind::Table | Kind::Vectors => Ok(splits),
            }
        }
        None => open_path(&request, progress),
    }
}

/// Opens what lies at the requested path: the kinds of sources are asked in turn whether it is theirs.
fn open_path(request: &Request<'_>, progress: Progress<'_>) -> Result<Splits, DataError> {
    let path = Path::new(request.name);
    let wanted = request.options.kind;
    if !path.exists() {
        return Err(unknown_name(request.name));
    }
    let start = match path.is_dir() {
        true => None,
        false => Some(start_of(path)?),
    };
    let plain_name = match is_packed(path) && start.is_some() {
        true => path.with_extension(""),
        false => PathBuf::from(path),
    };
    let source = source::find(&plain_name, start.as_deref(), wanted).ok_or_else(|| {
        DataError::UnknownFile {
            path: path.into(),
            expected: source::files(wanted),
            found: start.as_deref().map_or("a directory".into(), describe),
        }
    })?;
    if let Some(expected) = request.options.input.as_deref().map(Input::kind)
        && expected != source.kind()
    {
        return Err(DataError::OtherKind {
            name: request.name.into(),
            expected,
            found: source.kind(),
        });
    }
    request.options.check_used(request.name, source.kind())?;
    let file = match &start {
        Some(start) if !source.reads_packed() => unpacked(path, request.locations, |_| {
            source.unpacked_length(start, path)
        })?,
        _ => path.into(),
    };
    source.open(&file, request, progress)
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
