//! Reconstruction losses: distances and likelihoods, summed over the features. They are averaged over the batch, or given per
//! image.

use std::f64::consts::PI;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_kernels::{cross_entropy, mean, row_sums, sigmoid};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, require};
use crate::networks::{Activation, NetworkConfig};

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
        mean(self.loss_per_image(parameters, images))
    }

    /// The reconstruction term of each image.
    ///
    /// # Shapes
    /// - parameters, images: `[batch, features]`
    /// - output: `[batch]`
    pub fn loss_per_image<B: Backend>(
        &self,
        parameters: Tensor<B, 2>,
        images: Tensor<B, 2>,
    ) -> Tensor<B, 1> {
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

    /// The entropy of each image's pixels as probabilities, -sum x log x + (1 - x) log(1 - x) in nats: Bernoulli's term can't
    /// be below it, however good the reconstruction. Without it the term is KL(x || p), which ranks images by what is lost
    /// and not by how grey they are. Of binary images it is 0; the other terms have no such part.
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    /// - output: `[batch]`
    pub fn entropy_per_image<B: Backend>(&self, images: Tensor<B, 2>) -> Option<Tensor<B, 1>> {
        // Where a probability is 0 its product with any finite logarithm is right.
        let part = |share: Tensor<B, 2>| share.clone() * share.clamp_min(1e-30).log();
        (*self == Self::Bernoulli).then(|| {
            let each = part(images.clone()) + part(images.neg() + 1.0); // [batch, features]
            row_sums(each).neg()
        })
    }

    /// The mean of p(x|h), per image.
    ///
    /// # Shapes
    /// - parameters, output: `[batch, features]`
    pub fn mean<B: Backend>(&self, parameters: Tensor<B, 2>) -> Tensor<B, 2> {
        match self {
            Self::SquaredError | Self::Gaussian { .. } => parameters,
            Self::Bernoulli => sigmoid(parameters),
        }
    }

    /// Checks the distribution, and that the network's outputs can be its parameters.
    pub(crate) fn validate(&self, network: &NetworkConfig) -> Result<(), ConfigError> {
        let outputs = network.output_activation();
        match *self {
            Self::Gaussian { sigma } => require(
                sigma.is_finite() && sigma > 0.0,
                "objective.likelihood.gaussian.sigma",
                "a positive standard deviation",
                sigma,
            ),
            Self::Bernoulli => require(
                outputs == Activation::Linear,
                "network.output_activation",
                "linear, since the outputs are Bernoulli's logits",
                format!("{outputs:?}").to_lowercase(),
            ),
            Self::SquaredError => Ok(()),
        }
    }
}

/// sum_i (x_i - mu_i)^2 of each image.
fn squared_error<B: Backend>(means: Tensor<B, 2>, images: Tensor<B, 2>) -> Tensor<B, 1> {
    let difference = means - images;
    row_sums(difference.clone() * difference)
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
        let error = Likelihood::SquaredError.loss(means, images);
        assert!((value(error) - (1.0 + 0.25) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn cross_entropy_is_finite_for_extreme_logits() {
        let device = Default::default();
        let logits = Tensor::<B, 2>::from_data([[1000.0, -1000.0]], &device);
        let images = Tensor::<B, 2>::from_data([[1.0, 1.0]], &device);
        let nats = Likelihood::Bernoulli.loss(logits.clone(), images.clone());
        assert!((value(nats) - 1000.0).abs() < 1e-9);
        let nats = Likelihood::Bernoulli.loss_per_image(logits, images);
        assert!((value(nats) - 1000.0).abs() < 1e-9);
    }

    /// KL(x || p) has its own closed form, without a logit in sight.
    #[test]
    fn without_the_entropy_the_cross_entropy_is_a_divergence() {
        let device = Default::default();
        let images = [[0.0, 1.0, 0.25], [0.5, 0.5, 0.5], [1.0, 0.0, 1.0]];
        let means = [[0.1, 0.7, 0.9], [0.5, 0.5, 0.5], [0.6, 0.2, 0.99]];
        let logits = means.map(|row: [f64; 3]| row.map(|p| (p / (1.0 - p)).ln()));
        let [images_on, logits] =
            [images, logits].map(|rows| Tensor::<B, 2>::from_data(rows, &device));
        let entropy = Likelihood::Bernoulli.entropy_per_image(images_on.clone());
        let entropy = entropy.expect("Bernoulli's");
        let found = Likelihood::Bernoulli.loss_per_image(logits, images_on.clone()) - entropy;
        let found: Vec<f64> = found.into_data().iter().collect();
        let part = |x: f64, p: f64| if x > 0.0 { x * (x / p).ln() } else { 0.0 };
        for ((found, image), means) in found.iter().zip(images).zip(means) {
            let pixels = image.iter().zip(means);
            let expected: f64 = pixels
                .map(|(&x, p)| part(x, p) + part(1.0 - x, 1.0 - p))
                .sum();
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        // A perfect reconstruction costs nothing, however grey the image.
        assert!(found[1].abs() < 1e-12);
        for other in [
            Likelihood::SquaredError,
            Likelihood::Gaussian { sigma: 1.0 },
        ] {
            assert!(other.entropy_per_image(images_on.clone()).is_none());
        }
    }

    #[test]
    fn gaussian_is_a_full_negative_log_likelihood() {
        let device = Default::default();
        let zeros = Tensor::<B, 2>::zeros([1, 1], &device);
        let nats = Likelihood::Gaussian { sigma: 1.0 }.loss(zeros.clone(), zeros);
        assert!((value(nats) - 0.5 * (2.0 * PI).ln()).abs() < 1e-12);
    }

    #[test]
    fn the_loss_is_the_mean_over_the_images() {
        let device = Default::default();
        let parameters = Tensor::<B, 2>::from_data([[0.3, -2.0], [1.5, 0.1], [4.0, 0.0]], &device);
        let images = Tensor::<B, 2>::from_data([[0.0, 1.0], [0.25, 1.0], [1.0, 0.5]], &device);
        for likelihood in [
            Likelihood::SquaredError,
            Likelihood::Bernoulli,
            Likelihood::Gaussian { sigma: 0.3 },
        ] {
            let each = likelihood.loss_per_image(parameters.clone(), images.clone());
            assert_eq!(each.dims(), [3]);
            let loss = value(likelihood.loss(parameters.clone(), images.clone()));
            assert!((value(each.mean()) - loss).abs() < 1e-12, "{likelihood:?}");
        }
    }
}
