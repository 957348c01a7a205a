//! Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019), as PyTorch has them.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::{Adam, AdamConfig, AdamState, LearningRate, SimpleOptimizer};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

#[cfg(feature = "cpu")]
use crate::cpu;

/// The decay of the mean of the gradient.
const BETA_1: f32 = 0.9;
/// The decay of the mean of the squared gradient.
const BETA_2: f32 = 0.999;
/// PyTorch's; Burn's default is 1e-5.
const EPSILON: f32 = 1e-8;

/// Adam in one pass over weights, gradient and moments.
#[derive(Clone)]
pub struct FusedAdam {
    /// What is added to the gradient for each unit of weight: weight decay as in Adam.
    #[cfg_attr(not(feature = "cpu"), expect(dead_code))]
    penalty: f32,
    /// The share of the weights that a step takes away for each unit of learning rate: weight decay as in AdamW.
    decay: f64,
    unfused: Adam,
}

impl FusedAdam {
    /// Adam with the squared weights' penalty in the gradient.
    pub fn new(penalty: f32) -> Self {
        let config = AdamConfig::new()
            .with_beta_1(BETA_1)
            .with_beta_2(BETA_2)
            .with_epsilon(EPSILON)
            .with_weight_decay((penalty > 0.0).then(|| WeightDecayConfig::new(penalty)));
        Self {
            penalty,
            decay: 0.0,
            unfused: config.build(),
        }
    }

    /// AdamW: weight decay apart from the gradient.
    pub fn decoupled(decay: f64) -> Self {
        Self {
            decay,
            ..Self::new(0.0)
        }
    }
}

impl<B: Backend> SimpleOptimizer<B> for FusedAdam {
    type State<const D: usize> = AdamState<B, D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<AdamState<B, D>>,
    ) -> (Tensor<B, D>, Option<AdamState<B, D>>) {
        let keep = 1.0 - rate * self.decay;
        #[cfg(feature = "cpu")]
        let (weights, gradient, state) = if cpu::has_kernels(&weights) {
            let step = cpu::AdamStep {
                rate: rate as f32,
                betas: [BETA_1, BETA_2],
                epsilon: EPSILON,
                penalty: self.penalty,
                keep: keep as f32,
            };
            match cpu::adam(&step, (weights, gradient, state)) {
                Ok((weights, state)) => return (weights, Some(state)),
                Err(operands) => operands,
            }
        } else {
            (weights, gradient, state)
        };
        let weights = if keep == 1.0 { weights } else { weights * keep };
        self.unfused.step(rate, weights, gradient, state)
    }

    fn to_device<const D: usize>(state: AdamState<B, D>, device: &B::Device) -> AdamState<B, D> {
        <Adam as SimpleOptimizer<B>>::to_device(state, device)
    }
}
