//! A table as a dataset: read once, then kept in the data directory.

use std::path::Path;

use super::block::Reader;
use super::build::Job;
use crate::cache::{FileState, Key, Progress, open_or_make_table};
use crate::dataset::Splits;
use crate::error::DataError;
use crate::options::{RowOptions, SourceReport};
use crate::source::kind::Request;

/// Opens the table at `path`, which `read` reads where it is not in the cache.
pub(super) fn open_table<R: Reader>(
    path: &Path,
    request: &Request<'_>,
    read: impl FnOnce() -> Result<R, DataError>,
    progress: Progress<'_>,
) -> Result<Splits, DataError> {
    let place = format!("{:?}", fs_err::canonicalize(path)?);
    let state = FileState::new(&fs_err::metadata(path)?).to_string();
    let options = &request.options.rows;
    open_cached(path, (&place, &state), request, options, read, progress)
}

/// `place` and `state` are what the cache is named after.
pub(super) fn open_cached<R: Reader>(
    path: &Path,
    (place, state): (&str, &str),
    request: &Request<'_>,
    options: &RowOptions,
    read: impl FnOnce() -> Result<R, DataError>,
    progress: Progress<'_>,
) -> Result<Splits, DataError> {
    let model = request.options.input.as_deref();
    let taken = serde_json::json!([
        options.columns,
        options.label,
        options.id,
        options.categorical,
        options.missing,
        model,
        request.label_names,
    ]);
    let key = Key::of_table(&format!("{place} {taken}"), state);
    let table = open_or_make_table(request.locations, &key, request.name, |writer| {
        let job = Job {
            path,
            options,
            model,
            label_names: request.label_names,
        };
        job.run(read()?, writer, progress)
    })?;
    let report = SourceReport {
        notes: table.notes,
        cache: Some(table.path),
        ..SourceReport::default()
    };
    Ok(Splits::new(table.dataset, None)?.with_report(report))
}
