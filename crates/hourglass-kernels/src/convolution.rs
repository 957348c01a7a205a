//! The convolutions that halve and double height and width: 4 x 4, stride 2, padding 1. Maps are rows of features between
//! layers, channel by channel, line by line.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use crate::linear::halves;

#[cfg(feature = "cpu")]
use crate::cpu::{self, Convolution, Direction, primitive, tensor};

/// Drivers may end a loop after some 65,000 turns, in which Burn's convolutions take four numbers each.
const MOST_PLACES: usize = 1 << 17;

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
    if let Some(halves) = halves_of_batch(&x, [shape[1] / 2, shape[2] / 2]) {
        let convolved = |x| halving_convolution(x, shape, weight.clone(), bias.clone());
        return Tensor::cat(halves.map(convolved).into(), 0);
    }
    let options = ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
    let y = conv2d(maps(x, shape), weight, None, options);
    (y + of_maps(bias)).flatten(1, 3)
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
    if let Some(halves) = halves_of_batch(&x, [shape[1], shape[2]]) {
        let convolved = |x| doubling_convolution(x, shape, weight.clone(), bias.clone());
        return Tensor::cat(halves.map(convolved).into(), 0);
    }
    let options = ConvTransposeOptions::new([2, 2], [1, 1], [0, 0], [1, 1], 1);
    let y = conv_transpose2d(maps(x, shape), weight, None, options);
    (y + of_maps(bias)).flatten(1, 3)
}

/// The images in two parts, where an element of the weight would have more places to sum its gradient over than a thread of a
/// GPU should, in which Burn does that.
fn halves_of_batch<B: Backend>(
    x: &Tensor<B, 2>,
    [height, width]: [usize; 2],
) -> Option<[Tensor<B, 2>; 2]> {
    let batch = x.dims()[0];
    (batch > 1 && batch * height * width > MOST_PLACES).then(|| halves(x.clone(), 0))
}

/// A bias to be added to maps. By itself, since its gradient is then summed along one axis after the other, by many threads; a
/// convolution's own is summed over all pixels of all images at once, a map in one thread of a GPU.
///
/// # Shapes
/// - bias: `[outputs]`
/// - output: `[1, outputs, 1, 1]`
fn of_maps<B: Backend>(bias: Tensor<B, 1>) -> Tensor<B, 4> {
    let [outputs] = bias.dims();
    bias.reshape([1, outputs, 1, 1])
}

fn maps<B: Backend>(x: Tensor<B, 2>, [channels, height, width]: [usize; 3]) -> Tensor<B, 4> {
    let [batch, _] = x.dims();
    x.reshape([batch, channels, height, width])
}
