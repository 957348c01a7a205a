//! NumPy's `.npy` files as datasets.
//!
//! An array is `[images, height, width]`, or has an axis of 1 or 3 channels besides: `[images, height, width, channels]` or
//! `[images, channels, height, width]`. Where both the second and the last of four axes may be channels, it is refused. Its
//! numbers are bytes, or floats from 0 to 1. An array of bytes that lies as a [`Dataset`] does is mapped; of others a
//! converted copy is kept in the data directory.

use std::fmt;
use std::io::Cursor;
use std::path::Path;

use npyz::{Deserialize, NpyFile, NpyHeader, Order};

use crate::cache::{self, Key};
use crate::decode::{Fault, MAX_SIDE};
use crate::fit;
use crate::folder::ImageFile;
use crate::make::{self, Job, Progress, Source};
use crate::mapped::Bytes;
use crate::open::Request;
use crate::options::{ImageReport, OnError};
use crate::resized;
use crate::{DataError, Dataset, ImageShape, Split, Splits};

/// The first bytes of every `.npy` file.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// A header of an array of numbers takes a hundred bytes; a longer one is no such header.
const MAX_HEADER_BYTES: usize = 1 << 16;

/// What is wrong with a `.npy` file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NpyFault {
    /// The header can't be read.
    #[error("expected a .npy header, but it can't be read: {0}")]
    Header(String),
    /// The numbers are of another type.
    #[error(
        "expected bytes (uint8) or floats from 0 to 1 (float32, float64), found {0}; convert the array before it is saved"
    )]
    Type(String),
    /// The array lies column by column.
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
    /// A float is not from 0 to 1.
    #[error("image {index}: expected floats from 0 to 1, found {found}; scale or clip the array")]
    OutOfRange {
        /// The image, from 0.
        index: usize,
        /// The float.
        found: String,
    },
}

/// The types of numbers that images have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Byte,
    Float32,
    Float64,
}

/// A header that fits its file.
struct Array {
    header: NpyHeader,
    number: Number,
    count: usize,
    shape: ImageShape,
    channels_last: bool,
    bytes: Bytes,
}

/// Opens the `.npy` file at `path`.
pub(crate) fn open(
    path: &Path,
    request: &Request<'_>,
    progress: Progress<'_>,
) -> Result<Splits, DataError> {
    let array = Array::read(Bytes::map(path)?).map_err(|fault| DataError::Npy {
        path: path.into(),
        fault,
    })?;
    let as_stored =
        array.number == Number::Byte && (!array.channels_last || array.shape.channels == 1);
    if as_stored {
        let dataset = Dataset::new(request.name, array.shape, array.bytes, None);
        return resized::open(Splits::new(dataset, None)?, request, progress);
    }
    let shape = resized::wanted(array.shape, request)?;
    let file = ImageFile::new(path.into(), &fs_err::metadata(path)?);
    let key = Key::new(
        &fs_err::canonicalize(path)?,
        request.options,
        [format!("{} {}", file.bytes, file.modified)],
    );
    let cached = cache::open_or_make(request.locations, &key, path, |directory| {
        let source = Converted { array, shape };
        let job = Job {
            root: path,
            shape,
            splits: vec![(Split::Train, &source)],
            // Numbers out of range are a fault of the whole array.
            on_error: OnError::Stop,
        };
        make::make(directory, &job, progress)
    })?;
    cached.into_splits(request.name, None, ImageReport::default())
}

impl Array {
    fn read(bytes: Bytes) -> Result<Self, NpyFault> {
        let mut start = Cursor::new(&bytes[..bytes.len().min(MAX_HEADER_BYTES)]);
        let header = NpyHeader::from_reader(&mut start)
            .map_err(|error| NpyFault::Header(error.to_string()))?;
        let header_bytes = start.position() as usize;
        let (number, number_bytes) = number(&header)?;
        if header.order() != Order::C {
            return Err(NpyFault::FortranOrder);
        }
        let (shape, channels_last) = axes(header.shape())?;
        let found = bytes.len() - header_bytes;
        // The axes may be anything: their product overflows 64 bits.
        let expected = header
            .shape()
            .iter()
            .try_fold(number_bytes, |product: u128, &axis| {
                product.checked_mul(u128::from(axis))
            })
            .unwrap_or(u128::MAX);
        if expected != found as u128 {
            return Err(NpyFault::Length { expected, found });
        }
        Ok(Self {
            number,
            count: header.shape()[0] as usize,
            shape,
            channels_last,
            bytes: bytes.skip(header_bytes),
            header,
        })
    }

    /// The numbers of an image as bytes, in the order of the file.
    fn image(&self, index: usize) -> Result<Vec<u8>, Fault> {
        match self.number {
            Number::Byte => self.numbers(index, |byte: u8| Some(byte)),
            Number::Float32 => self.numbers(index, |number: f32| to_byte(number.into())),
            Number::Float64 => self.numbers(index, to_byte),
        }
    }

    /// Reads an image, each number by `to_byte`, which gives None for one out of range.
    fn numbers<T: Deserialize + fmt::Display + Copy>(
        &self,
        index: usize,
        to_byte: impl Fn(T) -> Option<u8>,
    ) -> Result<Vec<u8>, Fault> {
        let features = self.shape.features();
        let invalid = |error: npyz::DTypeError| std::io::Error::other(error.to_string());
        let mut reader = NpyFile::with_header(self.header.clone(), Cursor::new(&*self.bytes))
            .data::<T>()
            .map_err(invalid)?;
        reader.seek_to((index * features) as u64)?;
        reader
            .take(features)
            .map(|number| {
                let number = number?;
                to_byte(number).ok_or_else(|| {
                    Fault::Array(NpyFault::OutOfRange {
                        index,
                        found: number.to_string(),
                    })
                })
            })
            .collect()
    }
}

fn to_byte(number: f64) -> Option<u8> {
    (0.0..=1.0)
        .contains(&number)
        .then(|| (number * 255.0).round() as u8)
}

/// The type of the numbers, and the bytes of one.
fn number(header: &NpyHeader) -> Result<(Number, u128), NpyFault> {
    let name = header.dtype().descr();
    match name.trim_matches('\'') {
        "|u1" | "<u1" | ">u1" => Ok((Number::Byte, 1)),
        "<f4" | ">f4" => Ok((Number::Float32, 4)),
        "<f8" | ">f8" => Ok((Number::Float64, 8)),
        other => Err(NpyFault::Type(other.into())),
    }
}

/// The shape of an image, and whether the channels are the last axis.
fn axes(axes: &[u64]) -> Result<(ImageShape, bool), NpyFault> {
    let shape = |channels, height, width| ImageShape {
        channels: channels as usize,
        height: height as usize,
        width: width as usize,
    };
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

/// The images of an array, converted and brought to a shape.
struct Converted {
    array: Array,
    shape: ImageShape,
}

impl Source for Converted {
    fn count(&self) -> usize {
        self.array.count
    }

    fn pixels(&self, index: usize) -> Result<Vec<u8>, Fault> {
        let pixels = self.array.image(index)?;
        let image = match self.array.channels_last {
            true => fit::from_interleaved(pixels, self.array.shape),
            false => fit::from_planes(&pixels, self.array.shape),
        };
        fit::fit(image, self.shape, false)
    }

    fn id(&self, _: usize) -> Option<String> {
        None
    }

    fn label(&self, _: usize) -> Option<u8> {
        None
    }
}
