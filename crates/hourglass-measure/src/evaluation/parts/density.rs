//! The log-likelihood of a split, estimated by importance sampling, and how much of the code carries information.
//!
//! With w_i = p(x|z_i) p(z_i) / q(z_i|x) and z_1 to z_K drawn from q(z|x), log p_K(x) = log 1/K sum_i w_i. It is a lower
//! bound of log p(x) in expectation, and approaches it as K grows (Burda et al. 2016, who use K = 5000).
//!
//! The weights come in chunks of samples, and only three numbers are kept per image, so that the memory needed does not depend
//! on K.

use std::num::NonZeroUsize;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_data::{measuring_batch, measuring_sizes};
use hourglass_kernels::row_sums;
use hourglass_models::{Autoencoder, Likelihood, Model, StepContext, Stream};
use serde::Serialize;
use serde_json::Value;

use crate::evaluation::baseline::Baseline;
use crate::evaluation::budget;
use crate::evaluation::estimates::{CHUNK, EstimateDirectory, ImageEstimate};
use crate::evaluation::measured::{Measured, left_out};
use crate::evaluation::part::{Part, Plan};
use crate::evaluation::quantity::{Better, Number, Outputs, Quantity};
use crate::evaluation::request::Request;
use crate::evaluation::subject::{LabelledImages, Subject};
use crate::measures::Estimate;
use crate::source::{EVALUATION_SEED, Progress};

/// A unit of the code is active if the variance over the images of its posterior mean is above this (Burda et al. 2016,
/// section 5).
pub const ACTIVE_VARIANCE: f64 = 0.01;

/// The estimated log-likelihood of a split, in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LogLikelihood {
    /// Images measured.
    pub images: usize,
    /// K, the samples per image.
    pub samples: usize,
    /// -log p_K(x), the mean over the images: an estimate of the negative log-likelihood where the model has one.
    pub importance_weighted_nats: f64,
    /// The standard error of that mean for other images of the same kind: s / sqrt(images), s the standard deviation over
    /// the images. It includes what sampling z adds to the spread. None for a single image.
    pub standard_error_nats: Option<f64>,
    /// The standard error of that mean for other samples of z and the same images, by the delta method: the variance of
    /// log p_K(x) is about that of the mean of the weights, divided by the square of that mean. It is too small where single
    /// weights dominate. None for a single sample.
    pub monte_carlo_error_nats: Option<f64>,
    /// How far log p_K is expected to lie below log p, in the mean over the images: half the variance above, per image
    /// (the delta method's second order). It is too small where single weights dominate. None for a single sample.
    pub bias_nats: Option<f64>,
    /// (sum_i w_i)^2 / sum_i w_i^2, the mean over the images: K where the posterior is exact, 1 where a single weight
    /// dominates (Kong 1992).
    pub effective_samples: f64,
    /// The smallest number of effective samples that an image has.
    pub smallest_effective_samples: f64,
}

/// What each dimension of a code carries on a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CodeInformation {
    /// KL(q(z_j|x) || p(z_j)) in nats, the mean over the images.
    pub kl_nats: Vec<f64>,
    /// The variance over the images of the posterior's mean.
    pub mean_variance: Vec<f64>,
    /// The number of dimensions whose variance is above [`ACTIVE_VARIANCE`].
    pub active_units: usize,
}

/// The negative evidence lower bound of a split and its parts, in nats, with standard errors over the images. It is taken with
/// one sample per image and the KL in closed form; for a model trained with one sample these are the terms of its evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EvidenceLowerBound {
    /// -E_q[log p(x|z)] + KL(q(z|x) || p(z))
    pub negative_elbo: Estimate,
    /// -E_q[log p(x|z)]
    pub reconstruction_nats: Estimate,
    /// KL(q(z|x) || p(z))
    pub kl_nats: Estimate,
}

