//! NumPy's `.npy` files as datasets.
//!
//! An array is `[images, height, width]`, or has an axis of 1 or 3 channels besides: `[images, height, width, channels]` or
//! `[images, channels, height, width]`. Where both the second and the last of four axes may be channels, it is refused. Its
//! numbers are bytes. An array that lies as a [`Dataset`] does is mapped; of others a converted copy is kept in the data
//! directory.

use std::path::Path;

use npyz::{NpyHeader, Order};

use crate::cache::{self, Key};
use crate::decode::{Fault, MAX_SIDE};
use crate::fit;
use crate::folder::ImageFile;
use crate::make::{self, Job, Progress, Source};
use crate::mapped::Bytes;
use crate::npy_header::read_npy_header;
use crate::open::Request;
use crate::options::{ImageReport, OnError};
use crate::resized;
use crate::{DataError, Dataset, ImageShape, Split, Splits};

/// The first bytes of every `.npy` file.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

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
}

/// What a header says of images.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    count: usize,
    shape: ImageShape,
    channels_last: bool,
    header_bytes: usize,
    /// Those behind the header.
    number_bytes: u128,
}

/// Images whose header fits their file.
struct Array {
    layout: Layout,
    /// Without the header.
    bytes: Bytes,
}

/// How many bytes the `.npy` file has that begins with `start`, as its header says. `path` is for the error.
pub(crate) fn claimed_bytes(start: &[u8], path: &Path) -> Result<u64, DataError> {
    match Layout::read(start) {
        Ok(layout) => {
            let bytes = layout
                .number_bytes
                .saturating_add(layout.header_bytes as u128);
            Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
        }
        Err(fault) => Err(DataError::Npy {
            path: path.into(),
            fault,
        }),
    }
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
    let Layout {
        shape,
        channels_last,
        ..
    } = array.layout;
    if !channels_last || shape.channels == 1 {
        let dataset = Dataset::new(request.name, shape, array.bytes, None);
        return resized::open(Splits::new(dataset, None)?, request, progress);
    }
    let shape = resized::wanted(shape, request)?;
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
            // What is wrong with one image is wrong with all.
            on_error: OnError::Stop,
        };
        make::make(directory, &job, progress)
    })?;
    cached.into_splits(request.name, None, ImageReport::default())
}

impl Layout {
    /// The layout of the file that begins with `start`.
    fn read(start: &[u8]) -> Result<Self, NpyFault> {
        let mut rest = start;
        let (header, header_bytes) =
            read_npy_header(&mut rest).map_err(|error| NpyFault::Header(error.to_string()))?;
        check_type(&header)?;
        if header.order() != Order::C {
            return Err(NpyFault::FortranOrder);
        }
        let (shape, channels_last) = axes(header.shape())?;
        // The axes may be anything: their product overflows 64 bits.
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

impl Array {
    fn read(bytes: Bytes) -> Result<Self, NpyFault> {
        let layout = Layout::read(&bytes)?;
        let (expected, found) = (layout.number_bytes, bytes.len() - layout.header_bytes);
        if expected != found as u128 {
            return Err(NpyFault::Length { expected, found });
        }
        Ok(Self {
            bytes: bytes.skip(layout.header_bytes),
            layout,
        })
    }

    /// The bytes of an image, in the order of the file.
    fn image(&self, index: usize) -> &[u8] {
        let features = self.layout.shape.features();
        &self.bytes[index * features..][..features]
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

/// The images of an array whose channels are the last axis, brought to a shape.
struct Converted {
    array: Array,
    shape: ImageShape,
}

impl Source for Converted {
    fn count(&self) -> usize {
        self.array.layout.count
    }

    fn pixels(&self, index: usize) -> Result<Vec<u8>, Fault> {
        let pixels = self.array.image(index).to_vec();
        let image = fit::from_interleaved(pixels, self.array.layout.shape);
        fit::fit(image, self.shape, false)
    }

    fn id(&self, _: usize) -> Option<String> {
        None
    }

    fn label(&self, _: usize) -> Option<u8> {
        None
    }
}
