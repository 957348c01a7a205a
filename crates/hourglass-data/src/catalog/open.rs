//! Opening a dataset of the catalog.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use super::entry::{Content, Entry};
use crate::cache::{Progress, stamp};
use crate::dataset::{Bytes, Splits};
use crate::error::DataError;
use crate::locations::Locations;
use crate::source::idx::{assemble, find_file};
use crate::source::kind::Request;
use crate::source::table::open_packed_table;
use crate::source::unpack::{Length, unpacked};

/// Opens the dataset of `entry`, whose files must be on this machine and be those that were published.
pub(crate) fn open(
    entry: &'static Entry,
    request: &Request<'_>,
    progress: Progress<'_>,
) -> Result<Splits, DataError> {
    match &entry.content {
        Content::Embedded(packed) => open_embedded(entry, packed),
        Content::Table { packed, label } => {
            open_packed_table(entry.files[0].name, packed, label, request, progress)
        }
        Content::Mirrors(_) => open_fetched(entry, request.locations),
    }
}

fn open_embedded(entry: &Entry, packed: &[&'static [u8]; 4]) -> Result<Splits, DataError> {
    let mut opened = [const { None }; 4];
    for ((slot, file), packed) in opened.iter_mut().zip(entry.files).zip(packed) {
        let path = Path::new(entry.name).join(file.name);
        let mut bytes = Vec::with_capacity(file.bytes as usize);
        GzDecoder::new(*packed)
            .read_to_end(&mut bytes)
            .map_err(|error| DataError::Gzip {
                path: path.clone(),
                reason: error.to_string(),
            })?;
        *slot = Some((path, Bytes::owned(bytes)));
    }
    assemble(entry.name, opened, Path::new(entry.name))
}

fn open_fetched(entry: &'static Entry, locations: &Locations) -> Result<Splits, DataError> {
    let directory = entry.directory(locations)?;
    let mut opened = [const { None }; 4];
    for (slot, file) in opened.iter_mut().zip(entry.files) {
        let path = find_file(&directory, file.name).ok_or_else(|| DataError::NotFetched {
            dataset: entry.name,
            path: directory.join(file.name),
        })?;
        let plain = unpacked(&path, locations, |_| Ok(Length::AtMost(file.bytes)))?;
        let found = stamp::sha256_of_file(&plain)?;
        if found != file.sha256 {
            return Err(DataError::WrongChecksum {
                path,
                expected: file.sha256,
                found,
                dataset: entry.name,
            });
        }
        *slot = Some((path, Bytes::map(&plain)?));
    }
    assemble(entry.name, opened, &directory)
}
