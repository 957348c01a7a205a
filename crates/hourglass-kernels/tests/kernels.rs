//! The kernels agree with the formulas in double precision and with Burn's own operations, on every CPU backend.

use burn::backend::{Autodiff, NdArray};
use burn::optim::{AdamState, SimpleOptimizer};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use hourglass_kernels::{FusedAdam, cross_entropy, keep_largest, relu, without_kernels};

/// More than a chunk, and no multiple of a vector.
const SHAPE: [usize; 2] = [41, 131];
const COUNT: usize = SHAPE[0] * SHAPE[1];

fn wave(length: f64, from: f64, to: f64) -> Vec<f32> {
    let wave = |i: usize| 0.5 + 0.5 * (i as f64 * length).sin();
    (0..COUNT)
        .map(|i| (from + (to - from) * wave(i)) as f32)
        .collect()
}

fn matrix<B: Backend>(values: &[f32]) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(values.to_vec(), SHAPE), &Default::default())
}

fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (place, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / expected.abs().max(1.0);
        assert!(error < tolerance, "{place}: {found} is not {expected}");
    }
}

/// The values of the rows, and the slopes, in double precision.
fn expected_cross_entropy(logits: &[f32], images: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let pairs: Vec<(f64, f64)> = std::iter::zip(logits, images)
        .map(|(&l, &x)| (f64::from(l), f64::from(x)))
        .collect();
    let value = |&(l, x): &(f64, f64)| l.max(0.0) + (-l.abs()).exp().ln_1p() - x * l;
    let rows = pairs.chunks_exact(SHAPE[1]);
    let values = rows.map(|row| row.iter().map(value).sum()).collect();
    let slopes = pairs.iter().map(|(l, x)| 1.0 / (1.0 + (-l).exp()) - x);
    (values, slopes.collect())
}

#[test]
fn cross_entropy_and_its_slopes_are_those_of_the_formula() {
    assert_cross_entropy::<Autodiff<Flex>>();
    assert_cross_entropy::<Autodiff<NdArray>>();
}

fn assert_cross_entropy<B: AutodiffBackend>() {
    let images = wave(0.7, 0.0, 1.0);
    // Another factor for every row, as what comes after the loss may have.
    let factors = |row: usize| 1.0 + row as f32 / 8.0;
    for largest in [0.01, 5.0, 120.0, 1e5] {
        let logits = wave(1.3, -largest, largest);
        let (expected, slopes) = expected_cross_entropy(&logits, &images);

        let found = cross_entropy::<B::InnerBackend>(matrix(&logits), matrix(&images));
        assert_close(&values(found), &expected, 1e-6);

        let logits = matrix::<B>(&logits).require_grad();
        let found = cross_entropy(logits.clone(), matrix(&images));
        assert_close(&values(found.clone()), &expected, 1e-6);
        let rows: Vec<f32> = (0..SHAPE[0]).map(factors).collect();
        let factors_of_rows = Tensor::<B, 1>::from_floats(&rows[..], &Default::default());
        let gradients = (found * factors_of_rows).sum().backward();
        let found = logits.grad(&gradients).expect("a gradient");
        let slopes = slopes.iter().enumerate();
        let slopes: Vec<f64> = slopes
            .map(|(place, slope)| slope * f64::from(factors(place / SHAPE[1])))
            .collect();
        assert_close(&values(found), &slopes, 1e-6);
    }
}

#[test]
fn cross_entropy_shows_logits_that_are_not_finite() {
    let images = matrix::<Flex>(&wave(0.7, 0.0, 1.0));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut logits = wave(1.3, -5.0, 5.0);
        logits[COUNT / 2] = bad;
        let value = cross_entropy(matrix(&logits), images.clone())
            .sum()
            .into_scalar();
        assert!(!value.is_finite(), "{bad} became {value}");
    }
}

#[test]
fn cross_entropy_takes_transposed_and_sliced_tensors() {
    let logits = matrix::<Flex>(&wave(1.3, -5.0, 5.0));
    let images = matrix::<Flex>(&wave(0.7, 0.0, 1.0));
    let view = |tensor: &Tensor<Flex, 2>| tensor.clone().transpose().narrow(0, 3, 100);
    let copy = |tensor: &Tensor<Flex, 2>| {
        let shape = view(tensor).dims();
        Tensor::<Flex, 2>::from_data(
            TensorData::new(values(view(tensor)), shape),
            &Default::default(),
        )
    };
    let found = values(cross_entropy(view(&logits), view(&images)));
    assert_eq!(found, values(cross_entropy(copy(&logits), copy(&images))));
}

const STEPS: i32 = 20;
const RATE: f64 = 1e-2;

fn gradient(step: i32) -> Vec<f32> {
    wave(0.31 + 0.17 * f64::from(step), -2.0, 2.0)
}

fn weights_after_training<B: Backend>(optimizer: &FusedAdam) -> Vec<f32> {
    let mut weights = matrix::<B>(&wave(1.9, -1.0, 1.0));
    let mut state: Option<AdamState<B, 2>> = None;
    for step in 1..=STEPS {
        (weights, state) = optimizer.step(RATE, weights, matrix(&gradient(step)), state);
    }
    values(weights)
}

