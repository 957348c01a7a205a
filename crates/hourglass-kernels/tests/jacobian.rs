//! The passes of a Jacobian's norm agree with Burn's own operations, gradients included, on every CPU backend.

use burn::backend::{Autodiff, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use hourglass_kernels::{scaled_rows, squared_norms, without_kernels};

/// Batch, units of the code, hidden units, features: no multiples of a vector, more images than parts, and fewer.
const SIZES: [[usize; 4]; 4] = [
    [1, 1, 1, 1],
    [3, 2, 5, 7],
    [37, 5, 33, 50],
    [40, 16, 130, 300],
];

fn matrix<B: Backend>(shape: [usize; 2], length: f64) -> Tensor<B, 2> {
    let values = (0..shape[0] * shape[1]).map(|i| (i as f64 * length).sin() as f32);
    let data = TensorData::new(values.collect::<Vec<_>>(), shape);
    Tensor::from_data(data, &Default::default())
}

/// The norms, and the gradients of a weighted sum of them for the upper weight, the slopes and the lower weight.
fn gradients<B: AutodiffBackend>([batch, code, width, features]: [usize; 4]) -> [Vec<f32>; 4] {
    let upper = matrix::<B>([width, code], 0.7).require_grad();
    let slopes = matrix::<B>([batch, width], 1.1).require_grad();
    let lower = matrix::<B>([features, width], 1.3).require_grad();
    let rows = scaled_rows(upper.clone().transpose(), slopes.clone());
    let norms = squared_norms(rows, lower.clone());
    let outer = matrix([1, batch * code], 0.9).flatten(0, 1);
    let gradients = (norms.clone() * outer).sum().backward();
    let of = |tensor: &Tensor<B, 2>| tensor.grad(&gradients).expect("a gradient").into_data();
    let all = [norms.into_data(), of(&upper), of(&slopes), of(&lower)];
    all.map(|data| data.iter().collect())
}

#[track_caller]
fn assert_close(found: &[Vec<f32>; 4], expected: &[Vec<f32>; 4], what: &str) {
    let names = ["norms", "upper weight", "slopes", "lower weight"];
    for ((found, expected), name) in found.iter().zip(expected).zip(names) {
        assert_eq!(found.len(), expected.len(), "{what}: {name}");
        let largest = expected
            .iter()
            .fold(1e-3, |most: f32, value| most.max(value.abs()));
        for (found, expected) in found.iter().zip(expected) {
            let error = (found - expected).abs() / largest;
            assert!(error < 1e-5, "{what}: {name}: {found}, {expected}");
        }
    }
}

#[test]
fn values_and_gradients_are_those_of_burn() {
    for size in SIZES {
        let expected = without_kernels(|| gradients::<Autodiff<NdArray>>(size));
        assert_close(&gradients::<Autodiff<Flex>>(size), &expected, "flex");
        assert_close(&gradients::<Autodiff<NdArray>>(size), &expected, "ndarray");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("threads")
            .install(|| gradients::<Autodiff<Flex>>([40, 64, 200, 784]))
    };
    assert!(with(1) == with(2) && with(2) == with(3));
}
