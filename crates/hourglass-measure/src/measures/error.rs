//! What can be wrong with the numbers given to a measure.

/// What can be wrong with the numbers given to a measure.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MeasureError {
    /// There is nothing to measure.
    #[error("{what}: expected at least one, found none")]
    Empty {
        /// What is missing.
        what: &'static str,
    },

    /// Two things that go together differ in length.
    #[error("{what}: expected {expected}, found {found}")]
    Length {
        /// What has the wrong length.
        what: &'static str,
        /// The length that fits the rest.
        expected: usize,
        /// The length it has.
        found: usize,
    },

    /// A value that the measure is not defined for.
    #[error("{what}: expected {expected}, found {found}")]
    Value {
        /// What holds the value.
        what: &'static str,
        /// The values that the measure is defined for.
        expected: &'static str,
        /// The value.
        found: f64,
    },

    /// Classes can't be told apart where there is only one.
    #[error("training labels: expected at least two classes, found only class {class}")]
    OneClass {
        /// The class of every row.
        class: u8,
    },

    /// Images that the window of SSIM does not fit into.
    #[error(
        "SSIM: expected images of at least {window}x{window} pixels, as large as its window, found {height}x{width}"
    )]
    SmallerThanWindow {
        /// The side of the window.
        window: usize,
        /// The images' height.
        height: usize,
        /// The images' width.
        width: usize,
    },
}
