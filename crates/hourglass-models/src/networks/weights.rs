//! Initial weights. They are drawn on the host from a seed, so that they are the same on every backend.
//!
//! Weights and biases are uniform in +-1/sqrt(fan in), PyTorch's default. Burn's own initialisation is not used: it draws from
//! a generator that the whole process shares, so a model would depend on whatever else ran before it.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A source of initial weights on a device.
pub(super) struct Weights<'a, B: Backend> {
    generator: ChaCha8Rng,
    device: &'a B::Device,
}

impl<'a, B: Backend> Weights<'a, B> {
    pub(super) fn new(seed: u64, device: &'a B::Device) -> Self {
        Self {
            generator: ChaCha8Rng::seed_from_u64(seed),
            device,
        }
    }

    /// A parameter uniform in +-1/sqrt(`fan_in`).
    pub(super) fn uniform<const D: usize>(
        &mut self,
        shape: [usize; D],
        fan_in: usize,
    ) -> Param<Tensor<B, D>> {
        let bound = 1.0 / (fan_in as f32).sqrt();
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| (self.generator.random::<f32>() * 2.0 - 1.0) * bound)
            .collect();
        Param::from_data(TensorData::new(values, shape), self.device)
    }

    /// A fully connected layer from `inputs` to `outputs` values.
    pub(super) fn linear(&mut self, inputs: usize, outputs: usize) -> Linear<B> {
        Linear {
            weight: self.uniform([inputs, outputs], inputs),
            bias: Some(self.uniform([outputs], inputs)),
        }
    }
}

/// A fully connected layer from `inputs` to `outputs` values, with weights drawn from `seed`.
pub(crate) fn initial_linear<B: Backend>(
    [inputs, outputs]: [usize; 2],
    seed: u64,
    device: &B::Device,
) -> Linear<B> {
    Weights::new(seed, device).linear(inputs, outputs)
}
