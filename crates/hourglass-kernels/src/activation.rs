//! Activations.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, activation::relu};

#[cfg(feature = "flex")]
use crate::flex::activation as fused;

/// What the kernels know.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Activation {
    Tanh,
    Sigmoid,
    Elu,
}

/// tanh(x), elementwise.
pub fn tanh<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    fused(Activation::Tanh, x).unwrap_or_else(Tensor::tanh)
}

/// 1 / (1 + exp(-x)), elementwise.
pub fn sigmoid<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    // Written with tanh: Burn's own goes through f32 whatever the backend's precision.
    fused(Activation::Sigmoid, x).unwrap_or_else(|x| (x * 0.5).tanh() * 0.5 + 0.5)
}

/// x where positive, else exp(x) - 1, elementwise.
pub fn elu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    fused(Activation::Elu, x).unwrap_or_else(|x| relu(x.clone()) + x.clamp_max(0.0).exp() - 1.0)
}

#[cfg(not(feature = "flex"))]
fn fused<B: Backend, const D: usize>(
    _activation: Activation,
    x: Tensor<B, D>,
) -> Result<Tensor<B, D>, Tensor<B, D>> {
    Err(x)
}