/// What is known about a model's density.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Density {
    /// Whether p(x|z) is a likelihood of the images measured. Bernoulli's on grey pixels is not: its numbers are in nats, but
    /// are not likelihoods.
    pub is_likelihood: bool,
    /// The evidence lower bound.
    pub evidence_lower_bound: EvidenceLowerBound,
    /// The estimate by importance sampling.
    pub log_likelihood: LogLikelihood,
    /// What each dimension of the code carries.
    pub code: CodeInformation,
}

/// The samples per image for which the number of images is chosen. With more samples per image, the measure takes longer.
const BUDGETED_SAMPLES: usize = 50;

impl Density {
    /// The negative evidence lower bound, an upper bound of the negative log-likelihood. As a term of the objective it has no
    /// standard error.
    pub const NEGATIVE_ELBO: Quantity = Quantity {
        places: &[
            "density.evidence_lower_bound.negative_elbo",
            "negative_elbo",
        ],
        title: "Negative ELBO",
        note: "reconstruction and KL, at beta 1",
        unit: "nats",
        better: Better::Lower,
        shown: Outputs::ON_PAGE_AND_CARD,
        is_headline: true,
        ..Quantity::PLAIN
    };
    /// The estimate by importance sampling.
    pub const NEGATIVE_LOG_LIKELIHOOD: Quantity = Quantity {
        places: &["density.log_likelihood.importance_weighted_nats"],
        error: Some("density.log_likelihood.standard_error_nats"),
        title: "Negative log-likelihood",
        note: "an estimate by importance sampling",
        unit: "nats",
        better: Better::Lower,
        shown: Outputs::ON_PAGE,
        refine: name_likelihood,
        ..Quantity::PLAIN
    };
    /// The same estimate, where the model has no likelihood of the images.
    pub const IMPORTANCE_WEIGHTED: Quantity = Quantity {
        title: "Importance-weighted nats",
        note: "of Bernoulli on grey pixels: not a likelihood",
        ..Self::NEGATIVE_LOG_LIKELIHOOD
    };
    /// How much of the code carries information.
    pub const ACTIVE_UNITS: Quantity = Quantity {
        places: &["density.code.active_units"],
        title: "Active units",
        note: "dimensions of the code that carry information",
        decimals: 0,
        shown: Outputs::ON_PAGE,
        refine: |report, number| {
            let dimensions = report["density"]["code"]["kl_nats"].as_array();
            number.out_of = dimensions.map(Vec::len);
        },
        ..Quantity::PLAIN
    };
}

/// Adds to the number how many samples it is from, and whether it is a likelihood.
fn name_likelihood(report: &Value, number: &mut Number) {
    let density = &report["density"];
    if density["is_likelihood"] == false {
        number.quantity = Density::IMPORTANCE_WEIGHTED;
    }
    let samples = &density["log_likelihood"]["samples"];
    number.title = format!("{}, {samples} samples", number.quantity.title);
}

impl Part for Density {
    const SUMMARY: &'static str =
        "The log-likelihood by importance sampling, the KL of each dimension, active units";

    const QUANTITIES: &'static [Quantity] = &[
        Self::NEGATIVE_ELBO,
        Self::NEGATIVE_LOG_LIKELIHOOD,
        Self::ACTIVE_UNITS,
    ];

    fn measure<B: Backend>(
        subject: Subject<'_, B>,
        request: &Request<'_>,
        _baseline: Result<&Baseline, &str>,
        progress: Progress<'_>,
    ) -> Measured<Self> {
        measure(subject, request.samples, request.estimates, progress)
    }

    /// Importance samples are taken in chunks, each sample an image of its own for the decoder.
    fn batch_sizes(plan: &Plan<'_>) -> Vec<usize> {
        if !plan.config.has_prior() {
            return Vec::new();
        }
        let sample = budget::sample(plan.split, BUDGETED_SAMPLES);
        let (features, samples) = (sample.dataset().features(), plan.request.samples.get());
        let images = Plan::sizes(&sample)
            .into_iter()
            .filter(|&images| images > 0);
        let sizes = images.flat_map(|images| {
            let chunk = chunk(images, features).min(samples);
            [images, images * chunk, images * (samples % chunk)]
        });
        sizes.collect()
    }

    fn is_on_page<B: Backend>(model: &Model<B>, image: Tensor<B, 2>) -> bool {
        model.posterior(image).is_some()
    }
}

