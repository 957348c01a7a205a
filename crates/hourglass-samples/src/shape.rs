//! The shape of a sample.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The shape of one sample. Files have it as `[channels, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "[usize; 3]", into = "[usize; 3]")]
pub struct Shape {
    /// Planes of colour; 1 for grey images.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl Shape {
    /// A shape of so many channels, rows and columns.
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self {
            channels,
            height,
            width,
        }
    }

    /// Numbers in one sample.
    pub const fn features(self) -> usize {
        self.channels * self.height * self.width
    }

    /// Numbers in one sample, where they can be counted.
    pub fn checked_features(self) -> Option<usize> {
        let pixels = self.height.checked_mul(self.width)?;
        self.channels.checked_mul(pixels)
    }

    /// `[channels, height, width]`
    pub const fn to_array(self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }
}

impl From<[usize; 3]> for Shape {
    fn from([channels, height, width]: [usize; 3]) -> Self {
        Self::new(channels, height, width)
    }
}

impl From<Shape> for [usize; 3] {
    fn from(shape: Shape) -> Self {
        shape.to_array()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            channels,
            height,
            width,
        } = self;
        write!(formatter, "{channels}x{height}x{width}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_written_as_people_write_it() {
        let shape = Shape::from([3, 32, 48]);
        assert_eq!(shape.to_string(), "3x32x48");
        assert_eq!(shape.features(), 3 * 32 * 48);
        assert_eq!(<[usize; 3]>::from(shape), [3, 32, 48]);
    }
}
