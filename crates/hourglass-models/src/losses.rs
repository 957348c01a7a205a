//! Reconstruction losses: distances and likelihoods, summed over the features and averaged over the batch.

use std::f64::consts::PI;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, require};

/// The distribution p(x|h) whose parameters the decoder gives, or plain squared error.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Likelihood {
    /// ||x - mu||^2, no factor 1/2 and no unit; the decoder gives means.
    #[default]
    SquaredError,
    /// -sum x log p + (1 - x) log(1 - p); the decoder gives logits. On grey pixels this is a cross-entropy, not a
    /// likelihood.
    Bernoulli,
    /// ||x - mu||^2 / (2 sigma^2) + D/2 log(2 pi sigma^2) nats; the decoder gives means.
    Gaussian {
        /// The standard deviation of every pixel, in units of the pixel range.
        sigma: f64,
    },
}

impl Likelihood {
    /// The name of the reconstruction term in logs and reports.
    pub fn term(&self) -> &'static str {
        match self {
            Self::SquaredError => "squared_error",
            Self::Bernoulli => "cross_entropy",
            Self::Gaussian { .. } => "reconstruction_nats",
        }
    }

    /// The reconstruction term of a batch.
    ///
    /// # Shapes
    /// - parameters, images: `[batch, features]`
    /// - output: `[1]`
    pub fn loss<B: Backend>(&self, parameters: Tensor<B, 2>, images: Tensor<B, 2>) -> Tensor<B, 1> {
        match self {
            Self::SquaredError => squared_error(parameters, images),
            Self::Bernoulli => cross_entropy(parameters, images),
            Self::Gaussian { sigma } => {
                let [_, features] = images.dims();
                let variance = sigma * sigma;
                let normalisation = 0.5 * features as f64 * (2.0 * PI * variance).ln();
                squared_error(parameters, images) / (2.0 * variance) + normalisation
            }
        }
    }

    /// The mean of p(x|h), an image.
    ///
    /// # Shapes
    /// - parameters, output: `[batch, features]`
    pub fn mean<B: Backend>(&self, parameters: Tensor<B, 2>) -> Tensor<B, 2> {
        match self {
            Self::SquaredError | Self::Gaussian { .. } => parameters,
            Self::Bernoulli => sigmoid(parameters),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Self::Gaussian { sigma } => require(
                sigma.is_finite() && sigma > 0.0,
                "objective.likelihood.gaussian.sigma",
                "a positive standard deviation",
                sigma,
            ),
            Self::SquaredError | Self::Bernoulli => Ok(()),
        }
    }
}

/// 1 / (1 + exp(-x)), written with tanh: Burn's own goes through f32 whatever the backend's precision.
pub(crate) fn sigmoid<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    (x * 0.5).tanh() * 0.5 + 0.5
}

/// sum_i (x_i - mu_i)^2, averaged over the batch.
fn squared_error<B: Backend>(means: Tensor<B, 2>, images: Tensor<B, 2>) -> Tensor<B, 1> {
    let [batch, _] = images.dims();
    let difference = means - images;
    (difference.clone() * difference).sum() / batch as f64
}

/// -sum_i x_i log p_i + (1 - x_i) log(1 - p_i) with p = sigmoid(l), averaged over the batch.
fn cross_entropy<B: Backend>(logits: Tensor<B, 2>, images: Tensor<B, 2>) -> Tensor<B, 1> {
    let [batch, _] = images.dims();
    hourglass_kernels::cross_entropy(logits, images) / batch as f64
}

/// KL(N(mean, exp(log_variance)) || N(0, 1)) = -1/2 sum_j (1 + log_variance - mean^2 - variance), averaged over the
/// batch, in nats (Kingma & Welling 2014, appendix B).
///
/// # Shapes
/// - mean, log_variance: `[batch, code]`
/// - output: `[1]`
pub(crate) fn gaussian_kl<B: Backend>(
    mean: Tensor<B, 2>,
    log_variance: Tensor<B, 2>,
) -> Tensor<B, 1> {
    let [batch, code] = mean.dims();
    let twice = mean.clone() * mean + log_variance.clone().exp() - log_variance;
    (twice.sum() / batch as f64 - code as f64) * 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::NdArray;

    type B = NdArray<f64>;

    fn value(tensor: Tensor<B, 1>) -> f64 {
        tensor.into_scalar()
    }

    #[test]
    fn squared_error_sums_features_and_averages_images() {
        let device = Default::default();
        let means = Tensor::<B, 2>::from_data([[0.0, 1.0], [0.5, 0.5]], &device);
        let images = Tensor::<B, 2>::from_data([[1.0, 1.0], [0.5, 0.0]], &device);
        assert!((value(squared_error(means, images)) - (1.0 + 0.25) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn cross_entropy_is_finite_for_extreme_logits() {
        let device = Default::default();
        let logits = Tensor::<B, 2>::from_data([[1000.0, -1000.0]], &device);
        let images = Tensor::<B, 2>::from_data([[1.0, 1.0]], &device);
        assert!((value(cross_entropy(logits, images)) - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn gaussian_is_a_full_negative_log_likelihood() {
        let device = Default::default();
        let zeros = Tensor::<B, 2>::zeros([1, 1], &device);
        let nats = Likelihood::Gaussian { sigma: 1.0 }.loss(zeros.clone(), zeros);
        assert!((value(nats) - 0.5 * (2.0 * PI).ln()).abs() < 1e-12);
    }

    #[test]
    fn kl_of_the_prior_is_zero() {
        let device = Default::default();
        let zeros = Tensor::<B, 2>::zeros([3, 2], &device);
        assert!(value(gaussian_kl(zeros.clone(), zeros)).abs() < 1e-12);
    }
}