/// Measures the density; it is left out for families that have none.
fn measure<B: Backend>(
    subject: Subject<'_, B>,
    samples: NonZeroUsize,
    directory: Option<&EstimateDirectory>,
    progress: Progress<'_>,
) -> Measured<Density> {
    let none = || left_out("the family has no prior and no posterior");
    let sample = budget::sample(subject.split, BUDGETED_SAMPLES);
    let subject = Subject {
        split: &sample,
        ..subject
    };
    let Some(code) = code_information(subject, progress) else {
        return none();
    };
    let Some(evidence_lower_bound) = evidence_lower_bound(subject, progress) else {
        return none();
    };
    let Some(log_likelihood) = log_likelihood(subject, samples, directory, progress) else {
        return none();
    };
    Measured::Value(Density {
        is_likelihood: is_likelihood(subject),
        evidence_lower_bound,
        log_likelihood,
        code,
    })
}

fn is_likelihood<B: Backend>(subject: Subject<'_, B>) -> bool {
    subject.model.likelihood() != Likelihood::Bernoulli || subject.is_binarized()
}

/// Estimates log p(x) from `samples` importance samples per image; none for families without importance weights. What the
/// directory already holds is not computed again, and new estimates are written there as they are computed.
pub fn log_likelihood<B: Backend>(
    subject: Subject<'_, B>,
    samples: NonZeroUsize,
    directory: Option<&EstimateDirectory>,
    progress: Progress<'_>,
) -> Option<LogLikelihood> {
    let (samples, total) = (samples.get(), subject.split.len());
    let (mut file, mut estimates) = match directory {
        Some(directory) => {
            let binarized = subject.is_binarized();
            let likelihood = is_likelihood(subject);
            directory.open(directory.origin(subject.split, samples, binarized, likelihood))
        }
        None => (None, Vec::new()),
    };
    // Only whole batches are kept.
    let batch_size = measuring_batch(subject.split.dataset().features());
    let kept = estimates.len().div_ceil(batch_size.get());
    for (batch, LabelledImages { images, .. }) in subject.clean_batches().enumerate().skip(kept) {
        let done = estimates.len();
        let found = estimate_batch(subject, images, batch, samples, &mut |images| {
            progress("estimating the log-likelihood", done + images, total);
        })?;
        // If an estimate can't be written, it is still measured, but not kept.
        file = file.and_then(|mut file| file.append(batch, &found).ok().map(|()| file));
        estimates.extend(found);
    }
    summary(&estimates, samples)
}

/// How many samples of each of so many images are taken at a time.
fn chunk(images: usize, features: usize) -> usize {
    (CHUNK / (images * features)).max(1)
}

/// The estimates of a batch; `progress` is called with the number of images done, which counts parts of images.
///
/// # Shapes
/// - images: `[batch, features]`
fn estimate_batch<B: Backend>(
    subject: Subject<'_, B>,
    images: Tensor<B, 2>,
    batch: usize,
    samples: usize,
    progress: &mut dyn FnMut(usize),
) -> Option<Vec<ImageEstimate>> {
    let [count, features] = images.dims();
    // The noise is numbered by chunk, counted over all batches; all batches before this one are as large as the first.
    let [first_batch, _] = measuring_sizes(subject.split.len(), subject.split.shape());
    let chunks_before = batch * samples.div_ceil(chunk(first_batch, features));
    let chunk = chunk(count, features);
    let mut weights = vec![Weights::default(); count];
    for (index, first) in (0..samples).step_by(chunk).enumerate() {
        let context = StepContext::evaluate(EVALUATION_SEED, (chunks_before + index) as u64);
        let chunk = chunk.min(samples - first);
        let log_weights = subject
            .model
            .log_importance_weights(images.clone(), &context, chunk)?;
        add_all(&mut weights, log_weights);
        progress(count * (first + chunk) / samples);
    }
    Some(weights.iter().map(Weights::estimate).collect())
}

