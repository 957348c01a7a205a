//! The convolutions that halve and double height and width: 4 x 4, with stride 2 and padding 1. Between layers, maps are rows of
//! features, channel by channel and line by line.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

#[cfg(feature = "cpu")]
use crate::cpu::{self, Convolution, Direction, primitive, tensor};

/// The most turns of the loops in which one thread of a GPU sums the gradient of a weight, as Burn does it. Drivers may end a
/// thread's loops after some 65,000 turns in all, as Mesa's software driver does.
const MOST_TURNS: usize = 60_000;

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
    let y = in_parts(maps(x, shape), [2, 1], &|x| {
        let options = ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
        conv2d(x, weight.clone(), None, options)
    });
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
    let y = in_parts(maps(x, shape), [1, 2], &|x| {
        let options = ConvTransposeOptions::new([2, 2], [1, 1], [0, 0], [1, 1], 1);
        conv_transpose2d(x, weight.clone(), None, options)
    });
    (y + of_maps(bias)).flatten(1, 3)
}

/// Convolves maps in parts that need no more than [`MOST_TURNS`]: fewer images, or a part of one image. `steps` are the lines of
/// the input and of the output for each line of the smaller map.
fn in_parts<B: Backend>(
    x: Tensor<B, 4>,
    steps: [usize; 2],
    convolve: &impl Fn(Tensor<B, 4>) -> Tensor<B, 4>,
) -> Tensor<B, 4> {
    let [batch, _, height, width] = x.dims();
    let [step_in, step_out] = steps;
    // Over the lines of the smaller maps, the places of a line, and the images; each loop turns once more, to end.
    let turns = (height / step_in) * (width / step_in * (batch + 2) + 2);
    if turns <= MOST_TURNS {
        return convolve(x);
    }
    let axis = match (batch, height < width) {
        (2.., _) => 0,
        (_, false) => 2,
        (_, true) => 3,
    };
    // A line of pixels depends on those beside it, so each half of an image has one line of the other half, which is left out of
    // the result; images do not depend on each other.
    let (step_in, step_out, overlap) = match axis {
        0 => (1, 1, 0),
        _ => (step_in, step_out, 1),
    };
    let whole = x.dims()[axis];
    let length = whole / step_in;
    let parts = [(0, length / 2), (length / 2, length)].map(|(start, end)| {
        let first = start.saturating_sub(overlap);
        let last = match end + overlap < length {
            true => step_in * (end + overlap),
            false => whole,
        };
        let part = x
            .clone()
            .narrow(axis, step_in * first, last - step_in * first);
        in_parts(part, steps, convolve).narrow(
            axis,
            step_out * (start - first),
            step_out * (end - start),
        )
    });
    Tensor::cat(parts.into(), axis)
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

#[cfg(test)]
mod tests {
    use burn::backend::{Autodiff, NdArray};
    use burn::tensor::{Distribution, TensorData};

    use super::*;

    // f64 in all unit tests: the precision of a device is set once a process.
    type B = Autodiff<NdArray<f64>>;

    /// The outputs, and the gradients of their squares' sum for x and the weight.
    fn found(
        [x, weight]: [&Tensor<B, 4>; 2],
        convolve: impl Fn(Tensor<B, 4>, Tensor<B, 4>) -> Tensor<B, 4>,
    ) -> [TensorData; 3] {
        let [x, weight] = [x, weight].map(|operand| operand.clone().require_grad());
        let y = convolve(x.clone(), weight.clone());
        let gradients = (y.clone() * y.clone()).sum().backward();
        let [x, weight] = [x, weight].map(|operand| operand.grad(&gradients).expect("a gradient"));
        [y.into_data(), x.into_data(), weight.into_data()]
    }

    #[test]
    fn convolutions_in_parts_are_burns() {
        let random = |shape| Tensor::random(shape, Distribution::Default, &Default::default());
        let weight = random([2, 2, 4, 4]);
        // Several images, and single ones that are high, wide or of an odd height; all are cut, twice where they double.
        for shape in [
            [3, 2, 202, 204],
            [1, 2, 402, 344],
            [1, 2, 344, 402],
            [1, 2, 403, 344],
        ] {
            let x = random(shape);
            let halved =
                |x, weight| conv2d(x, weight, None, ConvOptions::new([2, 2], [1, 1], [1, 1], 1));
            let doubled = |x, weight| {
                let options = ConvTransposeOptions::new([2, 2], [1, 1], [0, 0], [1, 1], 1);
                conv_transpose2d(x, weight, None, options)
            };
            for (steps, convolve) in [([2, 1], &halved as &dyn Fn(_, _) -> _), ([1, 2], &doubled)] {
                let parts = found([&x, &weight], |x, weight: Tensor<B, 4>| {
                    in_parts(x, steps, &|x| convolve(x, weight.clone()))
                });
                let expected = found([&x, &weight], convolve);
                for (part, expected) in parts.iter().zip(&expected) {
                    assert_eq!(part.shape, expected.shape);
                    for (part, expected) in part.iter::<f64>().zip(expected.iter::<f64>()) {
                        let error = (part - expected).abs();
                        assert!(
                            error <= 1e-10 * expected.abs().max(1.0),
                            "{part}, {expected}"
                        );
                    }
                }
            }
        }
    }
}
