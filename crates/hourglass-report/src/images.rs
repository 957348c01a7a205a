//! Images inside the page: PNGs as `data:` URIs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hourglass_figures::to_byte;
use hourglass_samples::Shape;
use maud::{Markup, html};
use png::{BitDepth, ColorType, Encoder};

use crate::ReportError;

/// The longest side of an image in pixels; larger images are reduced by averaging over squares of pixels.
const LONGEST_SIDE: usize = 64;

/// The width on the screen that small images are enlarged to, approximately: only whole multiples of their width are used.
const WIDTH_ON_SCREEN: usize = 56;

/// About how many values all images of a section have together, so that the page stays at some hundred kB.
const VALUES: usize = 40_000;

/// The fewest and the most images of a section, however large or small they are.
const COUNTS: [usize; 2] = [8, 48];

/// Pixels between images.
const GAP: usize = 1;

/// Colours from the lowest value to the highest: blue, white, red (the ends of ColorBrewer's RdBu).
const DIVERGING: [[f32; 3]; 3] = [
    [33.0, 102.0, 172.0],
    [247.0, 247.0, 247.0],
    [178.0, 24.0, 43.0],
];

/// Colours on each side of the middle.
const SHADES: usize = 31;

/// The most images of a shape that a section shows.
pub(crate) fn affordable(shape: Shape) -> usize {
    (VALUES / Small::of(shape).shape.features().max(1)).clamp(COUNTS[0], COUNTS[1])
}

/// In which direction images follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Down,
    Right,
}

/// One picture of several images, one after the other. Values outside [0, 1] are clipped, and NaN becomes black.
pub(crate) fn picture(
    images: &[&[f32]],
    shape: Shape,
    direction: Direction,
    description: &str,
) -> Result<Markup, ReportError> {
    let small = Small::of(shape);
    let images: Vec<Vec<f32>> = images.iter().map(|image| small.reduce(image)).collect();
    let [channels, height, width] = small.shape.to_array();
    let [down, right] = match direction {
        Direction::Down => [images.len(), 1],
        Direction::Right => [1, images.len()],
    };
    let length = |count: usize, side: usize| (count * (side + GAP)).saturating_sub(GAP);
    let (columns, rows) = (length(right, width), length(down, height));
    // Transparent until painted.
    let mut canvas = vec![0_u8; columns * rows * (channels + 1)];
    for (index, image) in images.iter().enumerate() {
        let corner = match direction {
            Direction::Down => [index * (height + GAP), 0],
            Direction::Right => [0, index * (width + GAP)],
        };
        for (pixel, place) in (0..height * width).map(|pixel| {
            let [y, x] = [corner[0] + pixel / width, corner[1] + pixel % width];
            (pixel, (y * columns + x) * (channels + 1))
        }) {
            for channel in 0..channels {
                canvas[place + channel] = to_byte(image[channel * height * width + pixel]);
            }
            canvas[place + channels] = u8::MAX;
        }
    }
    let color = match channels {
        1 => ColorType::GrayscaleAlpha,
        _ => ColorType::Rgba,
    };
    let png = encode(&canvas, [columns, rows], color, None)?;
    Ok(element(&png, [columns, rows], small.zoom(), description))
}

/// Values around 0 as one picture, from the largest below 0 to the largest above: blue, white and red for one channel; of
/// three, each around the middle of its own range.
pub(crate) fn signed(
    values: &[f32],
    shape: Shape,
    description: &str,
) -> Result<Markup, ReportError> {
    let small = Small::of(shape);
    let values = small.reduce(values);
    let largest = values
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    let scale = if largest > 0.0 { 1.0 / largest } else { 0.0 };
    let [channels, height, width] = small.shape.to_array();
    if channels == 3 {
        let shifted: Vec<f32> = values
            .iter()
            .map(|value| 0.5 + 0.5 * value * scale)
            .collect();
        return picture(&[&shifted], small.shape, Direction::Down, description);
    }
    let shade = |value: &f32| ((value * scale + 1.0) * SHADES as f32).round() as u8;
    let shades: Vec<u8> = values.iter().map(shade).collect();
    let png = encode(
        &shades,
        [width, height],
        ColorType::Indexed,
        Some(&palette()),
    )?;
    Ok(element(&png, [width, height], small.zoom(), description))
}

/// The red, green and blue values of the colours from blue over white to red.
fn palette() -> Vec<u8> {
    let shades = (0..=2 * SHADES).flat_map(|shade| {
        let place = shade as f32 / SHADES as f32;
        let (from, to, share) = match shade < SHADES {
            true => (DIVERGING[0], DIVERGING[1], place),
            false => (DIVERGING[1], DIVERGING[2], place - 1.0),
        };
        [0, 1, 2].map(|channel| (from[channel] + (to[channel] - from[channel]) * share) as u8)
    });
    shades.collect()
}

