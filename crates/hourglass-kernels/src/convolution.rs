//! The convolutions that halve and double height and width: 4 x 4, stride 2, padding 1. Maps are rows of features between
//! layers, channel by channel, line by line.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

#[cfg(feature = "cpu")]
use crate::cpu::{self, Convolution, Direction, primitive, tensor};

/// The convolution of images of `shape`, channels, height and width.
///
/// # Shapes
/// - x: `[batch, inputs * height * width]`
/// - weight: `[outputs, inputs, 4, 4]`
/// - bias: `[outputs]`
/// - output: `[batch, outputs * height/2 * width/2]`
pub fn halving_convolution<B: Backend>(
    x: Tensor<B, 2>,
    shape: [usize; 3],
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
) -> Tensor<B, 2> {
    #[cfg(feature = "cpu")]
    if shape[1].is_multiple_of(2) && shape[2].is_multiple_of(2) && cpu::has_kernels(&x) {
        let direction = Direction::Halving;
        let operands = [primitive(x), primitive(weight), primitive(bias)];
        return tensor(cpu::apply::<B, _, 3>(
            Convolution { direction, shape },
            operands,
        ));
    }
    let options = ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
    conv2d(maps(x, shape), weight, Some(bias), options).flatten(1, 3)
}

/// The transposed convolution of images of `shape`, channels, height and width.
///
/// # Shapes
/// - x: `[batch, inputs * height * width]`
/// - weight: `[inputs, outputs, 4, 4]`
/// - bias: `[outputs]`
/// - output: `[batch, outputs * 2 height * 2 width]`
pub fn doubling_convolution<B: Backend>(
    x: Tensor<B, 2>,
    shape: [usize; 3],
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
) -> Tensor<B, 2> {
    #[cfg(feature = "cpu")]
    if cpu::has_kernels(&x) {
        let direction = Direction::Doubling;
        let operands = [primitive(x), primitive(weight), primitive(bias)];
        return tensor(cpu::apply::<B, _, 3>(
            Convolution { direction, shape },
            operands,
        ));
    }
    let options = ConvTransposeOptions::new([2, 2], [1, 1], [0, 0], [1, 1], 1);
    conv_transpose2d(maps(x, shape), weight, Some(bias), options).flatten(1, 3)
}

fn maps<B: Backend>(x: Tensor<B, 2>, [channels, height, width]: [usize; 3]) -> Tensor<B, 4> {
    let [batch, _] = x.dims();
    x.reshape([batch, channels, height, width])
}
