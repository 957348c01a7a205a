//! How parts of a report are measured.

use std::num::NonZeroUsize;

use hourglass_data::Subset;

use super::baseline::Cache;
use super::estimates::EstimateDirectory;

/// What measures need in addition to the model and its images.
#[derive(Debug)]
pub struct Request<'a> {
    /// Importance samples per image.
    pub samples: NonZeroUsize,
    /// Where the estimates of the images' log-likelihoods are kept, so that they can be continued and compared.
    pub estimates: Option<&'a EstimateDirectory>,
    /// The images that classifiers are fitted to; their labels have the same meaning as those of the split.
    pub labelled: &'a Subset,
    /// The number of images whose Jacobians are computed.
    pub jacobian_images: usize,
    /// The images of another dataset, or why there are none.
    pub outliers: Result<&'a Subset, &'a str>,
    /// Where fitted baselines are kept.
    pub cache: Option<&'a Cache>,
}
