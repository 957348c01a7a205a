//! Denoising autoencoders: the encoder sees a corrupted image, the target is the clean one.
//!
//! L = E[-log p(x | f(c(x)))], with c(x) drawn afresh every time (Vincent et al. 2010). The code may have any size, even more
//! units than the image has pixels.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

use super::config::FamilyConfig;
use crate::autoencoder::{Autoencoder, Loss};
use crate::config::{ConfigError, require};
use crate::corruption::Corruption;
use crate::losses::Likelihood;
use crate::networks::{Network, NetworkConfig};
use crate::step::StepContext;

/// Settings of a denoising autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenoisingConfig {
    /// The network.
    pub network: NetworkConfig,
    /// The objective.
    #[serde(default)]
    pub objective: DenoisingObjective,
}

/// The objective: reconstruction of the clean image from the corrupted one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DenoisingObjective {
    /// The kind of corruption.
    pub corruption: Corruption,
    /// How much of it: a share of the pixels, or a standard deviation.
    pub level: f64,
    /// p(x|h)
    pub likelihood: Likelihood,
}

impl Default for DenoisingObjective {
    fn default() -> Self {
        Self {
            corruption: Corruption::Masking,
            level: 0.3,
            likelihood: Likelihood::SquaredError,
        }
    }
}

/// A denoising autoencoder.
#[derive(Module, Debug)]
pub struct Denoising<B: Backend> {
    pub(super) network: Network<B>,
    #[module(skip)]
    objective: DenoisingObjective,
}

impl FamilyConfig for DenoisingConfig {
    type Model<B: Backend> = Denoising<B>;

    const SUMMARY: &str =
        "A denoising autoencoder: it gives back the clean image from a corrupted one.";

    const OBJECTIVES: &[&str] = &[
        r#"{ corruption = "gaussian", level = 0.1 }"#,
        r#"{ corruption = "salt-and-pepper", likelihood = "bernoulli" }"#,
    ];

    fn network(&self) -> &NetworkConfig {
        &self.network
    }

    fn likelihood(&self) -> Likelihood {
        self.objective.likelihood
    }

    fn validate_objective(&self) -> Result<(), ConfigError> {
        let DenoisingObjective {
            corruption, level, ..
        } = self.objective;
        require(
            corruption.accepts(level),
            "objective.level",
            "a share of the pixels in [0, 1], or a standard deviation of at least 0 for gaussian",
            level,
        )
    }

    fn init<B: Backend>(&self, shape: Shape, seed: u64, device: &B::Device) -> Denoising<B> {
        Denoising {
            network: self
                .network
                .init(shape, self.encoder_outputs(), seed, device),
            objective: self.objective.clone(),
        }
    }
}

impl<B: Backend> Denoising<B> {
    fn corrupted(&self, images: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        let objective = &self.objective;
        objective.corruption.apply(images, objective.level, step)
    }
}

impl<B: Backend> Autoencoder<B> for Denoising<B> {
    fn network(&self) -> &Network<B> {
        &self.network
    }

    fn loss(&self, images: Tensor<B, 2>, step: &StepContext) -> Loss<B> {
        let corrupted = self.corrupted(images.clone(), step);
        let parameters = self.decode(self.encode(corrupted));
        let likelihood = self.likelihood();
        Loss::of_reconstruction(likelihood.term(), likelihood.loss(parameters, images))
    }

    fn jacobian(&self, images: Tensor<B, 2>) -> Option<Tensor<B, 3>> {
        Some(self.network.jacobian(images))
    }

    fn likelihood(&self) -> Likelihood {
        self.objective.likelihood
    }

    fn corrupt(&self, images: Tensor<B, 2>, step: &StepContext) -> Option<Tensor<B, 2>> {
        Some(self.corrupted(images, step))
    }
}
