//! The approximate posterior q(z|x) = N(mean, exp(log_variance)) of variational families, its divergence from the prior
//! p(z) = N(0, 1), and bounds from several samples.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_kernels::{mean_dim, row_sums, sum};

/// The log-variance is kept within plus and minus this.
const LOG_VARIANCE_LIMIT: f64 = 20.0;

/// q(z|x) of each image, independent in every dimension.
#[derive(Debug, Clone)]
pub struct Posterior<B: Backend> {
    /// The means, `[batch, code]`.
    pub mean: Tensor<B, 2>,
    /// The logarithms of the variances, `[batch, code]`.
    pub log_variance: Tensor<B, 2>,
}

impl<B: Backend> Posterior<B> {
    /// The posterior from an encoder's outputs: the means, then the log-variances.
    ///
    /// # Shapes
    /// - outputs: `[batch, 2 * code]`
    pub(crate) fn from_outputs(outputs: Tensor<B, 2>) -> Self {
        let [_, width] = outputs.dims();
        let code = width / 2;
        let log_variance = outputs.clone().narrow(1, code, code);
        Self {
            mean: outputs.narrow(1, 0, code),
            log_variance: log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT),
        }
    }

    /// z = mean + exp(log_variance / 2) * epsilon (Kingma & Welling 2014, section 2.4).
    ///
    /// # Shapes
    /// - epsilon, output: `[batch, code]`
    pub fn sample(&self, epsilon: Tensor<B, 2>) -> Tensor<B, 2> {
        self.mean.clone() + (self.log_variance.clone() * 0.5).exp() * epsilon
    }

    /// log p(z) - log q(z|x) = 1/2 sum_j (epsilon_j^2 + log_variance_j - z_j^2) at [`Posterior::sample`]s, in nats: the
    /// constants 1/2 log(2 pi) of the two densities cancel.
    ///
    /// # Shapes
    /// - samples, epsilon: `[batch, code]`
    /// - output: `[batch]`
    pub(crate) fn log_prior_ratio(
        &self,
        samples: Tensor<B, 2>,
        epsilon: Tensor<B, 2>,
    ) -> Tensor<B, 1> {
        let twice =
            epsilon.clone() * epsilon + self.log_variance.clone() - samples.clone() * samples;
        row_sums(twice) * 0.5
    }

    /// KL(q(z|x) || N(0, 1)) = -1/2 sum_j (1 + log_variance_j - mean_j^2 - variance_j), averaged over the batch, in nats
    /// (Kingma & Welling 2014, appendix B).
    ///
    /// # Shapes
    /// - output: `[1]`
    pub(crate) fn kl(&self) -> Tensor<B, 1> {
        let [batch, code] = self.mean.dims();
        (sum(self.twice_kl_plus_one()) / batch as f64 - code as f64) * 0.5
    }

    /// The KL divergence to the prior of each image and dimension, in nats.
    ///
    /// # Shapes
    /// - output: `[batch, code]`
    pub fn kl_per_dimension(&self) -> Tensor<B, 2> {
        (self.twice_kl_plus_one() - 1.0) * 0.5
    }

    /// 2 KL + 1 of each image and dimension. The 1 is subtracted only once, after the sum.
    fn twice_kl_plus_one(&self) -> Tensor<B, 2> {
        let (mean, log_variance) = (self.mean.clone(), self.log_variance.clone());
        mean.clone() * mean + log_variance.clone().exp() - log_variance
    }

    /// Each image's posterior, repeated `count` times in consecutive rows.
    ///
    /// # Shapes
    /// - output: `[batch * count, code]`
    pub(crate) fn repeated(&self, count: usize) -> Self {
        Self {
            mean: repeat_rows(self.mean.clone(), count),
            log_variance: repeat_rows(self.log_variance.clone(), count),
        }
    }
}

/// Each row, repeated `count` times in consecutive rows.
///
/// # Shapes
/// - rows: `[batch, width]`
/// - output: `[batch * count, width]`
pub(crate) fn repeat_rows<B: Backend>(rows: Tensor<B, 2>, count: usize) -> Tensor<B, 2> {
    let [batch, width] = rows.dims();
    let repeated = rows.unsqueeze_dim::<3>(1).repeat_dim(1, count); // [batch, count, width]
    repeated.reshape([batch * count, width])
}