/// Measures the posterior of each dimension; none for families without one.
pub fn code_information<B: Backend>(
    subject: Subject<'_, B>,
    progress: Progress<'_>,
) -> Option<CodeInformation> {
    let mut divergences = Moments::default();
    let mut means = Moments::default();
    for LabelledImages { images, .. } in subject.clean_batches() {
        let posterior = subject.model.posterior(images)?;
        divergences.add(posterior.kl_per_dimension());
        means.add(posterior.mean);
        progress("measuring the code", means.rows, subject.split.len());
    }
    let mean_variance = means.variances();
    Some(CodeInformation {
        kl_nats: divergences.means(),
        active_units: mean_variance
            .iter()
            .filter(|&&variance| variance > ACTIVE_VARIANCE)
            .count(),
        mean_variance,
    })
}

/// Measures the evidence lower bound; none for families without one.
pub fn evidence_lower_bound<B: Backend>(
    subject: Subject<'_, B>,
    progress: Progress<'_>,
) -> Option<EvidenceLowerBound> {
    let bounds = negative_elbos(subject, progress)?;
    Some(EvidenceLowerBound {
        negative_elbo: Estimate::mean(&bounds.sums())?,
        reconstruction_nats: Estimate::mean(&bounds.reconstruction)?,
        kl_nats: Estimate::mean(&bounds.kl)?,
    })
}

/// The two parts of the negative evidence lower bound, in nats, of each image.
#[derive(Default)]
pub(super) struct NegativeElbos {
    reconstruction: Vec<f64>,
    kl: Vec<f64>,
}

impl NegativeElbos {
    pub(super) fn sums(&self) -> Vec<f64> {
        let parts = self.reconstruction.iter().zip(&self.kl);
        parts
            .map(|(reconstruction, kl)| reconstruction + kl)
            .collect()
    }
}

/// The bound of each image; none for families without one.
pub(super) fn negative_elbos<B: Backend>(
    subject: Subject<'_, B>,
    progress: Progress<'_>,
) -> Option<NegativeElbos> {
    let model = subject.model;
    let mut bounds = NegativeElbos::default();
    for (batch, LabelledImages { images, .. }) in subject.clean_batches().enumerate() {
        let posterior = model.posterior(images.clone())?;
        // The noise is that of the terms of a model trained with one sample.
        let context = StepContext::evaluate(EVALUATION_SEED, batch as u64);
        let epsilon = context.normal(Stream::Epsilon, posterior.mean.dims(), subject.device);
        let parameters = model.decode(posterior.sample(epsilon));
        let errors = model.likelihood().loss_per_image(parameters, images);
        let divergences = row_sums(posterior.kl_per_dimension()); // [batch]
        let values = [errors.into_data(), divergences.into_data()];
        let [errors, divergences] = values.map(|data| data.iter::<f64>().collect::<Vec<_>>());
        bounds.reconstruction.extend(errors);
        bounds.kl.extend(divergences);
        progress("measuring the bound", bounds.kl.len(), subject.split.len());
    }
    Some(bounds)
}

/// Adds each row to the weights of its image.
///
/// # Shapes
/// - log_weights: `[batch, any]`
fn add_all<B: Backend>(weights: &mut [Weights], log_weights: Tensor<B, 2>) {
    let [_, count] = log_weights.dims();
    let values: Vec<f64> = log_weights.into_data().iter::<f64>().collect();
    for (weights, row) in weights.iter_mut().zip(values.chunks_exact(count)) {
        row.iter().for_each(|&log_weight| weights.add(log_weight));
    }
}

