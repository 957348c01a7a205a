//! Reconstruction losses: distances and negative log-likelihoods, summed over the features. They are averaged over the batch, or
//! returned per image.

use std::f64::consts::PI;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_kernels::{cross_entropy, mean, row_sums, sigmoid};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, require};
use crate::networks::{Activation, NetworkConfig};

/// The distribution p(x|h) whose parameters the decoder gives, or a loss without a unit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Likelihood {
    /// ||x - mu||^2, no factor 1/2 and no unit; the decoder gives means.
    #[default]
    SquaredError,
    /// -sum (x log p + (1 - x) log(1 - p)); the decoder gives logits. On grey pixels this is a cross-entropy, not a
    /// likelihood.
    Bernoulli,
    /// ||x - mu||^2 / (2 sigma^2) + D/2 log(2 pi sigma^2) nats; the decoder gives means.
    Gaussian {
        /// The standard deviation of every pixel, in units of the pixel range.
        sigma: f64,
    },
    /// sum |x - mu| / b + D log(2 b) nats: the L1 error as a likelihood, which single large errors move less than a squared
    /// one; the decoder gives means.
    Laplace {
        /// b, the mean distance of a pixel from its mean, in units of the pixel range.
        scale: f64,
    },
    /// The sum of (x - mu)^2 / 2 where |x - mu| is at most delta, and of delta (|x - mu| - delta / 2) beyond (Huber 1964), with
    /// no unit; the decoder gives means.
    Huber {
        /// The error from which on the loss grows in proportion to it, in units of the pixel range.
        delta: f64,
    },
}

impl Likelihood {
    /// How each kind is written in a recipe, in TOML.
    pub const EXAMPLES: &[&str] = &[
        r#""squared_error""#,
        r#""bernoulli""#,
        "{ gaussian = { sigma = 0.1 } }",
        "{ laplace = { scale = 0.1 } }",
        "{ huber = { delta = 0.1 } }",
    ];

