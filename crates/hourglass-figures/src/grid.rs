//! Images side by side, as a PNG.

use std::io::Cursor;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::error::FigureError;
use super::pixels::to_byte;

/// Between the images, and around them all: lighter than the black and darker than the white of most images.
const BACKGROUND: u8 = 208;

/// The longest side drawn, in pixels.
const MAX_SIDE: usize = 16_384;

/// Draws rows of images beneath each other, such as inputs, corrupted inputs and reconstructions.
///
/// Image `i` of every row stands in the same column. Rows longer than `columns` go on below, all of them together, after a
/// wider gap: 2 rows of 32 images with `columns` 16 make two blocks of 2 x 16. One row of 64 with `columns` 8 is a square.
///
/// Values are clipped to [0, 1]; NaN is black. An image's pixel becomes `scale` x `scale` pixels.
///
/// # Shapes
/// - each of `rows`: `[images, channels, height, width]`, the same number of images in each
/// - `shape`: `[channels, height, width]`, with 1 channel (grey) or 3 (red, green, blue)
pub fn image_grid(
    rows: &[Vec<f32>],
    shape: [usize; 3],
    columns: usize,
    scale: usize,
) -> Result<Vec<u8>, FigureError> {
    let layout = Layout::new(rows, shape, columns, scale)?;
    let mut canvas = vec![BACKGROUND; layout.width * layout.height * layout.channels];
    for (row, images) in rows.iter().enumerate() {
        for (index, image) in images.chunks_exact(layout.features()).enumerate() {
            layout.paint(&mut canvas, image, layout.corner(row, index));
        }
    }
    let color = if layout.channels == 1 {
        ExtendedColorType::L8
    } else {
        ExtendedColorType::Rgb8
    };
    let [width, height] = [layout.width, layout.height].map(|side| side as u32); // at most MAX_SIDE
    let mut png = Cursor::new(Vec::new());
    PngEncoder::new(&mut png).write_image(&canvas, width, height, color)?;
    Ok(png.into_inner())
}

/// Where everything goes; lengths are in pixels of the picture, but for `image_height` and `image_width`.
struct Layout {
    channels: usize,
    image_height: usize,
    image_width: usize,
    scale: usize,
    rows: usize,
    columns: usize,
    /// Between images, and around the whole.
    gap: usize,
    /// Between blocks of rows.
    block_gap: usize,
    width: usize,
    height: usize,
}

impl Layout {
    fn new(
        rows: &[Vec<f32>],
        shape: [usize; 3],
        columns: usize,
        scale: usize,
    ) -> Result<Self, FigureError> {
        let images = count_images(rows, shape)?;
        if columns == 0 || scale == 0 {
            return Err(bad_grid(
                "columns and scale of at least 1",
                format!("{columns} and {scale}"),
            ));
        }
        let [channels, image_height, image_width] = shape;
        let columns = columns.min(images);
        let gap = scale
            .saturating_mul(image_width.min(image_height).div_ceil(14))
            .max(1);
        let mut layout = Self {
            channels,
            image_height,
            image_width,
            scale,
            rows: rows.len(),
            columns,
            gap,
            // A single row wraps into an even grid: there is nothing to keep together.
            block_gap: if rows.len() > 1 {
                gap.saturating_mul(4)
            } else {
                gap
            },
            width: 0,
            height: 0,
        };
        layout.width = length(columns, layout.cell_width(), gap);
        let blocks = images.div_ceil(columns);
        let wider = blocks.saturating_mul(layout.block_gap - gap);
        layout.height = length(
            blocks.saturating_mul(layout.rows),
            layout.cell_height(),
            gap,
        )
        .saturating_add(wider)
            - (layout.block_gap - gap);
        if layout.width.max(layout.height) > MAX_SIDE {
            let found = format!("{} x {}", layout.width, layout.height);
            return Err(bad_grid(
                &format!("at most {MAX_SIDE} pixels a side"),
                found,
            ));
        }
        Ok(layout)
    }

    fn features(&self) -> usize {
        self.channels * self.image_height * self.image_width
    }

    fn cell_width(&self) -> usize {
        self.image_width.saturating_mul(self.scale)
    }

    fn cell_height(&self) -> usize {
        self.image_height.saturating_mul(self.scale)
    }

    /// The top left corner, `[x, y]`, of image `index` of a row.
    fn corner(&self, row: usize, index: usize) -> [usize; 2] {
        let [block, column] = [index / self.columns, index % self.columns];
        let x = self.gap + column * (self.cell_width() + self.gap);
        let y = self.gap
            + (block * self.rows + row) * (self.cell_height() + self.gap)
            + block * (self.block_gap - self.gap);
        [x, y]
    }