/// The importance weights of an image, summed as they come; the sums are about the largest weight so far, so that no
/// exponential overflows and not all vanish.
#[derive(Debug, Clone)]
struct Weights {
    count: usize,
    log_largest: f64,
    /// sum_i w_i / largest
    sum: f64,
    /// sum_i (w_i / largest)^2
    squares: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            count: 0,
            log_largest: f64::NEG_INFINITY,
            sum: 0.0,
            squares: 0.0,
        }
    }
}

impl Weights {
    fn add(&mut self, log_weight: f64) {
        self.count += 1;
        if log_weight == f64::NEG_INFINITY {
            return;
        }
        if log_weight > self.log_largest {
            // The first time this is exp(-inf) = 0, on sums that are 0.
            let scale = (self.log_largest - log_weight).exp();
            self.sum *= scale;
            self.squares *= scale * scale;
            self.log_largest = log_weight;
        }
        let weight = (log_weight - self.log_largest).exp();
        self.sum += weight;
        self.squares += weight * weight;
    }

    fn estimate(&self) -> ImageEstimate {
        let count = self.count as f64;
        let effective_samples = self.sum * self.sum / self.squares;
        ImageEstimate {
            log_likelihood: self.log_largest + (self.sum / count).ln(),
            // s^2 / (K m^2) with m and s^2 the mean and the unbiased variance of the weights, written with their sums.
            // Rounding can bring equal weights below 0.
            variance: (count / effective_samples - 1.0).max(0.0) / (count - 1.0),
            effective_samples,
        }
    }
}

/// Summarises the estimates of all images; none where there are no images.
fn summary(estimates: &[ImageEstimate], samples: usize) -> Option<LogLikelihood> {
    let count = estimates.len() as f64;
    let mean_of =
        |value: fn(&ImageEstimate) -> f64| estimates.iter().map(value).sum::<f64>() / count;
    let log_likelihoods = estimates.iter().map(|estimate| estimate.log_likelihood);
    let log_likelihood = Estimate::mean(&log_likelihoods.collect::<Vec<_>>())?;
    let variance = (samples > 1).then(|| mean_of(|estimate| estimate.variance));
    Some(LogLikelihood {
        images: estimates.len(),
        samples,
        importance_weighted_nats: -log_likelihood.value,
        standard_error_nats: log_likelihood.standard_error,
        monte_carlo_error_nats: variance.map(|variance| (variance / count).sqrt()),
        bias_nats: variance.map(|variance| variance / 2.0),
        effective_samples: mean_of(|estimate| estimate.effective_samples),
        smallest_effective_samples: estimates
            .iter()
            .map(|estimate| estimate.effective_samples)
            .fold(f64::INFINITY, f64::min),
    })
}

/// Sums and sums of squares of columns.
#[derive(Default)]
struct Moments {
    rows: usize,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// # Shapes
    /// - rows: `[batch, columns]`
    fn add<B: Backend>(&mut self, rows: Tensor<B, 2>) {
        let [count, columns] = rows.dims();
        self.rows += count;
        self.sums.resize(columns, 0.0);
        self.squares.resize(columns, 0.0);
        for (index, value) in rows.into_data().iter::<f64>().enumerate() {
            self.sums[index % columns] += value;
            self.squares[index % columns] += value * value;
        }
    }

    fn means(&self) -> Vec<f64> {
        let rows = self.rows.max(1) as f64;
        self.sums.iter().map(|sum| sum / rows).collect()
    }

    fn variances(&self) -> Vec<f64> {
        let rows = self.rows.max(1) as f64;
        let columns = self.means().into_iter().zip(&self.squares);
        columns
            .map(|(mean, squares)| (squares / rows - mean * mean).max(0.0))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::NdArray;

    /// Standard normal numbers, by Box & Muller from a linear congruential generator (Knuth's MMIX).
    fn normal_numbers(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut uniform = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        };
        move || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
    }

