//! NumPy's `.npy` files of vectors.

use std::path::Path;

use hourglass_samples::Kind;

use super::npy_array::npy_array;
use super::open::{File, open_vectors};
use crate::cache::Progress;
use crate::dataset::Splits;
use crate::error::DataError;
use crate::source::kind::{Request, Source};
use crate::source::npy::{MAGIC, read_npy_header};
use crate::source::unpack::Length;

/// A `.npy` file of vectors: an array with two axes.
pub(crate) struct NpyVectors;

impl Source for NpyVectors {
    fn describe_file(&self) -> &'static str {
        "a .npy file"
    }

    fn kind(&self) -> Kind {
        Kind::Vectors
    }

    fn knows(&self, _: &Path, start: Option<&[u8]>) -> bool {
        let start = start.filter(|start| start.starts_with(MAGIC));
        let header = start.and_then(|mut start| read_npy_header(&mut start).ok());
        header.is_some_and(|(header, _)| header.shape().len() == 2)
    }

    fn unpacked_length(&self, start: &[u8], path: &Path) -> Result<Length, DataError> {
        let array = npy_array(start).map_err(|fault| DataError::format(path, fault))?;
        let bytes = array.bytes().saturating_add(array.start as u128);
        Ok(Length::Exactly(u64::try_from(bytes).unwrap_or(u64::MAX)))
    }

    fn open(
        &self,
        path: &Path,
        request: &Request<'_>,
        progress: Progress<'_>,
    ) -> Result<Splits, DataError> {
        let file = File::map(path)?;
        let array = npy_array(&file.bytes).map_err(|fault| DataError::format(path, fault))?;
        open_vectors(vec![(file, array)], None, request, progress)
    }
}