    /// The name of the reconstruction term in logs and reports.
    pub fn term(&self) -> &'static str {
        match self {
            Self::SquaredError => "squared_error",
            Self::Bernoulli => "cross_entropy",
            Self::Gaussian { .. } | Self::Laplace { .. } => "reconstruction_nats",
            Self::Huber { .. } => "huber",
        }
    }

    /// Whether it is a distribution, so that its term is in nats.
    pub fn is_distribution(&self) -> bool {
        !matches!(self, Self::SquaredError | Self::Huber { .. })
    }

    /// What the term must be multiplied by to be in nats: 1 for a distribution. The others become the negative
    /// log-likelihood of normal errors with this variance, but for a constant (Huber where errors are small).
    pub fn factor_to_nats(&self, variance: f64) -> f64 {
        match self {
            Self::SquaredError => 0.5 / variance,
            Self::Huber { .. } => 1.0 / variance,
            Self::Bernoulli | Self::Gaussian { .. } | Self::Laplace { .. } => 1.0,
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
            Self::Laplace { scale } => {
                let [_, features] = images.dims();
                let normalisation = features as f64 * (2.0 * scale).ln();
                row_sums((parameters - images).abs()) / *scale + normalisation
            }
            Self::Huber { delta } => {
                let distances = (parameters - images).abs(); // [batch, features]
                let inner = distances.clone().clamp_max(*delta);
                row_sums(inner.clone() * inner.clone() * 0.5 + (distances - inner) * *delta)
            }
        }
    }

    /// The entropy of each image's pixels as probabilities, -sum (x log x + (1 - x) log(1 - x)) in nats: Bernoulli's term can't
    /// be below it, however good the reconstruction. Without it the term is KL(x || p), which ranks images by what is lost
    /// and not by how grey they are. Of binary images it is 0; the other terms have no such part.
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    /// - output: `[batch]`
    pub fn entropy_per_image<B: Backend>(&self, images: Tensor<B, 2>) -> Option<Tensor<B, 1>> {
        // Where a probability is 0, its product with any finite logarithm is 0, as it should be.
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
            Self::SquaredError
            | Self::Gaussian { .. }
            | Self::Laplace { .. }
            | Self::Huber { .. } => parameters,
            Self::Bernoulli => sigmoid(parameters),
        }
    }

    /// Checks the distribution, and that the network's outputs can be its parameters.
    pub(crate) fn validate(&self, network: &NetworkConfig) -> Result<(), ConfigError> {
        let outputs = network.output_activation();
        let positive = |key: &str, what: &str, value: f64| {
            require(value.is_finite() && value > 0.0, key, what, value)
        };
        match *self {
            Self::Gaussian { sigma } => positive(
                "objective.likelihood.gaussian.sigma",
                "a positive standard deviation",
                sigma,
            ),
            Self::Laplace { scale } => positive(
                "objective.likelihood.laplace.scale",
                "a positive mean distance",
                scale,
            ),
            Self::Huber { delta } => positive(
                "objective.likelihood.huber.delta",
                "a positive error",
                delta,
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
            Likelihood::Laplace { scale: 1.0 },
            Likelihood::Huber { delta: 1.0 },
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
    fn laplace_is_a_full_negative_log_likelihood() {
        let device = Default::default();
        let means = Tensor::<B, 2>::from_data([[0.0, 1.0]], &device);
        let images = Tensor::<B, 2>::from_data([[0.5, 1e6]], &device);
        let nats = Likelihood::Laplace { scale: 0.25 }.loss(means, images);
        let expected = (0.5 + 999_999.0) / 0.25 + 2.0 * 0.5_f64.ln();
        assert!((value(nats) - expected).abs() < 1e-6);
    }

    #[test]
    fn huber_is_half_the_square_up_to_delta_and_straight_beyond() {
        let device = Default::default();
        let means = Tensor::<B, 2>::from_data([[0.0, 0.0, 0.0]], &device);
        let images = Tensor::<B, 2>::from_data([[0.2, -0.5, 3.0]], &device);
        let loss = Likelihood::Huber { delta: 0.5 }.loss(means, images);
        let expected = 0.5 * 0.2 * 0.2 + 0.5 * 0.5 * 0.5 + 0.5 * (3.0 - 0.25);
        assert!((value(loss) - expected).abs() < 1e-12);
    }

    #[test]
    fn every_kind_is_among_the_examples() {
        let named = |likelihood: Likelihood| {
            let json = serde_json::to_value(likelihood).expect("JSON");
            let name = match &json {
                serde_json::Value::Object(fields) => fields.keys().next().cloned(),
                other => other.as_str().map(str::to_owned),
            };
            name.expect("a name")
        };
        for likelihood in [
            Likelihood::SquaredError,
            Likelihood::Bernoulli,
            Likelihood::Gaussian { sigma: 0.1 },
            Likelihood::Laplace { scale: 0.1 },
            Likelihood::Huber { delta: 0.1 },
        ] {
            let name = named(likelihood);
            let examples = Likelihood::EXAMPLES.iter();
            let found: Vec<_> = examples.filter(|text| text.contains(&name)).collect();
            assert_eq!(found.len(), 1, "{name}");
            let text = format!("likelihood = {}", found[0]);
            let table: toml::Table = toml::from_str(&text).expect("TOML");
            let read: Likelihood = table["likelihood"].clone().try_into().expect(&text);
            assert_eq!(read, likelihood);
        }
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
            Likelihood::Laplace { scale: 0.3 },
            Likelihood::Huber { delta: 0.3 },
        ] {
            let each = likelihood.loss_per_image(parameters.clone(), images.clone());
            assert_eq!(each.dims(), [3]);
            let loss = value(likelihood.loss(parameters.clone(), images.clone()));
            assert!((value(each.mean()) - loss).abs() < 1e-12, "{likelihood:?}");
        }
    }
}
