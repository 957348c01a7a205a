//! Linear layers and matrix products.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

#[cfg(feature = "cpu")]
use crate::cpu::{self, primitive, tensor};

/// x W + b
///
/// # Shapes
/// - x: `[batch, inputs]`
/// - weight: `[inputs, outputs]`
/// - bias: `[outputs]`
/// - output: `[batch, outputs]`
pub fn linear<B: Backend>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
) -> Tensor<B, 2> {
    #[cfg(feature = "cpu")]
    if cpu::has_kernels(&x) {
        let operands = [primitive(x), primitive(weight), primitive(bias)];
        return tensor(cpu::apply::<B, _, 3>(
            cpu::Linear { is_tied: false },
            operands,
        ));
    }
    x.matmul(weight) + bias.unsqueeze()
}

/// x W^T + b, the layer of a decoder with its encoder's weight.
///
/// # Shapes
/// - x: `[batch, inputs]`
/// - weight: `[outputs, inputs]`
/// - bias: `[outputs]`
/// - output: `[batch, outputs]`
pub fn tied_linear<B: Backend>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
) -> Tensor<B, 2> {
    #[cfg(feature = "cpu")]
    if cpu::has_kernels(&x) {
        let operands = [primitive(x), primitive(weight), primitive(bias)];
        return tensor(cpu::apply::<B, _, 3>(
            cpu::Linear { is_tied: true },
            operands,
        ));
    }
    x.matmul(weight.transpose()) + bias.unsqueeze()
}

/// a b
///
/// # Shapes
/// - a: `[rows, inner]`
/// - b: `[inner, columns]`
/// - output: `[rows, columns]`
pub fn product<B: Backend>(a: Tensor<B, 2>, b: Tensor<B, 2>) -> Tensor<B, 2> {
    #[cfg(feature = "cpu")]
    if cpu::has_kernels(&a) {
        let factors = [primitive(a), primitive(b)];
        return tensor(cpu::apply::<B, _, 2>(cpu::Product, factors));
    }
    a.matmul(b)
}