/// The algorithm as its papers have it, in double precision.
fn expected_weights(penalty: f64, decay: f64) -> Vec<f64> {
    let mut weights: Vec<f64> = wave(1.9, -1.0, 1.0).into_iter().map(f64::from).collect();
    let (mut first, mut second) = (vec![0.0; COUNT], vec![0.0; COUNT]);
    for step in 1..=STEPS {
        for (i, gradient) in gradient(step).into_iter().enumerate() {
            let gradient = f64::from(gradient) + penalty * weights[i];
            first[i] = 0.9 * first[i] + 0.1 * gradient;
            second[i] = 0.999 * second[i] + 0.001 * gradient * gradient;
            let mean = first[i] / (1.0 - 0.9f64.powi(step));
            let variance = second[i] / (1.0 - 0.999f64.powi(step));
            weights[i] -= RATE * (decay * weights[i] + mean / (variance.sqrt() + 1e-8));
        }
    }
    weights
}

#[test]
fn adam_and_adamw_are_those_of_the_papers() {
    let cases = [
        (FusedAdam::new(0.0), 0.0, 0.0),
        (FusedAdam::new(0.1), f64::from(0.1f32), 0.0),
        (FusedAdam::decoupled(0.1), 0.0, 0.1),
    ];
    for (optimizer, penalty, decay) in cases {
        let expected = expected_weights(penalty, decay);
        assert_close(&weights_after_training::<Flex>(&optimizer), &expected, 2e-5);
        assert_close(
            &weights_after_training::<NdArray>(&optimizer),
            &expected,
            2e-5,
        );
        let plain = without_kernels(|| weights_after_training::<Flex>(&optimizer));
        assert_close(&plain, &expected, 2e-5);
    }
}

#[test]
fn adam_leaves_other_holders_of_the_weights_alone() {
    let weights = matrix::<Flex>(&wave(1.9, -1.0, 1.0));
    let other = weights.clone();
    let (after, _) = FusedAdam::new(0.0).step(RATE, weights, matrix(&gradient(1)), None);
    assert_eq!(values(other), wave(1.9, -1.0, 1.0));
    assert_ne!(values(after), wave(1.9, -1.0, 1.0));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().expect("threads").install(|| {
            let logits = matrix::<Flex>(&wave(1.3, -5.0, 5.0));
            let value = cross_entropy(logits, matrix(&wave(0.7, 0.0, 1.0)));
            (
                values(value),
                weights_after_training::<Flex>(&FusedAdam::new(0.0)),
            )
        })
    };
    assert_eq!(on(1), on(3));
}

/// What is kept of a wave with many equal values, and the gradient of its weighted sum.
fn kept_and_gradient<B: AutodiffBackend>(k: usize) -> [Vec<f32>; 2] {
    let coarse: Vec<f32> = wave(1.3, -8.0, 8.0)
        .iter()
        .map(|value| value.round())
        .collect();
    let inputs = matrix::<B>(&coarse).require_grad();
    let kept = keep_largest(inputs.clone(), k);
    let gradients = (kept.clone() * matrix(&wave(0.3, 1.0, 2.0)))
        .sum()
        .backward();
    [
        values(kept),
        values(inputs.grad(&gradients).expect("a gradient")),
    ]
}

#[test]
fn the_largest_values_are_those_of_burns_operations() {
    for k in [1, 17, SHAPE[1] - 1] {
        let expected = without_kernels(|| kept_and_gradient::<Autodiff<NdArray>>(k));
        assert_eq!(kept_and_gradient::<Autodiff<Flex>>(k), expected);
        assert_eq!(kept_and_gradient::<Autodiff<NdArray>>(k), expected);
    }
}

#[test]
fn gradients_go_to_what_is_tracked_and_to_nothing_else() {
    let images = wave(0.7, 0.0, 1.0);
    let inputs = matrix::<Autodiff<Flex>>(&images).require_grad();
    // Tracked, but the cross-entropy is a constant of its images.
    let targets = inputs.clone() * 0.5;
    let logits = matrix::<Autodiff<Flex>>(&wave(1.3, -5.0, 5.0));
    let value = cross_entropy(logits, targets.clone()).sum() + targets.sum();
    let gradients = value.backward();
    let found = values(inputs.grad(&gradients).expect("a gradient"));
    assert!(found.iter().all(|&gradient| gradient == 0.5));
}

#[test]
fn expanded_tensors_are_taken() {
    let row = Tensor::<Flex, 2>::from_floats([[0.5, -1.0, 2.0]], &Default::default());
    let expanded: Tensor<Flex, 2> = row.clone().expand([4, 3]);
    let found = values(cross_entropy(expanded.clone(), expanded.clone()));
    let one = values(cross_entropy(row.clone(), row.clone()));
    assert_eq!(found, one.repeat(4));
    assert_eq!(values(relu(expanded)), [0.5, 0.0, 2.0].repeat(4));
}

#[test]
fn a_closed_unit_passes_no_gradient_however_large() {
    let x = Tensor::<Autodiff<Flex>, 1>::from_floats([-1.0, 2.0], &Default::default());
    let x = x.require_grad();
    let outer = Tensor::from_floats([f32::INFINITY, 3.0], &Default::default());
    let gradients = (relu(x.clone()) * outer).sum().backward();
    assert_eq!(values(x.grad(&gradients).expect("a gradient")), [0.0, 3.0]);
}

#[test]
fn steps_of_several_threads_at_a_time_are_those_of_one_and_end() {
    let step = || {
        let logits = matrix::<Autodiff<Flex>>(&wave(1.3, -5.0, 5.0)).require_grad();
        let images = matrix(&wave(0.7, 0.0, 1.0));
        let value = cross_entropy(relu(logits.clone()), images).sum();
        values(logits.grad(&value.backward()).expect("a gradient"))
    };
    let expected = step();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert!(step() == expected);
                }
            });
        }
    });
}
