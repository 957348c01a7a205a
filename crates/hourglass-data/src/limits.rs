//! How large an image may be.

/// Pixels on a side, at most: more than any camera's, and 30 times the side that networks are trained on.
pub(crate) const MAX_SIDE: u32 = 16_384;
