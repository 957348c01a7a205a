//! Activations.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, activation};

/// What the kernels know.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Activation {
    Relu,
    Tanh,
    Sigmoid,
    Elu,
}

/// max(x, 0), elementwise; its gradient at the kink is 0.
pub fn relu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    fused(Activation::Relu, x).unwrap_or_else(activation::relu)
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
    fused(Activation::Elu, x)
        .unwrap_or_else(|x| activation::relu(x.clone()) + x.clamp_max(0.0).exp() - 1.0)
}

/// The activation by the kernel; x itself where there is none.
#[cfg(feature = "cpu")]
fn fused<B: Backend, const D: usize>(
    activation: Activation,
    x: Tensor<B, D>,
) -> Result<Tensor<B, D>, Tensor<B, D>> {
    use crate::cpu::{apply, has_kernels, primitive, tensor};

    match has_kernels(&x) {
        true => Ok(tensor(apply::<B, _, 1>(activation, [primitive(x)]))),
        false => Err(x),
    }
}

#[cfg(not(feature = "cpu"))]
fn fused<B: Backend, const D: usize>(
    _activation: Activation,
    x: Tensor<B, D>,
) -> Result<Tensor<B, D>, Tensor<B, D>> {
    Err(x)
}
