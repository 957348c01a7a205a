//! What the header of a `.npy` file says about its array.

use npyz::Order;

use super::array::Array;
use super::fault::VectorsFault;
use crate::dataset::Number;
use crate::source::npy::read_npy_header;

/// The array of a file that begins with `start`.
pub(super) fn npy_array(start: &[u8]) -> Result<Array, VectorsFault> {
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
