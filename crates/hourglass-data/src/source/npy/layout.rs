//! What the header of a `.npy` file says about its images, or why the file holds none.

use hourglass_samples::Shape;
use npyz::{NpyHeader, Order};

use super::header::read_npy_header;

use crate::limits::MAX_SIDE;

/// What is wrong with a `.npy` file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NpyFault {
    /// The header can't be read.
    #[error("expected a .npy header, but it can't be read: {0}")]
    Header(String),
    /// The numbers are of another type.
    #[error("expected bytes (uint8), found {0}; convert the array before it is saved")]
    Type(String),
    /// The numbers are floats, which would have to be rounded.
    #[error(
        "expected bytes (uint8), found floats ({0}), which are not rounded unasked; where they are from 0 to 1 save \
         numpy.round(255 * array).astype(numpy.uint8)"
    )]
    Floats(String),
    /// The array is stored column by column.
    #[error(
        "expected an array in C order, found Fortran order; save numpy.ascontiguousarray of it"
    )]
    FortranOrder,
    /// The axes are not those of images.
    #[error(
        "expected [images, height, width], [images, height, width, channels] or [images, channels, height, width] with 1 or 3 channels, sides of 1 to {MAX_SIDE} and at least 1 image, found {0:?}"
    )]
    Axes(Vec<u64>),
    /// Two axes may be the channels.
    #[error(
        "expected one axis of 1 or 3 channels, found two in {0:?}; leave out an axis of 1, or give the images another size"
    )]
    Ambiguous(Vec<u64>),
    /// The file is not as long as its header says.
    #[error(
        "the header says {expected} bytes of numbers, found {found}; write or copy the file again"
    )]
    Length {
        /// Bytes that the array takes.
        expected: u128,
        /// Bytes behind the header.
        found: usize,
    },
}

/// Where the images lie in a file, as its header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) count: usize,
    pub(super) shape: Shape,
    pub(super) channels_last: bool,
    pub(super) header_bytes: usize,
    /// Bytes behind the header.
    pub(super) number_bytes: u128,
}

impl Layout {
    /// The layout of the file that begins with `start`.
    pub(super) fn read(start: &[u8]) -> Result<Self, NpyFault> {
        let mut rest = start;
        let (header, header_bytes) =
            read_npy_header(&mut rest).map_err(|error| NpyFault::Header(error.to_string()))?;
        check_type(&header)?;
        if header.order() != Order::C {
            return Err(NpyFault::FortranOrder);
        }
        let (shape, channels_last) = axes(header.shape())?;
        // The axes may be anything: their product may overflow 64 bits.
        let axes = header.shape().iter();
        let number_bytes = axes.fold(1, |product: u128, &axis| {
            product.saturating_mul(u128::from(axis))
        });
        Ok(Self {
            count: header.shape()[0] as usize,
            shape,
            channels_last,
            header_bytes,
            number_bytes,
        })
    }
}

fn check_type(header: &NpyHeader) -> Result<(), NpyFault> {
    let name = header.dtype().descr();
    match name.trim_matches('\'') {
        "|u1" | "<u1" | ">u1" => Ok(()),
        float @ ("<f2" | ">f2" | "<f4" | ">f4" | "<f8" | ">f8") => {
            Err(NpyFault::Floats(float.into()))
        }
        other => Err(NpyFault::Type(other.into())),
    }
}

/// The shape of each image, and whether the channels are the last axis.
fn axes(axes: &[u64]) -> Result<(Shape, bool), NpyFault> {
    let shape =
        |channels, height, width| Shape::new(channels as usize, height as usize, width as usize);
    let channels = |axis: u64| matches!(axis, 1 | 3);
    let side = 1..=u64::from(MAX_SIDE);
    if axes.contains(&0) || axes.iter().skip(1).any(|axis| !side.contains(axis)) {
        return Err(NpyFault::Axes(axes.into()));
    }
    match *axes {
        [_, height, width] => Ok((shape(1, height, width), false)),
        [_, a, _, b] if channels(a) && channels(b) => Err(NpyFault::Ambiguous(axes.into())),
        [_, height, width, last] if channels(last) => Ok((shape(last, height, width), true)),
        [_, first, height, width] if channels(first) => Ok((shape(first, height, width), false)),
        _ => Err(NpyFault::Axes(axes.into())),
    }
}
