//! What a part of the report is: what is measured when it is asked for by its name.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_models::Model;
use serde::Serialize;

use super::baseline::Baseline;
use super::measured::Measured;
use super::quantity::Quantity;
use super::request::Request;
use super::subject::Subject;
use crate::source::Progress;

/// What was measured, as JSON has it, and how it is measured.
pub(super) trait Part: Serialize + Sized {
    /// What it is, in a line: the help of `--measures`.
    const SUMMARY: &'static str;

    /// Its numbers, in the order in which they are shown; tables and lists are not among them.
    const QUANTITIES: &'static [Quantity];

    /// Measures it, beside PCA where there is one.
    fn measure<B: Backend>(
        subject: Subject<'_, B>,
        request: &Request<'_>,
        baseline: Result<&Baseline, &str>,
        progress: Progress<'_>,
    ) -> Measured<Self>;

    /// Whether it is measured for a page on the model; `image` is one of the model's size, `[1, features]`.
    fn is_on_page<B: Backend>(_model: &Model<B>, _image: Tensor<B, 2>) -> bool {
        true
    }
}
