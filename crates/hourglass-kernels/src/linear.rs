//! Linear layers.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

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
    #[cfg(feature = "flex")]
    let (x, weight, bias) = match crate::flex::linear(false, (x, weight, bias)) {
        Ok(y) => return y,
        Err(operands) => operands,
    };
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
    #[cfg(feature = "flex")]
    let (x, weight, bias) = match crate::flex::linear(true, (x, weight, bias)) {
        Ok(y) => return y,
        Err(operands) => operands,
    };
    x.matmul(weight.transpose()) + bias.unsqueeze()
}
