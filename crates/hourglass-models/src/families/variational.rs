//! Variational autoencoders: codes are distributions close to a standard normal prior.
//!
//! L = E_q[-log p(x|z)] + beta * KL(q(z|x) || N(0, 1)), with q(z|x) = N(mean, exp(log_variance)), one reparameterised
//! sample z = mean + exp(log_variance / 2) * epsilon an image, and the KL in closed form (Kingma & Welling 2014). `beta`
//! other than 1 is Higgins et al. 2017. The log-variance is kept in [-20, 20], so that its exponential can't overflow.
//! `negative_elbo` is always at beta 1.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Loss};
use crate::config::{ConfigError, FamilyConfig, ImageShape, require};
use crate::losses::{Likelihood, gaussian_kl};
use crate::networks::{Network, NetworkConfig};
use crate::step::{StepContext, Stream};

/// The log-variance is kept within plus and minus this.
const LOG_VARIANCE_LIMIT: f64 = 20.0;

/// Settings of a variational autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariationalConfig {
    /// The network.
    pub network: NetworkConfig,
    /// The objective.
    #[serde(default)]
    pub objective: VariationalObjective,
}

/// The objective: the negative evidence lower bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VariationalObjective {
    /// The weight of the KL term.
    pub beta: f64,
    /// The share of training over which the weight rises linearly from 0 to `beta`.
    pub warmup: f64,
    /// p(x|z)
    pub likelihood: Likelihood,
}

impl Default for VariationalObjective {
    fn default() -> Self {
        Self {
            beta: 1.0,
            warmup: 0.0,
            likelihood: Likelihood::Bernoulli,
        }
    }
}

impl VariationalObjective {
    fn beta_at(&self, progress: f64) -> f64 {
        if self.warmup > 0.0 {
            self.beta * (progress / self.warmup).min(1.0)
        } else {
            self.beta
        }
    }
}

/// A variational autoencoder. The encoder's outputs are the means, then the log-variances.
#[derive(Module, Debug)]
pub struct Variational<B: Backend> {
    pub(super) network: Network<B>,
    #[module(skip)]
    objective: VariationalObjective,
    #[module(skip)]
    code: usize,
}

impl FamilyConfig for VariationalConfig {
    type Model<B: Backend> = Variational<B>;

    fn network(&self) -> &NetworkConfig {
        &self.network
    }

    fn encoder_outputs(&self) -> usize {
        self.network.code().saturating_mul(2)
    }

    fn validate_objective(&self) -> Result<(), ConfigError> {
        let VariationalObjective {
            beta,
            warmup,
            likelihood,
        } = self.objective;
        let holds = beta.is_finite() && beta >= 0.0;
        require(holds, "objective.beta", "a weight of at least 0", beta)?;
        let share = (0.0..=1.0).contains(&warmup);
        require(share, "objective.warmup", "a share of training in [0, 1]", warmup)?;
        require(
            likelihood != Likelihood::SquaredError,
            "objective.likelihood",
            "bernoulli, or gaussian with a sigma: a bound needs a likelihood (squared error is gaussian with sigma \
             0.7071, but for a constant)",
            "squared_error",
        )?;
        let activation = self.network.code_activation();
        require(
            activation == Default::default(),
            "network.code_activation",
            "linear, since means and log-variances can have any value",
            format!("{activation:?}").to_lowercase(),
        )?;
        likelihood.validate()
    }

    fn init<B: Backend>(&self, shape: ImageShape, seed: u64, device: &B::Device) -> Variational<B> {
        Variational {
            network: self.network.init(shape, self.encoder_outputs(), seed, device),
            objective: self.objective.clone(),
            code: self.network.code(),
        }
    }
}

impl<B: Backend> Variational<B> {
    /// The mean and the log-variance of q(z|x).
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    /// - outputs: `[batch, code]` each
    pub fn posterior(&self, images: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let outputs = self.network.encode(images);
        let mean = outputs.clone().narrow(1, 0, self.code);
        let log_variance = outputs.narrow(1, self.code, self.code);
        (mean, log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT))
    }
}

impl<B: Backend> Autoencoder<B> for Variational<B> {
    fn encode(&self, images: Tensor<B, 2>) -> Tensor<B, 2> {
        self.network.encode(images).narrow(1, 0, self.code)
    }

    fn decode(&self, codes: Tensor<B, 2>) -> Tensor<B, 2> {
        self.network.decode(codes)
    }

    fn loss(&self, images: Tensor<B, 2>, step: &StepContext) -> Loss<B> {
        let (mean, log_variance) = self.posterior(images.clone());
        let epsilon = step.normal(Stream::Epsilon, mean.dims(), &images.device());
        let sample = mean.clone() + (log_variance.clone() * 0.5).exp() * epsilon;

        let likelihood = self.likelihood();
        let reconstruction = likelihood.loss(self.decode(sample), images);
        let kl = gaussian_kl(mean, log_variance);
        let negative_elbo = reconstruction.clone().detach() + kl.clone().detach();

        let beta = self.objective.beta_at(step.progress());
        let mut loss =
            Loss::of_reconstruction(likelihood.term(), reconstruction).plus("kl_nats", kl, beta);
        loss.terms.push(("negative_elbo", negative_elbo));
        loss
    }

    fn jacobian(&self, images: Tensor<B, 2>) -> Option<Tensor<B, 3>> {
        Some(self.network.jacobian(images).narrow(1, 0, self.code))
    }

    fn likelihood(&self) -> Likelihood {
        self.objective.likelihood
    }

    fn sample_prior(
        &self,
        count: usize,
        step: &StepContext,
        device: &B::Device,
    ) -> Option<Tensor<B, 2>> {
        Some(step.normal(Stream::Prior, [count, self.code], device))
    }
}
