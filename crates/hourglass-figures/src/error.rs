//! What can go wrong with a figure.

/// What keeps a figure from being drawn.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The images given don't make a grid.
    #[error("image grid: expected {expected}, found {found}")]
    BadGrid {
        /// What the grid needs.
        expected: String,
        /// What was given.
        found: String,
    },

    /// The PNG encoder refused.
    #[error("image grid: can't encode the PNG: {0}")]
    Png(#[from] image::ImageError),

    /// The drawing library refused.
    #[error("can't draw the SVG: {0}")]
    Svg(String),
}
