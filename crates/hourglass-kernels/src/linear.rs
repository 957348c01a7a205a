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
    plain_linear(x, weight, bias)
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
    plain_linear(x, weight.transpose(), bias)
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
    plain_product(a, b)
}

/// The longest axis of a matrix that Burn's product is asked for at once. What it sums along an axis, here or in a gradient, is
/// the work of one thread of a GPU, and drivers may end a loop after some 65,000 turns, as Mesa's software driver does.
const LONGEST: usize = 8192;

fn plain_linear<B: Backend>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
) -> Tensor<B, 2> {
    if x.dims()[0] > LONGEST {
        let parts = halves(x, 0).map(|x| plain_linear(x, weight.clone(), bias.clone()));
        return Tensor::cat(parts.into(), 0);
    }
    plain_product(x, weight) + bias.unsqueeze()
}

fn plain_product<B: Backend>(a: Tensor<B, 2>, b: Tensor<B, 2>) -> Tensor<B, 2> {
    let ([rows, inner], [_, columns]) = (a.dims(), b.dims());
    if rows > LONGEST {
        let parts = halves(a, 0).map(|a| plain_product(a, b.clone()));
        return Tensor::cat(parts.into(), 0);
    }
    if columns > LONGEST {
        let parts = halves(b, 1).map(|b| plain_product(a.clone(), b));
        return Tensor::cat(parts.into(), 1);
    }
    if inner > LONGEST {
        let ([left, right], [top, bottom]) = (halves(a, 1), halves(b, 0));
        return plain_product(left, top) + plain_product(right, bottom);
    }
    a.matmul(b)
}

/// A matrix cut in the middle of an axis.
pub(crate) fn halves<B: Backend>(matrix: Tensor<B, 2>, axis: usize) -> [Tensor<B, 2>; 2] {
    let length = matrix.dims()[axis];
    let half = length / 2;
    [
        matrix.clone().narrow(axis, 0, half),
        matrix.narrow(axis, half, length - half),
    ]
}

#[cfg(test)]
mod tests {
    use burn::backend::{Autodiff, NdArray};
    use burn::tensor::{Distribution, TensorData};

    use super::*;

    // f64 in all unit tests: the precision of a device is set once a process.
    type B = Autodiff<NdArray<f64>>;

    /// The value and the gradients of its squares' sum.
    fn found(
        operands: &[Tensor<B, 2>; 3],
        work: impl Fn(Tensor<B, 2>, Tensor<B, 2>, Tensor<B, 1>) -> Tensor<B, 2>,
    ) -> Vec<TensorData> {
        let [x, weight, bias] = operands.clone().map(|operand| operand.require_grad());
        let value = work(x.clone(), weight.clone(), bias.clone().flatten(0, 1));
        let gradients = (value.clone() * value.clone()).sum().backward();
        let gradients = [x, weight, bias].map(|operand| operand.grad(&gradients));
        let gradients = gradients.map(|gradient| gradient.expect("a gradient").into_data());
        [vec![value.into_data()], gradients.into()].concat()
    }

    #[test]
    fn products_with_long_axes_are_burns() {
        let long = 2 * LONGEST + 3;
        for [rows, inner, columns] in [[long, 2, 3], [2, long, 3], [2, 3, long]] {
            let shapes = [[rows, inner], [inner, columns], [1, columns]];
            let random = |shape| Tensor::random(shape, Distribution::Default, &Default::default());
            let operands = shapes.map(random);
            let expected = found(&operands, |x, weight, bias| {
                x.matmul(weight) + bias.unsqueeze()
            });
            for (found, expected) in found(&operands, linear).iter().zip(expected) {
                let pairs = found.iter::<f64>().zip(expected.iter::<f64>());
                for (found, expected) in pairs {
                    assert!(
                        (found - expected).abs() <= 1e-11 * expected.abs(),
                        "{found}, {expected}"
                    );
                }
            }
        }
    }
}
