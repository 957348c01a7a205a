//! The activations agree with the formulas in double precision and with Burn's own operations, on every
//! CPU backend.

use std::f32::consts::LN_2;

use burn::backend::{Autodiff, NdArray};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use hourglass_kernels::{elu, relu, sigmoid, tanh, without_kernels};

type B = Autodiff<Flex>;

/// f, f' and f in double precision of each activation.
struct Case {
    name: &'static str,
    value: fn(f64) -> f64,
    slope: fn(f64) -> f64,
    flex: fn(Tensor<Flex, 1>) -> Tensor<Flex, 1>,
    differentiated: fn(Tensor<B, 1>) -> Tensor<B, 1>,
    other: fn(Tensor<Autodiff<NdArray>, 1>) -> Tensor<Autodiff<NdArray>, 1>,
    double: fn(Tensor<NdArray<f64>, 1>) -> Tensor<NdArray<f64>, 1>,
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

const CASES: [Case; 4] = [
    Case {
        name: "tanh",
        value: f64::tanh,
        slope: |x| x.cosh().powi(-2),
        flex: tanh,
        differentiated: tanh,
        other: tanh,
        double: tanh,
    },
    Case {
        name: "sigmoid",
        value: logistic,
        slope: |x| logistic(x) * logistic(-x),
        flex: sigmoid,
        differentiated: sigmoid,
        other: sigmoid,
        double: sigmoid,
    },
    Case {
        name: "elu",
        value: |x| if x > 0.0 { x } else { x.exp_m1() },
        slope: |x| x.min(0.0).exp(),
        flex: elu,
        differentiated: elu,
        other: elu,
        double: elu,
    },
    Case {
        name: "relu",
        value: |x| x.max(0.0),
        slope: |x| f64::from(x > 0.0),
        flex: relu,
        differentiated: relu,
        other: relu,
        double: relu,
    },
];

/// Both signs of every size, dense where the formulas change, the limits of what is worked out among them; more than a
/// chunk, and no multiple of a vector.
fn numbers() -> Vec<f32> {
    let sizes = (0..4000).map(|i| 1e-45 * 10f64.powf(f64::from(i) * 47.0 / 4000.0));
    let near = (0..4000).map(|i| f64::from(i) * f64::from(LN_2) / 1000.0);
    let far = (0..=1000).map(|i| f64::from(i) * 0.1 + 9.0);
    let positive: Vec<f32> = sizes.chain(near).chain(far).map(|x| x as f32).collect();
    let negative = positive.iter().map(|x| -x);
    positive.iter().copied().chain(negative).collect()
}

fn vector<B: Backend>(values: &[f32]) -> Tensor<B, 1> {
    Tensor::from_floats(values, &Default::default())
}

fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

/// What the chain rule multiplies the slopes by: another factor for every element.
fn factor(place: usize) -> f32 {
    1.0 + (place % 1000) as f32 / 512.0
}

fn gradient<B: Backend>(
    function: fn(Tensor<Autodiff<B>, 1>) -> Tensor<Autodiff<B>, 1>,
    x: &[f32],
) -> Vec<f32> {
    let factors: Vec<f32> = (0..x.len()).map(factor).collect();
    let x = vector::<Autodiff<B>>(x).require_grad();
    let gradients = (function(x.clone()) * vector(&factors)).sum().backward();
    values(x.grad(&gradients).expect("a gradient"))
}

#[test]
fn values_are_those_of_the_formulas_whatever_the_size() {
    let x = numbers();
    for case in CASES {
        let found = values((case.flex)(vector(&x)));
        for (x, found) in x.iter().zip(&found) {
            let expected = (case.value)(f64::from(*x));
            let error = (f64::from(*found) - expected).abs();
            // The smallest number that there is, for values that have no digits left.
            let tolerance = 2e-7 * expected.abs() + 1.5e-45;
            assert!(error < tolerance, "{}({x:e}) is not {found:e}", case.name);
        }
        assert_eq!(values((case.differentiated)(vector(&x))), found);
        let tracked = (case.differentiated)(vector(&x).require_grad());
        assert_eq!(values(tracked), found);
    }
}

#[test]
fn values_at_the_limits_are_exact() {
    let x = [f32::NEG_INFINITY, f32::MIN, 0.0, f32::MAX, f32::INFINITY];
    let expected = [
        [-1.0, -1.0, 0.0, 1.0, 1.0],
        [0.0, 0.0, 0.5, 1.0, 1.0],
        [-1.0, -1.0, 0.0, f32::MAX, f32::INFINITY],
        [0.0, 0.0, 0.0, f32::MAX, f32::INFINITY],
    ];
    for (case, expected) in CASES.iter().zip(expected) {
        assert_eq!(values((case.flex)(vector(&x))), expected, "{}", case.name);
    }
}

#[test]
fn what_is_no_number_shows_in_value_and_gradient() {
    // ReLU's gradient is that of what comes after, or 0.
    for case in &CASES[..3] {
        let x = [-1.0, f32::NAN, 1.0];
        let gradient = gradient::<Flex>(case.differentiated, &x);
        for found in [values((case.flex)(vector(&x))), gradient] {
            let places: Vec<bool> = found.iter().map(|y| y.is_nan()).collect();
            assert_eq!(places, [false, true, false], "{}", case.name);
        }
    }
}

#[test]
fn gradients_are_those_of_the_formulas_and_of_another_backend() {
    let x = numbers();
    for case in CASES {
        let found = gradient::<Flex>(case.differentiated, &x);
        let other = gradient::<NdArray>(case.other, &x);
        let plain = without_kernels(|| gradient::<NdArray>(case.other, &x));
        let all = found.into_iter().zip(other).zip(plain);
        for (place, ((found, other), plain)) in all.enumerate() {
            let slope = (case.slope)(f64::from(x[place]));
            let expected = f64::from(factor(place)) * slope;
            for found in [found, other, plain] {
                let error = (f64::from(found) - expected).abs();
                assert!(error < 1e-6, "{}'({:e}): {found}", case.name, x[place]);
            }
        }
    }
}

#[test]
fn every_length_gives_the_same_values() {
    let x = numbers();
    for case in CASES {
        let all = values((case.flex)(vector(&x)));
        for length in [1, 2, 7, 8, 9, 4095, 4096, 4097, 8195] {
            let found = values((case.flex)(vector(&x[..length])));
            assert_eq!(found, all[..length], "{} of {length}", case.name);
        }
    }
}

fn matrix<B: Backend>(numbers: &[f32]) -> Tensor<B, 2> {
    let data = TensorData::new(numbers.to_vec(), [131, numbers.len() / 131]);
    Tensor::from_data(data, &Default::default())
}

#[test]
fn transposed_sliced_and_shared_tensors_are_taken_and_left_alone() {
    let numbers = &numbers()[..131 * 41];
    let matrix = matrix::<Flex>(numbers);
    for view in [
        matrix.clone().transpose().narrow(1, 3, 100),
        matrix.clone().narrow(0, 3, 100),
        matrix.clone().narrow(0, 0, 100),
    ] {
        let copy = vector::<Flex>(&values(view.clone()));
        assert_eq!(values(tanh(view)), values(tanh(copy)));
    }
    assert_eq!(values(matrix), numbers);
}

#[test]
fn gradients_pass_through_transposed_tensors() {
    let x: Vec<f32> = (0..131 * 41).map(|i| (i as f32 * 0.3).sin()).collect();
    let factors: Vec<f32> = (0..x.len()).map(factor).collect();
    let functions: [fn(Tensor<B, 2>) -> Tensor<B, 2>; 2] =
        [|x| tanh(x).transpose(), |x| tanh(x.transpose())];
    for function in functions {
        let x = matrix::<B>(&x).require_grad();
        let product = function(x.clone()) * matrix::<B>(&factors).transpose();
        let gradients = product.sum().backward();
        let found = values(x.grad(&gradients).expect("a gradient"));
        assert_eq!(found, gradient::<Flex>(tanh, &values(x)));
    }
}

#[test]
fn double_precision_stays_double_precision() {
    let x = [-30.0, -2.0, -0.1, 0.0, 0.3, 5.0];
    let device = Default::default();
    for case in CASES {
        let found = (case.double)(Tensor::from_floats(x, &device)).into_data();
        let x = x.map(|x| f64::from(x as f32));
        for (x, found) in x.into_iter().zip(found.iter::<f64>()) {
            let error = (found - (case.value)(x)).abs();
            assert!(error < 1e-14, "{}({x}): {found}", case.name);
        }
    }
    let found = tanh(vector::<Flex>(&[0.5]).cast(DType::F64)).into_data();
    assert_eq!(found.to_vec::<f64>().expect("f64"), [0.5f64.tanh()]);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().expect("threads").install(|| {
            let x = numbers();
            CASES.map(|case| {
                let gradient = gradient::<Flex>(case.differentiated, &x);
                (values((case.flex)(vector(&x))), gradient)
            })
        })
    };
    assert_eq!(on(1), on(3));
}
