//! The whole report on a model: its numbers, and whatever else was asked for.

use burn::tensor::backend::Backend;
use serde::Serialize;

use super::attempt::attempt;
use super::baseline::Baseline;
use super::basics::{Evaluation, evaluate_beside};
use super::contraction::{self, Contraction};
use super::likelihood::{self, Density};
use super::measured::{Measured, left_out};
use super::outliers::{self, Outliers};
use super::reconstruction::{self, Reconstruction};
use super::representation::{self, Representation};
use super::request::{Measure, Request};
use super::robustness::{self, Robustness};
use super::subject::Subject;
use crate::source::Progress;

/// A model's numbers; a part that was not asked for is not there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The numbers that every evaluation has.
    #[serde(skip)]
    pub evaluation: Evaluation,
    /// How near reconstructions are to their images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconstruction: Option<Measured<Reconstruction>>,
    /// What can be read from the codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub representation: Option<Measured<Representation>>,
    /// The log-likelihood, and what each dimension of the code carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub density: Option<Measured<Density>>,
    /// How strongly the code follows the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contraction: Option<Measured<Contraction>>,
    /// The error by kind and level of corruption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub robustness: Option<Measured<Vec<Robustness>>>,
    /// Whether the error tells other images from those that the model knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outliers: Option<Measured<Outliers>>,
}

/// Measures a model, and what is asked for beside; a part that panics or is interrupted is left out.
///
/// # Errors
/// The reason, in words, when the model's own numbers can't be measured.
pub fn examine<B: Backend>(
    subject: Subject<'_, B>,
    request: &Request<'_>,
    progress: Progress<'_>,
) -> Result<Report, String> {
    let (evaluation, baseline) = attempt(|| evaluate_beside(subject, request.cache, progress))?;
    let baseline: Result<&Baseline, &str> = baseline.as_ref().map_err(String::as_str);
    let asks = |measure| request.measures.contains(&measure);
    Ok(Report {
        reconstruction: asks(Measure::Reconstruction).then(|| {
            part(|| Measured::Value(reconstruction::measure(subject, baseline, progress)))
        }),
        representation: asks(Measure::Representation)
            .then(|| part(|| representation::measure(subject, request, baseline, progress))),
        density: asks(Measure::Density).then(|| {
            part(|| likelihood::measure(subject, request.samples, request.estimates, progress))
        }),
        contraction: asks(Measure::Contraction)
            .then(|| part(|| contraction::measure(subject, request.jacobian_images, progress))),
        robustness: asks(Measure::Robustness)
            .then(|| part(|| robustness::measure(subject, baseline.ok(), progress))),
        outliers: asks(Measure::Outliers).then(|| match request.outliers {
            Ok(others) => {
                part(|| Measured::Value(outliers::measure(subject, others, baseline, progress)))
            }
            Err(reason) => left_out(reason),
        }),
        evaluation,
    })
}

/// A part of the report, or why it failed.
fn part<T>(measure: impl FnOnce() -> Measured<T>) -> Measured<T> {
    attempt(measure).unwrap_or_else(left_out)
}
