//! What can go wrong with scores.

use hourglass_measure::pca::PcaError;

/// The widest code for which the Mahalanobis distance is computed: its covariance takes 134 MB, and half a minute to decompose.
pub(super) const WIDEST_DISTANCE: usize = 4096;

/// What can go wrong with scores.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The family has no bound.
    #[error(
        "expected a family with a prior and a posterior for the score `bound`, variational, found {family}; use `error` or `distance`"
    )]
    NoBound {
        /// The family.
        family: &'static str,
    },
    /// The covariance of the code would be too large.
    #[error(
        "expected a code of at most {most} numbers for the score `distance`, found {code}; use `error`",
        most = WIDEST_DISTANCE
    )]
    TooWide {
        /// The width of the code.
        code: usize,
    },
    /// No mean and covariance can be computed from the normal images.
    #[error(transparent)]
    Pca(#[from] PcaError),
    /// A score is not a finite number.
    #[error(
        "sample {index}: expected a finite score, found {found}; the weights are damaged, or the training has diverged"
    )]
    NotFinite {
        /// The image, from 0.
        index: u32,
        /// The score.
        found: f64,
    },
    /// There are no images to take a threshold from.
    #[error("the threshold: expected images that are normal, found none")]
    NoImages,
}
