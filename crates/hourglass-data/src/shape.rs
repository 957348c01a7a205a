//! The shape of an image, and how large it may be.

use std::fmt;

/// Pixels on a side, at most: more than any camera's, and 30 times the side that networks are trained on.
pub(crate) const MAX_SIDE: u32 = 16_384;

/// Shape of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// Planes of colour; 1 for grey images.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl ImageShape {
    /// Numbers in one image.
    pub fn features(self) -> usize {
        self.channels * self.height * self.width
    }

    /// `[channels, height, width]`, as stored in configs.
    pub fn to_array(self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}
