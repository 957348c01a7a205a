//! What every part of a report must provide. A part is measured when it is asked for by name.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_data::{Subset, measuring_sizes};
use hourglass_models::{Model, ModelConfig};
use serde::Serialize;

use super::baseline::Baseline;
use super::measured::Measured;
use super::quantity::Quantity;
use super::request::Request;
use super::subject::Subject;
use crate::source::Progress;

/// What is known of an evaluation before the model is loaded.
pub(super) struct Plan<'a> {
    /// The model's settings.
    pub(super) config: &'a ModelConfig,
    /// The images to measure on.
    pub(super) split: &'a Subset,
    /// What else the measures need.
    pub(super) request: &'a Request<'a>,
}

impl Plan<'_> {
    /// The sizes of the batches that images are measured in.
    pub(super) fn sizes(images: &Subset) -> [usize; 2] {
        measuring_sizes(images.len(), images.shape())
    }
}

/// A part of the report: what was measured, as it is written to JSON, and how it is measured.
pub(super) trait Part: Serialize + Sized {
    /// What the part is, in one line: the help of `--measures`.
    const SUMMARY: &'static str;

    /// The numbers of the part, in the order in which they are shown. Tables and lists are not among them.
    const QUANTITIES: &'static [Quantity];

    /// Measures the part, for PCA too where there is a baseline.
    fn measure<B: Backend>(
        subject: Subject<'_, B>,
        request: &Request<'_>,
        baseline: Result<&Baseline, &str>,
        progress: Progress<'_>,
    ) -> Measured<Self>;

    /// The sizes of the batches that the model gets for the part, where they may be others than those of the whole split: a
    /// backend that has to be checked is checked at them.
    fn batch_sizes(_plan: &Plan<'_>) -> Vec<usize> {
        Vec::new()
    }

    /// Whether the part is measured for a page on the model. `image` is any image of the model's size, `[1, features]`.
    fn is_on_page<B: Backend>(_model: &Model<B>, _image: Tensor<B, 2>) -> bool {
        true
    }
}
