//! Sparse autoencoders: the code is usually larger than the image, and only few of its units are active at a time.
//!
//! There are three objectives, with h = f(x):
//! - `l1`: L = reconstruction + weight * sum_j |h_j|. Scaling the code down and the decoder up would evade the penalty, so
//!   use tied weights.
//! - `kl`: L = reconstruction + weight * sum_j KL(rho || rho_j), rho_j the mean of the sigmoid unit h_j over the batch and
//!   rho the target (Ng 2011, CS294A lecture notes).
//! - `top-k`: L = reconstruction from the k largest pre-activations by value, the others set to 0, with no ReLU (k-sparse
//!   autoencoders, Makhzani & Frey 2013). Of equal values the first is kept.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_kernels::{keep_largest, mean_dim, sum};
use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

use super::config::FamilyConfig;
use crate::autoencoder::{Autoencoder, Loss, Selection, Sparsity};
use crate::config::{ConfigError, require};
use crate::losses::Likelihood;
use crate::networks::{Activation, Network, NetworkConfig};
use crate::step::{Mode, StepContext};

/// Mean activations are kept this far from 0 and 1, where the penalty is infinite.
const ACTIVATION_MARGIN: f64 = 1e-6;

/// The share of a unit's largest value above which it counts as active, where a penalty makes units small but not zero.
const ACTIVE_SHARE: f32 = 1e-3;

/// Settings of a sparse autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SparseConfig {
    /// The network.
    pub network: NetworkConfig,
    /// The objective.
    #[serde(default)]
    pub objective: SparseObjective,
}

/// The objective: reconstruction, and a constraint on the code's activity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "penalty", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SparseObjective {
    /// An L1 penalty on the code.
    L1 {
        /// The penalty's weight.
        #[serde(default = "default_l1_weight")]
        weight: f64,
        /// p(x|h)
        #[serde(default)]
        likelihood: Likelihood,
    },
    /// A penalty on mean activations that differ from a target.
    Kl {
        /// The mean activation asked of every unit, in (0, 1).
        #[serde(default = "default_target")]
        target: f64,
        /// The penalty's weight.
        #[serde(default = "default_kl_weight")]
        weight: f64,
        /// p(x|h)
        #[serde(default)]
        likelihood: Likelihood,
    },
    /// Only the k largest units are kept.
    TopK {
        /// Active units per image, at the end of training.
        #[serde(default = "default_k")]
        k: usize,
        /// Active units at the start of training; `k` where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        start: Option<usize>,
        /// The share of training over which the number falls linearly from `start` to `k`.
        #[serde(default = "default_anneal")]
        anneal: f64,
        /// Active units in evaluation; `k` where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evaluation_k: Option<usize>,
        /// p(x|h)
        #[serde(default)]
        likelihood: Likelihood,
    },
}

fn default_l1_weight() -> f64 {
    0.5
}

fn default_target() -> f64 {
    0.05
}

fn default_kl_weight() -> f64 {
    1.0
}

fn default_k() -> usize {
    25
}

fn default_anneal() -> f64 {
    0.5
}

impl Default for SparseObjective {
    fn default() -> Self {
        Self::L1 {
            weight: default_l1_weight(),
            likelihood: Likelihood::default(),
        }
    }
}

impl SparseObjective {
    fn likelihood(&self) -> Likelihood {
        match *self {
            Self::L1 { likelihood, .. }
            | Self::Kl { likelihood, .. }
            | Self::TopK { likelihood, .. } => likelihood,
        }
    }
}

/// A sparse autoencoder.
#[derive(Module, Debug)]
pub struct Sparse<B: Backend> {
    pub(super) network: Network<B>,
    #[module(skip)]
    objective: SparseObjective,
}

impl FamilyConfig for SparseConfig {
    type Model<B: Backend> = Sparse<B>;

    const SUMMARY: &str = "A sparse autoencoder: only few units of the code are active at a time.";

    const OBJECTIVES: &[&str] = &[
        r#"{ penalty = "kl", target = 0.2 }"#,
        r#"{ penalty = "top-k", k = 3 }"#,
    ];

    fn is_sparse(&self) -> bool {
        true
    }

    fn network(&self) -> &NetworkConfig {
        &self.network
    }

    fn likelihood(&self) -> Likelihood {
        self.objective.likelihood()
    }

    fn validate_objective(&self) -> Result<(), ConfigError> {
        let code_activation = self.network.code_activation();
        let activation_key = "network.code_activation";
        match self.objective {
            SparseObjective::L1 { weight, .. } => validate_weight(weight),
            SparseObjective::Kl { target, weight, .. } => {
                let in_range = target > 0.0 && target < 1.0;
                require(
                    in_range,
                    "objective.target",
                    "a mean activation in (0, 1)",
                    target,
                )?;
                validate_weight(weight)?;
                require(
                    code_activation == Activation::Sigmoid,
                    activation_key,
                    "sigmoid, since the kl penalty takes activations in (0, 1)",
                    format!("{code_activation:?}").to_lowercase(),
                )
            }
            SparseObjective::TopK {
                k,
                start,
                anneal,
                evaluation_k,
                ..
            } => {
                let code = self.network.code();
                let counts = [
                    ("objective.k", Some(k)),
                    ("objective.start", start),
                    ("objective.evaluation_k", evaluation_k),
                ];
                for (key, count) in counts {
                    let count = count.unwrap_or(k);
                    let expected = format!("1 to {code} units, the code's size");
                    require((1..=code).contains(&count), key, &expected, count)?;
                }
                let share = (0.0..=1.0).contains(&anneal);
                require(
                    share,
                    "objective.anneal",
                    "a share of training in [0, 1]",
                    anneal,
                )?;
                require(
                    code_activation == Activation::Linear,
                    activation_key,
                    "linear, since top-k keeps the largest pre-activations",
                    format!("{code_activation:?}").to_lowercase(),
                )
            }
        }
    }

