//! Reads, checks and decodes one image file. Each way in which it can be unusable has an error of its own.

use std::io::{self, Cursor, Read};
use std::path::Path;

use hourglass_files::open_file;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::jpeg;
use crate::cache::Unusable;
use crate::limits::MAX_SIDE;
use crate::source::kind::describe;

/// The most bytes of a file, and of its decoded pixels: 89 million pixels of RGB. Each thread may hold this many.
pub(crate) const MAX_BYTES: u64 = 256 << 20;

/// Why an image can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it can't be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("expected PNG or JPEG data, found {0}")]
    OtherData(String),
    #[error("expected a whole image, but it can't be decoded: {0}")]
    Undecodable(String),
    #[error("expected a whole JPEG image, found one that ends before its end marker")]
    Truncated,
    #[error(
        "expected a whole JPEG image, found data for less than the {width}x{height} pixels that it claims"
    )]
    Short { width: u32, height: u32 },
    #[error("expected at most {MAX_BYTES} bytes in the file and in its pixels, found more")]
    Large,
    #[error(
        "expected at most {MAX_SIDE} pixels on a side and {MAX_BYTES} bytes of pixels, found {width}x{height} and {bytes} bytes"
    )]
    LargeImage { width: u32, height: u32, bytes: u64 },
}

impl From<Fault> for Unusable {
    fn from(fault: Fault) -> Self {
        Self {
            reason: fault.to_string(),
            unreadable: matches!(fault, Fault::Unreadable(_)),
        }
    }
}

/// Reads the file at `path`, unless it is too large.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    open_file(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Fault::Large);
    }
    Ok(bytes)
}

/// Reads and decodes the file at `path`.
pub(crate) fn open(path: &Path) -> Result<DynamicImage, Fault> {
    decode(&read(path)?)
}

/// Decodes the first image in `bytes`, turned as its EXIF orientation says. Colour profiles are not applied.
fn decode(bytes: &[u8]) -> Result<DynamicImage, Fault> {
    let (format, mut decoder) = decoder(bytes)?;
    if format == ImageFormat::Jpeg && !jpeg::is_whole(bytes) {
        return Err(Fault::Truncated);
    }
    if format == ImageFormat::Jpeg && !jpeg::holds_all(bytes) {
        let (width, height) = decoder.dimensions();
        return Err(Fault::Short { width, height });
    }
    // An orientation that can't be read is ignored: the pixels are what counts.
    let orientation = decoder.orientation().ok();
    let mut image = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
    if let Some(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    Ok(image)
}

/// Whether `start` begins a PNG or a JPEG file.
pub(crate) fn is_image(start: &[u8]) -> bool {
    matches!(
        image::guess_format(start),
        Ok(ImageFormat::Png | ImageFormat::Jpeg)
    )
}

/// Whether the image in `bytes` has colours, from its header alone. An indexed PNG counts as coloured.
pub(crate) fn has_colour(bytes: &[u8]) -> Result<bool, Fault> {
    Ok(decoder(bytes)?.1.color_type().has_color())
}

/// A decoder that has read the header and found that the image is not too large.
fn decoder(bytes: &[u8]) -> Result<(ImageFormat, impl ImageDecoder + '_), Fault> {
    let format = match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => format,
        Ok(other) => return Err(Fault::OtherData(format!("{other:?} data"))),
        Err(_) => return Err(Fault::OtherData(describe(bytes))),
    };
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(undecodable)?;
    let (width, height) = decoder.dimensions();
    let bytes = decoder.total_bytes();
    if width.max(height) > MAX_SIDE || bytes > MAX_BYTES {
        return Err(Fault::LargeImage {
            width,
            height,
            bytes,
        });
    }
    Ok((format, decoder))
}

fn undecodable(error: ImageError) -> Fault {
    match error {
        ImageError::Limits(_) => Fault::Large,
        error => Fault::Undecodable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbImage;
    use proptest::prelude::*;

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let image = RgbImage::from_fn(20, 12, |x, y| image::Rgb([x as u8 * 9, y as u8 * 20, 77]));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    proptest! {
        #[test]
        fn no_damage_panics(places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), cut: prop::sample::Index, jpeg: bool) {
            let mut bytes = encoded(if jpeg { ImageFormat::Jpeg } else { ImageFormat::Png });
            for (place, value) in places {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            let _ = decode(&bytes);
            let _ = decode(&bytes[..cut.index(bytes.len())]).map_err(|fault| fault.to_string());
            let _ = has_colour(&bytes);
        }
    }

    #[test]
    fn no_cut_goes_unseen() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let bytes = encoded(format);
            assert!(decode(&bytes).is_ok());
            // A PNG without its last chunk, which is empty, still holds every pixel.
            let needed = if format == ImageFormat::Png {
                bytes.len() - 12
            } else {
                bytes.len()
            };
            for length in 0..needed {
                assert!(decode(&bytes[..length]).is_err(), "{format:?} {length}");
            }
        }
    }
}
