//! Bringing an image to a shape.
//!
//! The steps, in this order (if you change them, raise the version in the cache's key):
//! - 16-bit samples become 8-bit ones, rounded; alpha is flattened over white;
//! - colours become grey by Rec. 709 luma (0.2126 R + 0.7152 G + 0.0722 B of the stored values), grey becomes three equal
//!   planes;
//! - the largest window of the wanted aspect ratio is cut from the centre (an odd pixel stays on the right or at the bottom);
//! - the window is scaled by a triangle filter as wide as the reduction: bilinear interpolation that does not alias.

use hourglass_samples::Shape;
use image::imageops::{self, FilterType};
use image::{
    ColorType, DynamicImage, GenericImageView, GrayImage, ImageBuffer, Luma, LumaA, Pixel, Rgb,
    RgbImage, Rgba,
};

use crate::cache::Unusable;

/// An image that does not have the required shape.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected {}x{} pixels of 8-bit {}, found {width}x{height} of {}",
    expected.width, expected.height, colour_name(expected.channels), type_name(*found)
)]
pub(crate) struct Mismatch {
    expected: Shape,
    width: u32,
    height: u32,
    found: ColorType,
}

impl From<Mismatch> for Unusable {
    fn from(mismatch: Mismatch) -> Self {
        Self {
            reason: mismatch.to_string(),
            unreadable: false,
        }
    }
}

fn colour_name(channels: usize) -> &'static str {
    if channels == 1 { "grey" } else { "RGB" }
}

fn type_name(found: ColorType) -> String {
    let bits = 8 * found.bytes_per_pixel() / found.channel_count();
    let colour = colour_name(if found.has_color() { 3 } else { 1 });
    let alpha = if found.has_alpha() { " and alpha" } else { "" };
    format!("{bits}-bit {colour}{alpha}")
}

/// The pixels of `image` in `shape`, plane by plane. `strict`: refuses an image that would have to be changed.
pub(crate) fn fit(image: DynamicImage, shape: Shape, strict: bool) -> Result<Vec<u8>, Mismatch> {
    let (width, height) = (image.width(), image.height());
    if strict && shape_as_stored(&image) != Some(shape) {
        return Err(Mismatch {
            expected: shape,
            width,
            height,
            found: image.color(),
        });
    }
    let image = opaque(image);
    Ok(match shape.channels {
        1 => scaled(image.into_luma8(), shape).into_raw(),
        _ => planes(&scaled(image.into_rgb8(), shape)),
    })
}

/// The shape that holds `image` as it is: None where its samples are not of 8 bits, or it has alpha.
fn shape_as_stored(image: &DynamicImage) -> Option<Shape> {
    matches!(
        image,
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageRgb8(_)
    )
    .then(|| shape_of(image))
}

/// The shape of `image`, alpha apart.
pub(crate) fn shape_of(image: &DynamicImage) -> Shape {
    let channels = if image.color().has_color() { 3 } else { 1 };
    Shape::new(channels, image.height() as usize, image.width() as usize)
}

/// An image of `shape` from its bytes, plane by plane.
pub(crate) fn from_planes(pixels: &[u8], shape: Shape) -> DynamicImage {
    let plane = shape.height * shape.width;
    let interleaved = (0..plane)
        .flat_map(|pixel| pixels[pixel..].iter().step_by(plane).copied())
        .collect();
    from_interleaved(interleaved, shape)
}

/// An image of `shape` from its bytes, pixel by pixel.
pub(crate) fn from_interleaved(pixels: Vec<u8>, shape: Shape) -> DynamicImage {
    let (width, height) = (shape.width as u32, shape.height as u32);
    let image = match shape.channels {
        1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    image.expect("the callers give as many bytes as the shape has")
}

/// The image laid over white.
fn opaque(image: DynamicImage) -> DynamicImage {
    let over_white = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    let (width, height) = (image.width(), image.height());
    match (image.color().has_alpha(), image.color().has_color()) {
        (false, _) => image,
        (true, false) => {
            let image = image.into_luma_alpha8();
            GrayImage::from_fn(width, height, |x, y| {
                let LumaA([value, alpha]) = *image.get_pixel(x, y);
                Luma([over_white(value, alpha)])
            })
            .into()
        }
        (true, true) => {
            let image = image.into_rgba8();
            RgbImage::from_fn(width, height, |x, y| {
                let Rgba([red, green, blue, alpha]) = *image.get_pixel(x, y);
                Rgb([red, green, blue].map(|value| over_white(value, alpha)))
            })
            .into()
        }
    }
}

fn scaled<P: Pixel<Subpixel = u8> + 'static>(
    image: ImageBuffer<P, Vec<u8>>,
    shape: Shape,
) -> ImageBuffer<P, Vec<u8>> {
    let (width, height) = (shape.width as u32, shape.height as u32);
    if image.dimensions() == (width, height) {
        return image;
    }
    let (window_width, window_height) = window(image.dimensions(), (width, height));
    let (x, y) = (
        (image.width() - window_width) / 2,
        (image.height() - window_height) / 2,
    );
    let window = image.view(x, y, window_width, window_height);
    imageops::resize(&*window, width, height, FilterType::Triangle)
}

/// Width and height of the largest window within `from` that has the aspect ratio of `to`, rounded to whole pixels.
fn window(from: (u32, u32), to: (u32, u32)) -> (u32, u32) {
    let (width, height) = (u64::from(from.0), u64::from(from.1));
    let (to_width, to_height) = (u64::from(to.0), u64::from(to.1));
    let rounded = |dividend: u64, divisor: u64| ((dividend + divisor / 2) / divisor).max(1);
    // A quotient is at most the side that it replaces, so it fits its type.
    match width * to_height > height * to_width {
        true => (rounded(height * to_width, to_height) as u32, from.1),
        false => (from.0, rounded(width * to_height, to_width) as u32),
    }
}

fn planes(image: &RgbImage) -> Vec<u8> {
    (0..3)
        .flat_map(|channel| image.as_raw().iter().skip(channel).step_by(3).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn windows_fit_and_keep_the_ratio(from in (1u32..200, 1u32..200), to in (1u32..200, 1u32..200)) {
            let (width, height) = window(from, to);
            prop_assert!((1..=from.0).contains(&width) && (1..=from.1).contains(&height));
            // One side is whole; the other is within half a pixel of what the ratio asks, or 1 where that is less.
            let right = |side: u32, other: u32, (to_side, to_other): (u32, u32)| {
                side == 1 || 2 * (side * to_other).abs_diff(other * to_side) <= to_other
            };
            prop_assert!(
                (width == from.0 && right(height, width, (to.1, to.0)))
                    || (height == from.1 && right(width, height, to))
            );
        }

        #[test]
        fn planes_come_back(pixels in proptest::collection::vec(any::<u8>(), 36)) {
            for channels in [1, 3] {
                let shape = Shape { channels, height: 4, width: 3 };
                let pixels = &pixels[..shape.features()];
                let image = from_planes(pixels, shape);
                prop_assert_eq!(fit(image, shape, true).unwrap(), pixels);
            }
        }
    }
}
