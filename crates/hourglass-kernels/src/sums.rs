//! Sums of however many numbers.
//!
//! Without autotune, Burn adds up all numbers of a sum in one thread of a GPU. That is slow if the sum is long, and wrong on
//! drivers that end every loop after some turns, as Mesa's software driver does after 65,535. So long sums are made of short
//! ones, many at a time. On the backends that have kernels, Burn sums at once, since on a CPU neither matters.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The most numbers that are added up at once.
const RUN: usize = 1024;

/// The sum along an axis, whose length becomes 1.
///
/// # Shapes
/// - x: `[before.., length, after..]`
/// - output: `[before.., 1, after..]`
pub fn sum_dim<B: Backend, const D: usize>(x: Tensor<B, D>, axis: usize) -> Tensor<B, D> {
    let mut shape = x.dims();
    if shape[axis] <= RUN || runs_on_kernels(&x) {
        return x.sum_dim(axis);
    }
    let before = shape[..axis].iter().product();
    let after = shape[axis + 1..].iter().product();
    let mut sums = x.reshape([before, shape[axis], after]);
    while sums.dims()[1] > RUN {
        sums = sums_of_runs(sums);
    }
    shape[axis] = 1;
    sums.sum_dim(1).reshape(shape)
}

/// The sum of each row.
///
/// # Shapes
/// - x: `[rows, columns]`
/// - output: `[rows]`
pub fn row_sums<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 1> {
    sum_dim(x, 1).squeeze_dim(1)
}

/// The mean along an axis, whose length becomes 1.
pub fn mean_dim<B: Backend, const D: usize>(x: Tensor<B, D>, axis: usize) -> Tensor<B, D> {
    let length = x.dims()[axis];
    if length <= RUN || runs_on_kernels(&x) {
        return x.mean_dim(axis);
    }
    sum_dim(x, axis) / length as f64
}

/// The sum of all values.
///
/// # Shapes
/// - output: `[1]`
pub fn sum<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 1> {
    let count: usize = x.dims().iter().product();
    if count <= RUN || runs_on_kernels(&x) {
        return x.sum();
    }
    sum_dim(x.reshape([count]), 0)
}

/// The mean of all values.
///
/// # Shapes
/// - output: `[1]`
pub fn mean<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 1> {
    let count: usize = x.dims().iter().product();
    if count <= RUN || runs_on_kernels(&x) {
        return x.mean();
    }
    sum(x) / count as f64
}

/// Sums whose sum is that of the values: of runs, and what is left of them.
///
/// # Shapes
/// - values: `[before, length, after]`
/// - output: `[before, length / RUN + length % RUN, after]`
fn sums_of_runs<B: Backend>(values: Tensor<B, 3>) -> Tensor<B, 3> {
    let [before, length, after] = values.dims();
    let (runs, rest) = (length / RUN, length % RUN);
    // The numbers of a run lie apart, so that neighbours in memory are read by neighbouring threads.
    let sums = |values: Tensor<B, 3>| {
        let apart: Tensor<B, 3> = values.reshape([before, RUN, runs * after]);
        apart.sum_dim(1).reshape([before, runs, after])
    };
    if rest == 0 {
        return sums(values);
    }
    let left = values.clone().narrow(1, runs * RUN, rest);
    Tensor::cat(vec![sums(values.narrow(1, 0, runs * RUN)), left], 1)
}

#[cfg(feature = "cpu")]
fn runs_on_kernels<B: Backend, const D: usize>(x: &Tensor<B, D>) -> bool {
    crate::cpu::has_kernels(x)
}

#[cfg(not(feature = "cpu"))]
fn runs_on_kernels<B: Backend, const D: usize>(_x: &Tensor<B, D>) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use burn::backend::{Autodiff, NdArray};
    use burn::tensor::Distribution;

    use super::*;

    // f64 in all unit tests: the precision of a device is set once a process.
    type B = Autodiff<NdArray<f64>>;

    fn values<const D: usize>(tensor: Tensor<B, D>) -> Vec<f64> {
        tensor.into_data().to_vec().expect("f64")
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let error = (found - expected).abs();
            assert!(
                error <= 1e-11 * expected.abs().max(1.0),
                "{found}, {expected}"
            );
        }
    }

    #[test]
    fn long_sums_along_any_axis_are_burns_and_pass_the_gradient_to_every_value() {
        for length in [1, RUN, RUN + 1, 2 * RUN, 3 * RUN - 1, RUN * RUN + RUN + 5] {
            let shapes = match length {
                0..=5000 => vec![[length, 3, 2], [3, length, 2], [2, 3, length]],
                _ => vec![[1, length, 2]],
            };
            for shape in shapes {
                let axis = shape
                    .iter()
                    .position(|&size| size == length)
                    .expect("there");
                let data =
                    Tensor::<B, 3>::random(shape, Distribution::Default, &Default::default());
                let x = data.clone().require_grad();
                let sums = sum_dim(x.clone(), axis);
                let expected = data.clone().sum_dim(axis);
                assert_eq!(sums.dims(), expected.dims());
                assert_close(&values(sums.clone()), &values(expected.clone()));
                let means = values(mean_dim(data.clone(), axis));
                assert_close(&means, &values(data.clone().mean_dim(axis)));
                assert_close(&values(sum(data.clone())), &values(data.clone().sum()));
                assert_close(&values(mean(data.clone())), &values(data.mean()));
                // Each value's gradient is what its sum is weighted by.
                let gradients = (sums * expected.clone()).sum().backward();
                let gradient = x.grad(&gradients).expect("a gradient").into_data();
                let expected = expected.inner().expand(shape).into_data();
                assert_eq!(gradient, expected);
            }
        }
    }
}