fn encode(
    bytes: &[u8],
    [width, height]: [usize; 2],
    color: ColorType,
    palette: Option<&[u8]>,
) -> Result<Vec<u8>, ReportError> {
    let mut png = Vec::new();
    let mut encoder = Encoder::new(&mut png, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(bytes)?;
    writer.finish()?;
    Ok(png)
}

fn element(png: &[u8], [width, height]: [usize; 2], zoom: usize, description: &str) -> Markup {
    let source = format!("data:image/png;base64,{}", STANDARD.encode(png));
    html! {
        img src=(source) width=(width * zoom) height=(height * zoom) alt=(description);
    }
}

/// How images become small enough for a page.
struct Small {
    from: Shape,
    /// The side of the squares that become a pixel.
    factor: usize,
    shape: Shape,
}

impl Small {
    fn of(shape: Shape) -> Self {
        let Shape {
            channels,
            height,
            width,
        } = shape;
        let factor = height.max(width).div_ceil(LONGEST_SIDE).max(1);
        Self {
            from: shape,
            factor,
            shape: Shape::new(channels, (height / factor).max(1), (width / factor).max(1)),
        }
    }

    /// The means over squares, `[channels, height, width]` of the small shape.
    fn reduce(&self, image: &[f32]) -> Vec<f32> {
        if self.factor == 1 {
            return image.to_vec();
        }
        let [channels, height, width] = self.shape.to_array();
        let [_, from_height, from_width] = self.from.to_array();
        let mut small = Vec::with_capacity(channels * height * width);
        for index in 0..channels * height * width {
            let [channel, y, x] = [
                index / (height * width),
                index / width % height,
                index % width,
            ];
            let [top, left] = [y * self.factor, x * self.factor];
            let [bottom, right] = [
                (top + self.factor).min(from_height),
                (left + self.factor).min(from_width),
            ];
            let rows = (top..bottom).map(|y| (channel * from_height + y) * from_width);
            let sum: f32 = rows
                .map(|row| image[row + left..row + right].iter().sum::<f32>())
                .sum();
            small.push(sum / ((bottom - top) * (right - left)) as f32);
        }
        small
    }

    /// Screen pixels per pixel of the image.
    fn zoom(&self) -> usize {
        let Shape { height, width, .. } = self.shape;
        ((WIDTH_ON_SCREEN + height.max(width) / 2) / height.max(width)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(markup: &Markup) -> (png::OutputInfo, Vec<u8>) {
        let (_, rest) = markup.0.split_once("base64,").expect("a data URI");
        let bytes = STANDARD
            .decode(rest.split('"').next().expect("its end"))
            .expect("base64");
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("an image");
        (info, pixels)
    }

    #[test]
    fn images_stand_side_by_side_with_a_transparent_gap() {
        let images: [&[f32]; 2] = [&[0.0, 2.0], &[f32::NAN, 0.2]];
        let markup = picture(&images, Shape::new(1, 2, 1), Direction::Right, "a < b").unwrap();
        let (info, pixels) = decoded(&markup);
        assert_eq!((info.width, info.height), (3, 2));
        let expected = [0, 255, 0, 0, 0, 255, 255, 255, 0, 0, 51, 255];
        assert_eq!(pixels, expected);
        assert!(markup.0.contains("alt=\"a &lt; b\""));
    }

    #[test]
    fn signs_have_colours_and_nothing_is_white() {
        let (_, pixels) =
            decoded(&signed(&[-4.0, 0.0, 2.0, 4.0], Shape::new(1, 2, 2), "").unwrap());
        let pixel = |place: usize| &pixels[place * 3..][..3];
        assert_eq!(pixel(0), [33, 102, 172]);
        assert_eq!(pixel(1), [247, 247, 247]);
        assert_eq!(pixel(3), [178, 24, 43]);
        let (_, pixels) = decoded(&signed(&[0.0; 4], Shape::new(1, 2, 2), "").unwrap());
        assert!(pixels.iter().all(|&value| value == 247));
    }

    #[test]
    fn large_images_are_averaged_over_squares() {
        // 2 channels would be 128 x 1 each: pairs of rows become one.
        let image: Vec<f32> = (0..128 * 3).map(|row| (row % 2) as f32).collect();
        let small = Small::of(Shape::new(3, 128, 1));
        assert_eq!(small.shape, Shape::new(3, 64, 1));
        assert!(small.reduce(&image).iter().all(|&value| value == 0.5));
        // 65 rows and a factor of 2: the last is dropped.
        assert_eq!(
            Small::of(Shape::new(1, 65, 28)).shape,
            Shape::new(1, 32, 14)
        );
        assert_eq!(affordable(Shape::new(1, 28, 28)), 48);
        assert_eq!(affordable(Shape::new(3, 512, 512)), 8);
    }
}
