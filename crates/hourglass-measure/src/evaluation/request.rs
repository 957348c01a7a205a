//! How parts of a report are measured.

use std::num::NonZeroUsize;

use hourglass_data::Subset;

use super::baseline::Cache;
use super::estimates::EstimateDirectory;

/// What measures need beside the model and its images.
#[derive(Debug)]
pub struct Request<'a> {
    /// Importance samples per image.
    pub samples: NonZeroUsize,
    /// Where the log-likelihood's estimates of the images are kept, so that they can go on and be compared.
    pub estimates: Option<&'a EstimateDirectory>,
    /// The images that classifiers are fitted to; their labels mean what those of the split mean.
    pub labelled: &'a Subset,
    /// Images whose Jacobians are computed.
    pub jacobian_images: usize,
    /// The images of another dataset, or why there are none.
    pub outliers: Result<&'a Subset, &'a str>,
    /// Where fitted baselines are kept.
    pub cache: Option<&'a Cache>,
}
