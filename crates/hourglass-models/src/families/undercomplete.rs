//! Undercomplete autoencoders: the code is smaller than the image, and that is the only constraint.
//!
//! L = E[-log p(x | f(x))], or ||x - g(f(x))||^2. With a linear network and squared error the optimum spans the same
//! subspace as PCA (Baldi & Hornik 1989).

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

use super::config::FamilyConfig;
use crate::autoencoder::{Autoencoder, Loss};
use crate::config::ConfigError;
use crate::losses::Likelihood;
use crate::networks::{Network, NetworkConfig};
use crate::step::StepContext;

/// Settings of an undercomplete autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndercompleteConfig {
    /// The network.
    pub network: NetworkConfig,
    /// The objective.
    #[serde(default)]
    pub objective: UndercompleteObjective,
}

/// The objective: reconstruction alone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UndercompleteObjective {
    /// p(x|h)
    pub likelihood: Likelihood,
}

/// An undercomplete autoencoder.
#[derive(Module, Debug)]
pub struct Undercomplete<B: Backend> {
    pub(super) network: Network<B>,
    #[module(skip)]
    objective: UndercompleteObjective,
}

impl FamilyConfig for UndercompleteConfig {
    type Model<B: Backend> = Undercomplete<B>;

    const SUMMARY: &str = "An undercomplete autoencoder: the code is smaller than the image, and that is its only constraint.";

    const OBJECTIVES: &[&str] = &[
        r#"{ likelihood = "bernoulli" }"#,
        r#"{ likelihood = { gaussian = { sigma = 0.5 } } }"#,
        r#"{ likelihood = { laplace = { scale = 0.5 } } }"#,
        r#"{ likelihood = { huber = { delta = 0.2 } } }"#,
    ];

    fn network(&self) -> &NetworkConfig {
        &self.network
    }

    fn likelihood(&self) -> Likelihood {
        self.objective.likelihood
    }

    fn validate_objective(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    fn init<B: Backend>(&self, shape: Shape, seed: u64, device: &B::Device) -> Undercomplete<B> {
        Undercomplete {
            network: self
                .network
                .init(shape, self.encoder_outputs(), seed, device),
            objective: self.objective.clone(),
        }
    }
}

impl<B: Backend> Autoencoder<B> for Undercomplete<B> {
    fn network(&self) -> &Network<B> {
        &self.network
    }

    fn loss(&self, images: Tensor<B, 2>, _step: &StepContext) -> Loss<B> {
        let parameters = self.decode(self.encode(images.clone()));
        let likelihood = self.likelihood();
        Loss::of_reconstruction(likelihood.term(), likelihood.loss(parameters, images))
    }

    fn jacobian(&self, images: Tensor<B, 2>) -> Option<Tensor<B, 3>> {
        Some(self.network.jacobian(images))
    }

    fn likelihood(&self) -> Likelihood {
        self.objective.likelihood
    }
}