    /// Copies one image, `[channels, height, width]`, to the canvas, `[height, width, channels]`.
    fn paint(&self, canvas: &mut [u8], image: &[f32], corner: [usize; 2]) {
        let pixels = self.image_height * self.image_width;
        for y in 0..self.cell_height() {
            for x in 0..self.cell_width() {
                let source = (y / self.scale) * self.image_width + x / self.scale;
                let target = (corner[1] + y) * self.width + corner[0] + x;
                for channel in 0..self.channels {
                    canvas[target * self.channels + channel] =
                        to_byte(image[channel * pixels + source]);
                }
            }
        }
    }
}

/// The number of images in each row, which must be the same in all and not 0.
fn count_images(rows: &[Vec<f32>], shape: [usize; 3]) -> Result<usize, FigureError> {
    let [channels, height, width] = shape;
    if !matches!(channels, 1 | 3) || height == 0 || width == 0 {
        let expected = "images of 1 or 3 channels with at least one pixel";
        return Err(bad_grid(
            expected,
            format!("channels, height, width {shape:?}"),
        ));
    }
    let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
    let length = lengths.first().copied().unwrap_or(0);
    let features = channels.saturating_mul(height).saturating_mul(width);
    let whole = length > 0 && length.is_multiple_of(features);
    if !whole || lengths.iter().any(|&other| other != length) {
        let expected = format!("rows of one length, a multiple of {features} values and not 0");
        return Err(bad_grid(&expected, format!("lengths {lengths:?}")));
    }
    Ok(length / features)
}

fn bad_grid(expected: &str, found: String) -> FigureError {
    FigureError::BadGrid {
        expected: expected.to_owned(),
        found,
    }
}

/// `count` cells with gaps between and around them.
fn length(count: usize, cell: usize, gap: usize) -> usize {
    count
        .saturating_mul(cell.saturating_add(gap))
        .saturating_add(gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(png: &[u8]) -> image::DynamicImage {
        image::load_from_memory(png).unwrap()
    }

    #[test]
    fn pixels_are_clipped_scaled_and_in_their_places() {
        // Three images of 1 x 2 pixels in two rows, two columns: blocks of images 0, 1 and of image 2.
        let rows = [vec![0.0, 0.2, 1.0, 2.0, -1.0, f32::NAN], vec![1.0; 6]];
        let picture = decode(&image_grid(&rows, [1, 1, 2], 2, 2).unwrap()).into_luma8();
        // Gap 2, cells 4 x 2: 2 + 2 (4 + 2) wide, 2 + 4 (2 + 2) and 6 more between the blocks high.
        assert_eq!(picture.dimensions(), (14, 24));
        let at = |x, y| picture.get_pixel(x, y).0[0];
        assert_eq!([at(0, 0), at(6, 3), at(2, 4), at(2, 10)], [BACKGROUND; 4]);
        assert_eq!([at(2, 2), at(3, 3), at(4, 2), at(5, 3)], [0, 0, 51, 51]);
        assert_eq!([at(8, 2), at(11, 3)], [255, 255]);
        assert_eq!(
            [at(2, 6), at(2, 20)],
            [255, 255],
            "the second row, in both blocks"
        );
        assert_eq!([at(2, 16), at(4, 16)], [0, 0], "below 0 and NaN");
        assert_eq!(at(8, 16), BACKGROUND, "the last block is not full");
    }

    #[test]
    fn colours_are_planes_and_one_row_makes_an_even_grid() {
        let pixel = [1.0, 0.0, 0.2];
        let rows = [pixel.repeat(4)];
        let picture = decode(&image_grid(&rows, [3, 1, 1], 2, 3).unwrap()).into_rgb8();
        assert_eq!(picture.dimensions(), (15, 15));
        assert_eq!(picture.get_pixel(3, 3).0, [255, 0, 51]);
        assert_eq!(picture.get_pixel(11, 11).0, [255, 0, 51]);
    }

    #[test]
    fn what_makes_no_grid_is_an_error() {
        let two = vec![0.0; 8];
        let bad = |rows: &[Vec<f32>], shape, columns, scale| {
            let result = image_grid(rows, shape, columns, scale);
            assert!(matches!(result, Err(FigureError::BadGrid { .. })));
        };
        bad(&[], [1, 2, 2], 1, 1);
        bad(&[vec![]], [1, 2, 2], 1, 1);
        bad(&[vec![0.0; 7]], [1, 2, 2], 1, 1);
        bad(&[two.clone(), vec![0.0; 4]], [1, 2, 2], 1, 1);
        bad(std::slice::from_ref(&two), [2, 2, 2], 1, 1);
        bad(std::slice::from_ref(&two), [1, 0, 2], 1, 1);
        bad(std::slice::from_ref(&two), [1, 2, 2], 0, 1);
        bad(std::slice::from_ref(&two), [1, 2, 2], 1, 0);
        bad(std::slice::from_ref(&two), [1, 2, 2], 1, usize::MAX);
    }
}