/// log(1/k sum_i exp(w_i)) of each row. The row's largest value is subtracted first, so that no exponential overflows and not
/// all vanish.
///
/// # Shapes
/// - log_weights: `[batch, k]`
/// - output: `[batch]`
pub(crate) fn log_mean_exp<B: Backend>(log_weights: Tensor<B, 2>) -> Tensor<B, 1> {
    // A constant: what it adds and takes away has no gradient.
    let largest = log_weights.clone().detach().max_dim(1); // [batch, 1]
    let mean = mean_dim((log_weights - largest.clone()).exp(), 1);
    (mean.log() + largest).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::NdArray;

    // f64 in all unit tests: the precision of a device is set once a process.
    type B = NdArray<f64>;

    fn tensor<const R: usize, const C: usize>(values: [[f64; C]; R]) -> Tensor<B, 2> {
        Tensor::from_data(values, &Default::default())
    }

    fn values<const D: usize>(tensor: Tensor<B, D>) -> Vec<f64> {
        tensor.into_data().to_vec().expect("f64")
    }

    #[test]
    fn kl_of_the_prior_is_zero() {
        let zeros = tensor([[0.0; 2]; 3]);
        let posterior = Posterior {
            mean: zeros.clone(),
            log_variance: zeros,
        };
        assert!(posterior.kl().into_scalar().abs() < 1e-12);
        assert!(
            values(posterior.kl_per_dimension())
                .iter()
                .all(|kl| kl.abs() < 1e-12)
        );
    }

    #[test]
    fn the_kl_of_dimensions_adds_up() {
        let posterior = Posterior {
            mean: tensor([[0.5, -1.0], [2.0, 0.0]]),
            log_variance: tensor([[0.1, -3.0], [1.0, 0.0]]),
        };
        let dimensions = values(posterior.kl_per_dimension());
        let expected = 0.5 * (0.25 + 0.1_f64.exp() - 0.1 - 1.0);
        assert!((dimensions[0] - expected).abs() < 1e-12);
        let mean = dimensions.iter().sum::<f64>() / 2.0;
        assert!((posterior.kl().into_scalar() - mean).abs() < 1e-12);
    }

    /// Against the two densities written out.
    #[test]
    fn the_prior_ratio_is_that_of_two_normal_densities() {
        let (mean, log_variance) = ([0.5, -1.0], [0.7, -3.0]);
        let posterior = Posterior {
            mean: tensor([mean]),
            log_variance: tensor([log_variance]),
        };
        let epsilon = tensor([[1.5, -0.3]]);
        let sample = posterior.sample(epsilon.clone());
        let log_density = |z: f64, mean: f64, variance: f64| {
            -0.5 * ((2.0 * std::f64::consts::PI * variance).ln() + (z - mean).powi(2) / variance)
        };
        let expected: f64 = values(sample.clone())
            .iter()
            .enumerate()
            .map(|(j, &z)| {
                log_density(z, 0.0, 1.0) - log_density(z, mean[j], log_variance[j].exp())
            })
            .sum();
        let ratio = posterior.log_prior_ratio(sample, epsilon);
        assert!((ratio.into_scalar() - expected).abs() < 1e-12);
    }

    #[test]
    fn rows_of_an_image_follow_each_other() {
        let repeated = repeat_rows(tensor([[1.0, 2.0], [3.0, 4.0]]), 2);
        assert_eq!(values(repeated), [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]);
    }

    #[test]
    fn the_mean_of_exponentials_is_finite_whatever_their_size() {
        let rows = tensor([[1e6, 1e6 + 2.0], [-1e6, -1e6 - 2.0], [0.0, -1e300]]);
        let found = values(log_mean_exp(rows));
        let about_the_first = |other: f64| ((1.0 + other.exp()) / 2.0).ln();
        for (found, expected) in found.iter().zip([
            1e6 + about_the_first(2.0),
            -1e6 + about_the_first(-2.0),
            0.5_f64.ln(),
        ]) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }
}
