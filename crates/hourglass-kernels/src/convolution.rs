//! The convolutions that halve and double height and width: 4 x 4, stride 2, padding 1.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

/// The convolution.
///
/// # Shapes
/// - x: `[batch, inputs, height, width]`
/// - weight: `[outputs, inputs, 4, 4]`
/// - bias: `[outputs]`
/// - output: `[batch, outputs, height / 2, width / 2]`
pub fn halving_convolution<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
) -> Tensor<B, 4> {
    #[cfg(feature = "flex")]
    let (x, weight, bias) = match crate::flex::halving_convolution(x, weight, bias) {
        Ok(y) => return y,
        Err(operands) => operands,
    };
    let options = ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
    conv2d(x, weight, Some(bias), options)
}

/// The transposed convolution.
///
/// # Shapes
/// - x: `[batch, inputs, height, width]`
/// - weight: `[inputs, outputs, 4, 4]`
/// - bias: `[outputs]`
/// - output: `[batch, outputs, 2 height, 2 width]`
pub fn doubling_convolution<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
) -> Tensor<B, 4> {
    #[cfg(feature = "flex")]
    let (x, weight, bias) = match crate::flex::doubling_convolution(x, weight, bias) {
        Ok(y) => return y,
        Err(operands) => operands,
    };
    let options = ConvTransposeOptions::new([2, 2], [1, 1], [0, 0], [1, 1], 1);
    conv_transpose2d(x, weight, Some(bias), options)
}
