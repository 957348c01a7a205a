//! IDX files as datasets: a directory of them, or one file of images.

use std::path::Path;

use super::four_files::{FILE_NAMES, assemble, dataset, find_file};
use super::header::{Kind, claimed_bytes};
use crate::cache::Progress;
use crate::dataset::{Bytes, Splits};
use crate::error::DataError;
use crate::source::kind::{Request, Source};
use crate::source::resized;
use crate::source::unpack::{Length, unpacked};

/// What each of the [`FILE_NAMES`] holds.
const KINDS: [Kind; 4] = [Kind::Images, Kind::Labels, Kind::Images, Kind::Labels];

/// A directory that holds at least one of the IDX files, or an IDX file of images.
pub(crate) struct Idx;

impl Source for Idx {
    fn describe_file(&self) -> &'static str {
        "an IDX file of images"
    }

    fn describe_path(&self) -> &'static str {
        "a directory that holds train-images-idx3-ubyte and the like (plain or .gz)"
    }

    fn knows(&self, path: &Path, start: Option<&[u8]>) -> bool {
        match start {
            // Accepts every type of IDX file, so that the error for an unsupported one says what it is.
            Some(start) => start.starts_with(&[0, 0]),
            None => FILE_NAMES
                .iter()
                .any(|name| find_file(path, name).is_some()),
        }
    }

    fn unpacked_length(&self, start: &[u8], path: &Path) -> Result<Length, DataError> {
        claimed_bytes(start, Kind::Images, path).map(Length::Exactly)
    }

    fn open(
        &self,
        path: &Path,
        request: &Request<'_>,
        progress: Progress<'_>,
    ) -> Result<Splits, DataError> {
        let splits = match path.is_dir() {
            true => open_directory(path, request)?,
            false => {
                let images = (request.name.into(), Bytes::map(path)?);
                Splits::new(dataset(request.name, images, None)?, None)?
            }
        };
        resized::open(splits, request, progress)
    }
}

fn open_directory(directory: &Path, request: &Request<'_>) -> Result<Splits, DataError> {
    let mut opened = [const { None }; 4];
    for ((slot, name), kind) in opened.iter_mut().zip(FILE_NAMES).zip(KINDS) {
        if let Some(path) = find_file(directory, name) {
            let length = |start: &[u8]| claimed_bytes(start, kind, &path).map(Length::Exactly);
            let plain = unpacked(&path, request.locations, length)?;
            *slot = Some((path, Bytes::map(&plain)?));
        }
    }
    assemble(request.name, opened, directory)
}