    fn init<B: Backend>(&self, shape: Shape, seed: u64, device: &B::Device) -> Sparse<B> {
        Sparse {
            network: self
                .network
                .init(shape, self.encoder_outputs(), seed, device),
            objective: self.objective.clone(),
        }
    }
}

fn validate_weight(weight: f64) -> Result<(), ConfigError> {
    let holds = weight.is_finite() && weight >= 0.0;
    require(holds, "objective.weight", "a weight of at least 0", weight)
}

/// Active units when `progress` of training is done.
fn annealed(k: usize, start: usize, anneal: f64, progress: f64) -> usize {
    let done = if anneal > 0.0 {
        (progress / anneal).min(1.0)
    } else {
        1.0
    };
    (start as f64 + (k as f64 - start as f64) * done).round() as usize
}

impl<B: Backend> Sparse<B> {
    /// The code in training: with the number of active units that the step asks for.
    fn code_at(&self, images: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        match self.objective {
            SparseObjective::TopK {
                k, start, anneal, ..
            } if step.mode() == Mode::Train => {
                let k = annealed(k, start.unwrap_or(k), anneal, step.progress());
                keep_largest(self.network.encode(images), k)
            }
            _ => self.encode(images),
        }
    }
}

impl<B: Backend> Autoencoder<B> for Sparse<B> {
    fn network(&self) -> &Network<B> {
        &self.network
    }

    fn selection(&self) -> Selection {
        match self.objective {
            SparseObjective::TopK {
                k, evaluation_k, ..
            } => Selection::Largest(evaluation_k.unwrap_or(k)),
            SparseObjective::L1 { .. } | SparseObjective::Kl { .. } => Selection::All,
        }
    }

    fn loss(&self, images: Tensor<B, 2>, step: &StepContext) -> Loss<B> {
        let likelihood = self.likelihood();
        let codes = self.code_at(images.clone(), step);
        let reconstruction = likelihood.loss(self.decode(codes.clone()), images);
        let loss = Loss::of_reconstruction(likelihood.term(), reconstruction);
        match self.objective {
            SparseObjective::L1 { weight, .. } => loss.plus("l1_norm", l1_norm(codes), weight),
            SparseObjective::Kl { target, weight, .. } => {
                loss.plus("sparsity_kl_nats", activation_kl(codes, target), weight)
            }
            SparseObjective::TopK { .. } => loss,
        }
    }

    fn likelihood(&self) -> Likelihood {
        self.objective.likelihood()
    }

    fn jacobian(&self, images: Tensor<B, 2>) -> Option<Tensor<B, 3>> {
        match self.objective {
            SparseObjective::L1 { .. } | SparseObjective::Kl { .. } => {
                Some(self.network.jacobian(images))
            }
            SparseObjective::TopK { .. } => None,
        }
    }

    fn sparsity(&self) -> Option<Sparsity> {
        let (target_activation, active_share) = match self.objective {
            SparseObjective::L1 { .. } => (None, ACTIVE_SHARE),
            SparseObjective::Kl { target, .. } => (Some(target), ACTIVE_SHARE),
            SparseObjective::TopK { .. } => (None, 0.0),
        };
        Some(Sparsity {
            target_activation,
            active_share,
        })
    }
}

/// sum_j |h_j|, averaged over the batch: `[batch, code]` to `[1]`.
fn l1_norm<B: Backend>(codes: Tensor<B, 2>) -> Tensor<B, 1> {
    let [batch, _] = codes.dims();
    sum(codes.abs()) / batch as f64
}

/// sum_j KL(rho || rho_j) = sum_j rho log(rho / rho_j) + (1 - rho) log((1 - rho) / (1 - rho_j)), with rho_j the mean over
/// the batch: `[batch, code]` to `[1]`, in nats.
fn activation_kl<B: Backend>(codes: Tensor<B, 2>, target: f64) -> Tensor<B, 1> {
    let [_, code] = codes.dims();
    let means = mean_dim(codes, 0); // [1, code]
    let means = means.clamp(ACTIVATION_MARGIN, 1.0 - ACTIVATION_MARGIN);
    let entropy = target * target.ln() + (1.0 - target) * (1.0 - target).ln();
    let cross = means.clone().log() * target + (means.neg() + 1.0).log() * (1.0 - target);
    sum(cross).neg() + entropy * code as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::NdArray;

    #[test]
    fn k_falls_linearly_and_stays() {
        let ks = [0.0, 0.25, 0.5, 1.0].map(|progress| annealed(25, 125, 0.5, progress));
        assert_eq!(ks, [125, 75, 25, 25]);
        assert_eq!(annealed(25, 125, 0.0, 0.0), 25);
    }

    #[test]
    fn activation_kl_is_zero_at_the_target() {
        let codes = Tensor::<NdArray<f64>, 2>::full([7, 5], 0.05, &Default::default());
        assert!(activation_kl(codes.clone(), 0.05).into_scalar().abs() < 1e-9);
        // KL(0.5 || 0.05) = 0.5 ln 10 + 0.5 ln(0.5 / 0.95)
        let expected = 5.0 * (0.5 * 10.0_f64.ln() + 0.5 * (0.5_f64 / 0.95).ln());
        assert!((activation_kl(codes, 0.5).into_scalar() - expected).abs() < 1e-9);
    }
}
