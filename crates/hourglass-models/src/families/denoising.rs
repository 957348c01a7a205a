//! Denoising autoencoders: the encoder sees a corrupted image, the target is the clean one.
//!
//! L = E[-log p(x | f(c(x)))], with c(x) drawn afresh every time (Vincent et al. 2010). The code may have any size, even more
//! units than the image has pixels.
//!
//! Where some of the training samples may be anomalies, the objective can be trimmed: in each step, nothing is learned from the
//! share `trim` of the batch with the largest losses (least trimmed squares, Rousseeuw 1984). More noise over the first part
//! of training lets the network learn what most samples have in common before it can fit the others.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_kernels::mean;
use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

use super::config::FamilyConfig;
use crate::autoencoder::{Autoencoder, Loss};
use crate::config::{ConfigError, require};
use crate::corruption::Corruption;
use crate::losses::Likelihood;
use crate::networks::{Network, NetworkConfig};
use crate::step::{Mode, StepContext};

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
    /// The share of training over which the corruption has `warmup_level`.
    pub warmup: f64,
    /// How much of it there is at first; `level` where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_level: Option<f64>,
    /// The share of each batch, the samples with the largest losses, that nothing is learned from.
    pub trim: f64,
    /// p(x|h)
    pub likelihood: Likelihood,
}

impl Default for DenoisingObjective {
    fn default() -> Self {
        Self {
            corruption: Corruption::Masking,
            level: 0.3,
            warmup: 0.0,
            warmup_level: None,
            trim: 0.0,
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
        r#"{ corruption = "gaussian", level = 0.1, warmup = 0.5, warmup_level = 0.3, trim = 0.4 }"#,
    ];

    fn network(&self) -> &NetworkConfig {
        &self.network
    }

    fn likelihood(&self) -> Likelihood {
        self.objective.likelihood
    }

    fn validate_objective(&self) -> Result<(), ConfigError> {
        let DenoisingObjective {
            corruption,
            level,
            warmup,
            warmup_level,
            trim,
            ..
        } = self.objective;
        let expected =
            "a share of the pixels in [0, 1], or a standard deviation of at least 0 for gaussian";
        let accepts = corruption.accepts(level);
        require(accepts, "objective.level", expected, level)?;
        let first = warmup_level.unwrap_or(level);
        let accepts = corruption.accepts(first);
        require(accepts, "objective.warmup_level", expected, first)?;
        require(
            (0.0..=1.0).contains(&warmup),
            "objective.warmup",
            "a share of training in [0, 1]",
            warmup,
        )?;
        require(
            (warmup > 0.0) == warmup_level.is_some(),
            "objective.warmup",
            "a share above 0 and an objective.warmup_level, or neither",
            warmup,
        )?;
        require(
            (0.0..1.0).contains(&trim),
            "objective.trim",
            "a share of each batch in [0, 1)",
            trim,
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
        let level = match objective.warmup_level {
            Some(level) if step.progress() < objective.warmup => level,
            _ => objective.level,
        };
        objective.corruption.apply(images, level, step)
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
        let trim = self.objective.trim;
        if trim == 0.0 || step.mode() == Mode::Evaluate {
            let loss = likelihood.loss(parameters, images);
            return Loss::of_reconstruction(likelihood.term(), loss);
        }
        let losses = likelihood.loss_per_image(parameters, images); // [batch]
        let all = mean(losses.clone().detach());
        Loss {
            total: trimmed_mean(losses, trim),
            terms: vec![(likelihood.term(), all)],
        }
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

/// The mean of the losses without the largest ones, of which there are a share `trim`, rounded down.
///
/// # Shapes
/// - losses: `[batch]`
/// - output: `[1]`
fn trimmed_mean<B: Backend>(losses: Tensor<B, 1>, trim: f64) -> Tensor<B, 1> {
    let [batch] = losses.dims();
    let kept = batch - (trim * batch as f64).floor() as usize;
    let sorted = losses.clone().detach().sort(0);
    let largest = sorted.narrow(0, kept - 1, 1).expand([batch]);
    let is_out = losses.clone().detach().greater(largest);
    mean(losses.mask_fill(is_out, 0.0)) * (batch as f64 / kept as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::NdArray;

    #[test]
    fn the_largest_losses_do_not_count() {
        let losses = [3.0, 100.0, 1.0, 2.0, 50.0];
        let losses = Tensor::<NdArray<f64>, 1>::from_data(losses, &Default::default());
        for (trim, expected) in [(0.4, 2.0), (0.5, 2.0), (0.8, 1.0), (0.1, 156.0 / 5.0)] {
            let found = trimmed_mean(losses.clone(), trim).into_scalar();
            assert!((found - expected).abs() < 1e-12, "{trim}: {found}");
        }
    }
}
