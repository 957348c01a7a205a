//! NumPy's `.npy` files as datasets.
//!
//! An array is `[images, height, width]`, or has an axis of 1 or 3 channels besides: `[images, height, width, channels]` or
//! `[images, channels, height, width]`. An array is refused if both the second and the last of its four axes may be
//! channels. Its numbers must be bytes. An array that is laid out as a [`Dataset`] is mapped; of any other, a converted copy is
//! kept in the data directory.

use std::path::Path;

use super::layout::{Layout, NpyFault};
use crate::cache::{self, CacheJob, FileState, Images, Key, Progress, Unusable};
use crate::dataset::{Bytes, Dataset, Split, Splits};
use crate::error::DataError;
use crate::options::{OnError, SourceReport};
use crate::source::fit;
use crate::source::kind::{Request, Source};
use crate::source::resized;
use crate::source::unpack::{Length, START_BYTES};
use hourglass_samples::Shape;

/// The first bytes of every `.npy` file.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

// A header's length must be known from what is unpacked first.
const _: () = assert!(super::header::HEADER_BYTES <= START_BYTES);

/// A `.npy` file.
pub(crate) struct Npy;

impl Source for Npy {
    fn describe_file(&self) -> &'static str {
        "a .npy file"
    }

    fn knows(&self, _: &Path, start: Option<&[u8]>) -> bool {
        start.is_some_and(|start| start.starts_with(MAGIC))
    }

    fn unpacked_length(&self, start: &[u8], path: &Path) -> Result<Length, DataError> {
        let layout = Layout::read(start).map_err(|fault| DataError::format(path, fault))?;
        let header_bytes = layout.header_bytes as u128;
        let bytes = layout.number_bytes.saturating_add(header_bytes);
        Ok(Length::Exactly(u64::try_from(bytes).unwrap_or(u64::MAX)))
    }

    fn open(
        &self,
        path: &Path,
        request: &Request<'_>,
        progress: Progress<'_>,
    ) -> Result<Splits, DataError> {
        let bytes = Bytes::map(path)?;
        let array = Array::read(bytes).map_err(|fault| DataError::format(path, fault))?;
        let Layout {
            shape,
            channels_last,
            ..
        } = array.layout;
        if !channels_last || shape.channels == 1 {
            let dataset = Dataset::of_images(request.name, shape, array.bytes, None);
            return resized::open(Splits::new(dataset, None)?, request, progress);
        }
        let shape = resized::wanted(shape, request)?;
        let state = FileState::new(&fs_err::metadata(path)?);
        let key = Key::new(
            &fs_err::canonicalize(path)?,
            &request.options.images,
            [state.to_string()],
        );
        let cached = cache::open_or_make(request.locations, &key, path, |directory| {
            let images = Converted { array, shape };
            let job = CacheJob {
                root: path,
                shape,
                splits: vec![(Split::Train, &images)],
                // What is wrong with one image is wrong with all.
                on_error: OnError::Stop,
            };
            job.make(directory, progress)
        })?;
        cached.into_splits(request.name, None, SourceReport::default())
    }
}

/// Images whose header fits their file.
struct Array {
    layout: Layout,
    /// Without the header.
    bytes: Bytes,
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

    /// The bytes of image `index`, in the order of the file.
    fn image(&self, index: usize) -> &[u8] {
        let features = self.layout.shape.features();
        &self.bytes[index * features..][..features]
    }
}

/// The images of an array whose channels are the last axis, brought to a shape.
struct Converted {
    array: Array,
    shape: Shape,
}

impl Images for Converted {
    fn count(&self) -> usize {
        self.array.layout.count
    }

    fn pixels(&self, index: usize) -> Result<Vec<u8>, Unusable> {
        let pixels = self.array.image(index).to_vec();
        let image = fit::from_interleaved(pixels, self.array.layout.shape);
        Ok(fit::fit(image, self.shape, false)?)
    }

    fn id(&self, _: usize) -> Option<String> {
        None
    }

    fn label(&self, _: usize) -> Option<u8> {
        None
    }
}
