//! What can go wrong with principal components, and how much they may take.

/// The most bytes that components, and what is needed to find them, may take.
pub const MOST_BYTES: usize = 2 << 30;

/// What can go wrong with the numbers given to principal component analysis.
#[derive(Debug, thiserror::Error)]
pub enum PcaError {
    /// There is no mean without rows.
    #[error("principal components: expected at least one row, found none")]
    NoRows,

    /// A value is infinite or not a number.
    #[error(
        "principal components: expected finite values, found an infinite value or NaN in the {place}"
    )]
    NotFinite {
        /// Where the value was met.
        place: &'static str,
    },

    /// The iteration of a decomposition did not end.
    #[error("principal components: expected the {decomposition} to converge, but it did not")]
    NoConvergence {
        /// Which decomposition.
        decomposition: &'static str,
    },

    /// The components need more memory than they may have.
    #[error(
        "{components} principal components of {features} values need {bytes} bytes, more than the {most} that they may have",
        most = MOST_BYTES
    )]
    TooLarge {
        /// Components asked for.
        components: usize,
        /// The length of a row.
        features: usize,
        /// Bytes of the components and of what finds them.
        bytes: usize,
    },
}
