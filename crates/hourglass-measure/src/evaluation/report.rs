//! The whole report on a model: its numbers, and whatever else was asked for.

use std::num::NonZeroUsize;

use burn::tensor::backend::Backend;
use hourglass_data::Subset;
use serde::Serialize;

use super::baseline::{Baseline, Cache};
use super::estimates::EstimateDirectory;
use super::subject::{Progress, Subject};
use super::{
    Contraction, Density, Evaluation, Measured, Outliers, Reconstruction, Representation,
    Robustness, attempt, contraction, evaluate_beside, left_out, likelihood, outliers,
    reconstruction, representation, robustness,
};

/// What can be measured beside a model's own terms and its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// See [`Reconstruction`].
    Reconstruction,
    /// See [`Representation`].
    Representation,
    /// See [`Density`].
    Density,
    /// See [`Contraction`].
    Contraction,
    /// See [`Robustness`].
    Robustness,
    /// See [`Outliers`].
    Outliers,
}

/// What is asked for.
#[derive(Debug)]
pub struct Request<'a> {
    /// What to measure.
    pub measures: &'a [Measure],
    /// Importance samples an image.
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
