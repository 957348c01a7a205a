//! Images as files: single PNGs, and animated GIFs.

use std::io::Cursor;
use std::path::PathBuf;

use hourglass_data::Dataset;
use hourglass_figures::to_byte;
use hourglass_models::Shape;
use image::codecs::gif::{GifEncoder, Repeat};
use image::codecs::png::PngEncoder;
use image::error::{ParameterError, ParameterErrorKind};
use image::{Delay, ExtendedColorType, Frame, ImageEncoder, ImageError};

/// A PNG of one image, each value of which is rounded to the nearest byte.
///
/// # Errors
/// When the number of values does not fit the shape, or there are not 1 or 3 channels.
///
/// # Shapes
/// - image: `[channels * height * width]` in [0, 1]
pub fn png(image: &[f32], shape: Shape) -> Result<Vec<u8>, ImageError> {
    let Shape {
        channels,
        height,
        width,
    } = shape;
    let plane = height * width;
    if !matches!(channels, 1 | 3) || image.len() != channels * plane {
        let kind = ParameterErrorKind::DimensionMismatch;
        return Err(ImageError::Parameter(ParameterError::from_kind(kind)));
    }
    let values = (0..plane).flat_map(|pixel| image.iter().skip(pixel).step_by(plane.max(1)));
    let bytes: Vec<u8> = values.map(|&value| to_byte(value)).collect();
    let colour = match channels {
        1 => ExtendedColorType::L8,
        _ => ExtendedColorType::Rgb8,
    };
    let mut png = Cursor::new(Vec::new());
    PngEncoder::new(&mut png).write_image(&bytes, width as u32, height as u32, colour)?;
    Ok(png.into_inner())
}

/// A GIF that shows pictures one after the other, in an endless loop.
///
/// # Errors
/// When a picture is not a PNG.
pub fn animation(pictures: &[Vec<u8>], milliseconds: u32) -> Result<Vec<u8>, ImageError> {
    let mut gif = Vec::new();
    // Speed 10 of 1 to 30 is the encoder's own compromise between good colours and a short time.
    let mut encoder = GifEncoder::new_with_speed(&mut gif, 10);
    encoder.set_repeat(Repeat::Infinite)?;
    for picture in pictures {
        let image = image::load_from_memory(picture)?.into_rgba8();
        let delay = Delay::from_numer_denom_ms(milliseconds, 1);
        encoder.encode_frame(Frame::from_parts(image, 0, 0, delay))?;
    }
    drop(encoder);
    Ok(gif)
}

/// The name of the file for an image that is made from this one: its own with the extension .png, or its number.
pub fn image_file_name(dataset: &Dataset, index: usize) -> PathBuf {
    let number = || PathBuf::from(format!("{index:06}.png"));
    let Some(id) = dataset.id(index) else {
        return number();
    };
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    if !id.split('/').all(is_plain) {
        return number();
    }
    // The old extension stays, so that a.jpg and a.png don't become one.
    let is_png = id.to_ascii_lowercase().ends_with(".png");
    PathBuf::from(if is_png {
        id.to_owned()
    } else {
        format!("{id}.png")
    })
}

#[cfg(test)]
mod tests {
    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;

    use super::*;

    #[test]
    fn planes_become_pixels_and_bytes_come_back() {
        let shape = Shape::new(3, 1, 2);
        let bytes = [0_u8, 255, 7, 128, 1, 254];
        let image = bytes.map(|byte| f32::from(byte) / 255.0);
        let picture =
            image::load_from_memory(&png(&image, shape).expect("a PNG")).expect("an image");
        assert_eq!(picture.into_rgb8().into_raw(), [0, 7, 1, 255, 128, 254]);
        let every: Vec<f32> = (0..=255).map(|byte: u8| f32::from(byte) / 255.0).collect();
        let picture = image::load_from_memory(&png(&every, Shape::new(1, 16, 16)).expect("a PNG"));
        let found = picture.expect("an image").into_luma8().into_raw();
        assert_eq!(found, (0..=255).collect::<Vec<u8>>());
        assert!(
            png(&image, Shape::new(1, 1, 2)).is_err(),
            "more values than pixels"
        );
    }

    #[test]
    fn an_animation_has_a_frame_a_picture() {
        let pictures =
            [0.0, 0.5, 1.0].map(|value| png(&[value; 4], Shape::new(1, 2, 2)).expect("a PNG"));
        let gif = animation(&pictures, 100).expect("a GIF");
        let frames = GifDecoder::new(Cursor::new(gif))
            .expect("a GIF")
            .into_frames();
        let greys = frames.map(|frame| frame.expect("a frame").buffer().get_pixel(0, 0).0[0]);
        assert_eq!(greys.collect::<Vec<_>>(), [0, 128, 255]);
    }
}
