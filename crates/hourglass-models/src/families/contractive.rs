//! Contractive autoencoders: codes that change little when the image does.
//!
//! L = reconstruction + weight * ||dh/dx||_F^2, with h = f(x) after its activation (Rifai et al. 2011). Shrinking the
//! encoder and stretching the decoder would evade the penalty, so use tied weights, as the paper does.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_kernels::mean;
use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

use super::config::FamilyConfig;
use crate::autoencoder::{Autoencoder, Loss};
use crate::config::{ConfigError, MOST_SAMPLES, require};
use crate::losses::Likelihood;
use crate::networks::{Network, NetworkConfig, jacobian};
use crate::step::{StepContext, Stream};

/// Images whose Jacobians are measured at a time: a Jacobian has code times features values.
const NORM_IMAGES: usize = 50;

/// Settings of a contractive autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractiveConfig {
    /// The network.
    pub network: NetworkConfig,
    /// The objective.
    #[serde(default)]
    pub objective: ContractiveObjective,
}

/// The objective: reconstruction, and the squared norm of the encoder's Jacobian.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContractiveObjective {
    /// The penalty's weight.
    pub weight: f64,
    /// How the norm is found.
    pub jacobian: JacobianMethod,
    /// Random directions per image, for `estimate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// p(x|h)
    pub likelihood: Likelihood,
}

/// How the squared norm of the Jacobian is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JacobianMethod {
    /// Exactly: in closed form for one layer, at the cost of `code` backward passes for deeper mlp encoders.
    #[default]
    Exact,
    /// By an unbiased estimate from random directions, for any encoder.
    Estimate,
}

impl Default for ContractiveObjective {
    fn default() -> Self {
        Self {
            weight: 0.1,
            jacobian: JacobianMethod::Exact,
            samples: None,
            likelihood: Likelihood::SquaredError,
        }
    }
}

/// A contractive autoencoder.
#[derive(Module, Debug)]
pub struct Contractive<B: Backend> {
    pub(super) network: Network<B>,
    #[module(skip)]
    objective: ContractiveObjective,
}

impl FamilyConfig for ContractiveConfig {
    type Model<B: Backend> = Contractive<B>;

    const SUMMARY: &str = "A contractive autoencoder: its codes change little when the image does.";

    const OBJECTIVES: &[&str] = &[
        r#"{ jacobian = "estimate", samples = 2 }"#,
        r#"{ weight = 0.01, likelihood = "bernoulli" }"#,
    ];

    fn network(&self) -> &NetworkConfig {
        &self.network
    }

    fn likelihood(&self) -> Likelihood {
        self.objective.likelihood
    }

    fn validate_objective(&self) -> Result<(), ConfigError> {
        let ContractiveObjective {
            weight,
            jacobian,
            samples,
            ..
        } = self.objective;
        let holds = weight.is_finite() && weight >= 0.0;
        require(holds, "objective.weight", "a weight of at least 0", weight)?;
        match jacobian {
            JacobianMethod::Exact => {
                require(
                    matches!(self.network, NetworkConfig::Mlp(_)),
                    "objective.jacobian",
                    "estimate, since the exact norm is for mlp networks",
                    "exact",
                )?;
                require(
                    samples.is_none(),
                    "objective.samples",
                    "no value, since the exact norm draws no samples",
                    samples.unwrap_or_default(),
                )?;
            }
            JacobianMethod::Estimate => {
                let count = samples.unwrap_or(1);
                require(
                    (1..=MOST_SAMPLES).contains(&count),
                    "objective.samples",
                    "1 to 10000 samples",
                    count,
                )?;
            }
        }
        Ok(())
    }

    fn init<B: Backend>(&self, shape: Shape, seed: u64, device: &B::Device) -> Contractive<B> {
        Contractive {
            network: self
                .network
                .init(shape, self.encoder_outputs(), seed, device),
            objective: self.objective.clone(),
        }
    }
}

impl<B: Backend> Contractive<B> {
    /// ||dh/dx||_F^2 of each image, `[batch, features]` to `[batch]`.
    fn jacobian_squared(&self, images: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 1> {
        let encoder = &self.network.encoder;
        match self.objective.jacobian {
            JacobianMethod::Exact => jacobian::exact(encoder, images),
            JacobianMethod::Estimate => {
                let samples = self.objective.samples.unwrap_or(1);
                let ([batch, _], device) = (images.dims(), images.device());
                let [_, code] = self.encode(images.clone()).dims();
                let signs = step.signs(Stream::Rademacher, [batch * samples, code], &device);
                jacobian::estimate(encoder, images, signs, samples)
            }
        }
    }
}

impl<B: Backend> Autoencoder<B> for Contractive<B> {
    fn network(&self) -> &Network<B> {
        &self.network
    }

    fn loss(&self, images: Tensor<B, 2>, step: &StepContext) -> Loss<B> {
        let likelihood = self.likelihood();
        let parameters = self.decode(self.encode(images.clone()));
        let reconstruction = likelihood.loss(parameters, images.clone());
        let penalty = mean(self.jacobian_squared(images, step));
        Loss::of_reconstruction(likelihood.term(), reconstruction).plus(
            "jacobian_squared",
            penalty,
            self.objective.weight,
        )
    }

    fn jacobian(&self, images: Tensor<B, 2>) -> Option<Tensor<B, 3>> {
        Some(self.network.jacobian(images))
    }

    fn likelihood(&self) -> Likelihood {
        self.objective.likelihood
    }

    fn jacobian_norm(&self, images: Tensor<B, 2>) -> Option<Tensor<B, 1>> {
        let encoder = &self.network.encoder;
        let parts = images.split(NORM_IMAGES, 0).into_iter();
        let norms = parts.map(|images| jacobian::exact(encoder, images).sqrt());
        Some(Tensor::cat(norms.collect(), 0))
    }
}
