//! Which pixels of an image are unknown.

use std::str::FromStr;

use hourglass_models::Shape;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

/// The unknown pixels of an image, alike in all its channels.
#[derive(Debug, Clone, PartialEq)]
pub enum Mask {
    /// The pixels in a rectangle, whose top left corner is at (`x`, `y`).
    Rectangle {
        /// Columns to the left of it.
        x: usize,
        /// Rows above it.
        y: usize,
        /// Its columns.
        width: usize,
        /// Its rows.
        height: usize,
    },
    /// The pixels of one half. If the number of rows or columns is odd, the middle one is known.
    Half(Side),
    /// Each pixel with this probability, drawn anew for every image.
    Random(f64),
    /// The pixels marked here, row by row: `[height * width]`.
    Pixels(Vec<bool>),
}

/// A side of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The left columns.
    Left,
    /// The right columns.
    Right,
    /// The upper rows.
    Top,
    /// The lower rows.
    Bottom,
}

/// A mask that can't be used.
#[derive(Debug, Error, PartialEq)]
pub enum MaskError {
    /// The text has none of the known forms.
    #[error(
        "mask: expected rect:X,Y,WIDTH,HEIGHT, half:left (right, top, bottom), random:SHARE or an image file whose white pixels are unknown, found {0}"
    )]
    Syntax(String),
    /// The mask does not fit the images.
    #[error(
        "mask: expected {expected} in images of {height} rows and {width} columns, found {found}"
    )]
    Misfit {
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
        /// Rows of the images.
        height: usize,
        /// Columns of the images.
        width: usize,
    },
}

impl FromStr for Mask {
    type Err = MaskError;

    fn from_str(text: &str) -> Result<Self, MaskError> {
        let syntax = || MaskError::Syntax(text.to_owned());
        let (kind, rest) = text.split_once(':').ok_or_else(syntax)?;
        match kind {
            "rect" => {
                let numbers: Option<Vec<usize>> = rest
                    .split(',')
                    .map(|number| number.trim().parse().ok())
                    .collect();
                match numbers.as_deref() {
                    Some(&[x, y, width, height]) => Ok(Self::Rectangle {
                        x,
                        y,
                        width,
                        height,
                    }),
                    _ => Err(syntax()),
                }
            }
            "half" => Ok(Self::Half(match rest {
                "left" => Side::Left,
                "right" => Side::Right,
                "top" => Side::Top,
                "bottom" => Side::Bottom,
                _ => return Err(syntax()),
            })),
            "random" => match rest.parse() {
                Ok(share) if 0.0 < share && share < 1.0 => Ok(Self::Random(share)),
                _ => Err(syntax()),
            },
            _ => Err(syntax()),
        }
    }
}

impl Mask {
    /// Checks that the mask leaves both known and unknown pixels in images of `shape`.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn check(&self, shape: Shape) -> Result<(), MaskError> {
        let Shape { height, width, .. } = shape;
        let misfit = |expected, found: String| MaskError::Misfit {
            expected,
            found,
            height,
            width,
        };
        match self {
            Self::Random(_) => return Ok(()),
            Self::Pixels(pixels) if pixels.len() != height * width => {
                return Err(misfit("as many pixels as", pixels.len().to_string()));
            }
            Self::Rectangle {
                x,
                y,
                width: columns,
                height: rows,
            } if x.saturating_add(*columns) > width || y.saturating_add(*rows) > height => {
                let found = format!("{rows} rows from {y} on and {columns} columns from {x} on");
                return Err(misfit("a rectangle", found));
            }
            _ => {}
        }
        let unknown = self.unknown(Shape::new(1, height, width), 0, 0);
        let count = unknown.iter().filter(|&&unknown| unknown).count();
        if count == 0 || count == unknown.len() {
            let expected = "known and unknown pixels";
            return Err(misfit(expected, format!("{count} unknown ones")));
        }
        Ok(())
    }

    /// Which values of image number `image` are unknown; random masks are a function of `seed` and this number.
    ///
    /// # Shapes
    /// - output: `[channels * height * width]`
    pub fn unknown(&self, shape: Shape, seed: u64, image: u64) -> Vec<bool> {
        let Shape {
            channels,
            height,
            width,
        } = shape;
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(image);
        let plane: Vec<bool> = (0..height * width)
            .map(|pixel| match self {
                Self::Random(share) => generator.random::<f64>() < *share,
                Self::Pixels(pixels) => pixels.get(pixel).copied().unwrap_or(false),
                _ => self.covers(pixel % width, pixel / width, [height, width]),
            })
            .collect();
        plane.repeat(channels)
    }

    /// Whether the pixel in column `x` and row `y` is unknown.
    fn covers(&self, x: usize, y: usize, [height, width]: [usize; 2]) -> bool {
        match *self {
            Self::Rectangle {
                x: left,
                y: top,
                width,
                height,
            } => (left..left + width).contains(&x) && (top..top + height).contains(&y),
            Self::Half(Side::Left) => x < width / 2,
            Self::Half(Side::Right) => x >= width.div_ceil(2),
            Self::Half(Side::Top) => y < height / 2,
            Self::Half(Side::Bottom) => y >= height.div_ceil(2),
            Self::Random(_) | Self::Pixels(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(text: &str, shape: Shape) -> String {
        let mask: Mask = text.parse().expect("a mask");
        mask.check(shape).expect("it fits");
        let values = mask.unknown(shape, 0, 0);
        values
            .iter()
            .map(|&unknown| if unknown { '?' } else { '.' })
            .collect()
    }

    #[test]
    fn masks_cover_what_they_say_in_every_channel() {
        assert_eq!(unknown("rect:1,0,2,1", Shape::new(1, 2, 3)), ".??...");
        assert_eq!(unknown("half:left", Shape::new(1, 2, 3)), "?..?..");
        assert_eq!(unknown("half:right", Shape::new(1, 2, 3)), "..?..?");
        assert_eq!(unknown("half:top", Shape::new(3, 2, 2)), "??..??..??..");
        assert_eq!(unknown("half:bottom", Shape::new(1, 3, 1)), "..?");
    }

    #[test]
    fn random_masks_differ_by_image_and_seed_alone() {
        let mask: Mask = "random:0.25".parse().expect("a mask");
        let shape = Shape::new(1, 100, 100);
        let first = mask.unknown(shape, 0, 0);
        assert_eq!(first, mask.unknown(shape, 0, 0));
        assert_ne!(first, mask.unknown(shape, 0, 1));
        assert_ne!(first, mask.unknown(shape, 1, 0));
        let share = first.iter().filter(|&&unknown| unknown).count() as f64 / 1e4;
        assert!((share - 0.25).abs() < 0.02, "{share}");
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        for text in [
            "",
            "rect",
            "rect:1,2,3",
            "rect:a,0,1,1",
            "half:middle",
            "random:0",
            "random:1.5",
            "random:NaN",
        ] {
            assert!(
                matches!(text.parse::<Mask>(), Err(MaskError::Syntax(_))),
                "{text}"
            );
        }
        for text in [
            "rect:0,0,3,2",
            "rect:0,0,0,1",
            "rect:2,0,2,1",
            "rect:0,18446744073709551615,1,1",
        ] {
            let mask: Mask = text.parse().expect("a mask");
            assert!(mask.check(Shape::new(1, 2, 3)).is_err(), "{text}");
        }
        assert!(
            Mask::Pixels(vec![true; 5])
                .check(Shape::new(1, 2, 3))
                .is_err()
        );
    }
}