    fn weights(log_weights: &[f64]) -> Weights {
        let mut weights = Weights::default();
        log_weights
            .iter()
            .for_each(|&log_weight| weights.add(log_weight));
        weights
    }

    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        assert!(
            (found - expected).abs() <= tolerance,
            "{found} instead of {expected}"
        );
    }

    #[test]
    fn the_mean_of_weights_of_any_size_is_finite() {
        for shift in [0.0, 1e6, -1e6] {
            let estimate =
                weights(&[shift - 700.0, shift, shift + 1.0, f64::NEG_INFINITY]).estimate();
            let expected = shift + ((1.0 + 1_f64.exp()) / 4.0).ln();
            assert_close(estimate.log_likelihood, expected, 1e-9);
            let effective = (1.0 + 1_f64.exp()).powi(2) / (1.0 + 2_f64.exp());
            assert_close(estimate.effective_samples, effective, 1e-9);
        }
        assert!(weights(&[0.0, f64::NAN]).estimate().log_likelihood.is_nan());
    }

    #[test]
    fn equal_weights_leave_no_error() {
        let estimate = weights(&[-90.1; 1000]).estimate();
        assert_close(estimate.log_likelihood, -90.1, 1e-9);
        assert_close(estimate.effective_samples, 1000.0, 1e-6);
        assert!(estimate.variance < 1e-12);
    }

    #[test]
    fn chunks_give_what_all_at_once_gives() {
        const SAMPLES: usize = 12;
        let mut normal = normal_numbers(1);
        let values: Vec<f32> = (0..3 * SAMPLES).map(|_| (30.0 * normal()) as f32).collect();
        let data = burn::tensor::TensorData::new(values, [3, SAMPLES]);
        let log_weights = Tensor::<NdArray, 2>::from_data(data, &Default::default());
        let added = |chunk: usize| {
            let mut weights = vec![Weights::default(); 3];
            for first in (0..SAMPLES).step_by(chunk) {
                let count = chunk.min(SAMPLES - first);
                add_all(&mut weights, log_weights.clone().narrow(1, first, count));
            }
            weights
        };
        for chunk in [1, 5, 6] {
            for (found, expected) in added(chunk).iter().zip(added(SAMPLES)) {
                assert_eq!(found.count, SAMPLES);
                let (found, expected) = (found.estimate(), expected.estimate());
                assert_close(found.log_likelihood, expected.log_likelihood, 1e-12);
                assert_close(found.variance, expected.variance, 1e-12);
            }
        }
    }

    /// Log-normal weights with the mean 1: log p is 0.
    #[test]
    fn the_stated_error_and_bias_are_those_of_many_repetitions() {
        const DEVIATION: f64 = 0.8;
        const SAMPLES: usize = 50;
        const REPETITIONS: usize = 20_000;
        let mut normal = normal_numbers(2);
        let estimates: Vec<ImageEstimate> = (0..REPETITIONS)
            .map(|_| {
                let log_weight = |_| DEVIATION * normal() - DEVIATION * DEVIATION / 2.0;
                weights(&(0..SAMPLES).map(log_weight).collect::<Vec<_>>()).estimate()
            })
            .collect();
        let summary = summary(&estimates, SAMPLES).expect("estimates");
        assert_eq!((summary.images, summary.samples), (REPETITIONS, SAMPLES));
        // Each repetition is an image here: the spread over the images is all from sampling.
        let error = summary.standard_error_nats.expect("images");
        let stated = summary.monte_carlo_error_nats.expect("samples");
        assert_close(stated / error, 1.0, 0.08);
        let bias = summary.importance_weighted_nats;
        assert_close(summary.bias_nats.expect("samples"), bias, 0.3 * bias);
        assert!(bias > 5.0 * error, "{summary:?}");
        // 1 / E[w^2] of a log-normal.
        let effective = SAMPLES as f64 * (-DEVIATION * DEVIATION).exp();
        assert_close(summary.effective_samples, effective, 0.05 * SAMPLES as f64);
        assert!(summary.smallest_effective_samples < summary.effective_samples);
    }
}
