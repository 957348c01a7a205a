//! Activations and their derivatives.

use std::f64::consts::PI;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_kernels::{elu, relu, sigmoid, tanh};
use serde::{Deserialize, Serialize};

/// An elementwise activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// x Phi(x), with the exact normal distribution function
    Gelu,
    /// x where positive, else exp(x) - 1
    Elu,
    /// tanh(x)
    Tanh,
    /// 1 / (1 + exp(-x))
    Sigmoid,
    /// x
    #[default]
    Linear,
}

impl Activation {
    /// f(x), elementwise.
    pub fn forward<B: Backend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Relu => relu(x),
            Self::Gelu => x.clone() * normal_distribution(x),
            Self::Elu => elu(x),
            Self::Tanh => tanh(x),
            Self::Sigmoid => sigmoid(x),
            Self::Linear => x,
        }
    }

    /// f'(x), elementwise, as tensor algebra that can itself be differentiated; at the kink of ReLU, 0.
    pub fn derivative<B: Backend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Relu => x.greater_elem(0.0).float(),
            Self::Gelu => {
                let density = (x.clone() * x.clone() * -0.5).exp() / (2.0 * PI).sqrt();
                normal_distribution(x.clone()) + x * density
            }
            Self::Elu => x.clamp_max(0.0).exp(),
            Self::Tanh => {
                let y = tanh(x);
                (y.clone() * y).neg() + 1.0
            }
            Self::Sigmoid => {
                let y = sigmoid(x);
                y.clone() * (y.neg() + 1.0)
            }
            Self::Linear => x.ones_like(),
        }
    }
}

/// Phi(x). Burn's own `gelu` is exact too, but its gradient is that of the tanh approximation.
fn normal_distribution<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    (x * 0.5_f64.sqrt()).erf() * 0.5 + 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::NdArray;

    #[test]
    fn derivatives_agree_with_finite_differences() {
        let device = Default::default();
        let x = Tensor::<NdArray<f64>, 1>::from_data([-2.0, -0.7, -0.1, 0.2, 0.9, 3.0], &device);
        let step = 1e-5;
        for activation in [
            Activation::Relu,
            Activation::Gelu,
            Activation::Elu,
            Activation::Tanh,
            Activation::Sigmoid,
            Activation::Linear,
        ] {
            let difference = (activation.forward(x.clone() + step)
                - activation.forward(x.clone() - step))
                / (2.0 * step);
            let error = (difference - activation.derivative(x.clone())).abs().max();
            let error = error.into_scalar();
            assert!(error < 1e-7, "{activation:?}: {error:e}");
        }
    }
}
