//! NumPy's `.npy` files of vectors.

use std::path::Path;

use hourglass_samples::Kind;
use npyz::Order;

use super::array::Array;
use super::fault::VectorsFault;
use super::open::{File, open_vectors};
use crate::cache::Progress;
use crate::dataset::{Number, Splits};
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
        let array = array(start).map_err(|fault| DataError::format(path, fault))?;
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
        let array = array(&file.bytes).map_err(|fault| DataError::format(path, fault))?;
        open_vectors(vec![(file, array)], None, request, progress)
    }
}

/// The array of a file that begins with `start`.
pub(super) fn array(start: &[u8]) -> Result<Array, VectorsFault> {
    let mut rest = start;
    let (header, header_bytes) = read_npy_header(&mut rest).map_err(|error| {
        VectorsFault::Unreadable(format!(
            "expected a .npy header, but it can't be read: {error}"
        ))
    })?;
    let name = header.dtype().descr();
    let number = match name.trim_matches('\'') {
        "|u1" | "|b1" | "<u1" => Number::U8,
        "|i1" | "<i1" => Number::I8,
        "<u2" => Number::U16,
        "<i2" => Number::I16,
        "<u4" => Number::U32,
        "<i4" => Number::I32,
        "<u8" => Number::U64,
        "<i8" => Number::I64,
        "<f2" => Number::F16,
        "<f4" => Number::F32,
        "<f8" => Number::F64,
        other => return Err(VectorsFault::Type(other.into())),
    };
    if header.order() != Order::C {
        return Err(VectorsFault::FortranOrder);
    }
    Ok(Array {
        number,
        axes: header.shape().to_vec(),
        start: header_bytes,
    })
}
