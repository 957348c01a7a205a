//! The convolutions of the flex backend agree with Burn's own on ndarray, gradients included.

use burn::backend::{Autodiff, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use hourglass_kernels::{doubling_convolution, halving_convolution};

/// Batch, channels of the input and of the output, height and width of the input.
const SIZES: [[usize; 5]; 5] = [
    [1, 1, 1, 2, 2],
    [2, 1, 3, 4, 6],
    [3, 4, 2, 6, 4],
    [5, 3, 16, 14, 14],
    [1, 2, 2, 8, 2],
];

/// Numbers without a pattern.
fn numbers(shape: &[usize], seed: u32) -> TensorData {
    let count: usize = shape.iter().product();
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from_bits(0x3f80_0000 | (state >> 9)) - 1.5
    };
    TensorData::new(
        (0..count).map(|_| next()).collect::<Vec<_>>(),
        shape.to_vec(),
    )
}

fn convolve<B: Backend>(is_halving: bool, [x, weight, bias]: [TensorData; 3]) -> Tensor<B, 4> {
    let device = B::Device::default();
    let operands = (
        Tensor::from_data(x, &device),
        Tensor::from_data(weight, &device),
        Tensor::from_data(bias, &device),
    );
    match is_halving {
        true => halving_convolution(operands.0, operands.1, operands.2),
        false => doubling_convolution(operands.0, operands.1, operands.2),
    }
}

/// The outputs, and the gradients of a weighted sum of them for x, the weight and the bias.
fn gradients<B: AutodiffBackend>(is_halving: bool, operands: [TensorData; 3]) -> [Vec<f32>; 4] {
    let device = B::Device::default();
    let [x, weight, bias] = operands;
    let x = Tensor::<B, 4>::from_data(x, &device).require_grad();
    let weight = Tensor::<B, 4>::from_data(weight, &device).require_grad();
    let bias = Tensor::<B, 1>::from_data(bias, &device).require_grad();
    let y = match is_halving {
        true => halving_convolution(x.clone(), weight.clone(), bias.clone()),
        false => doubling_convolution(x.clone(), weight.clone(), bias.clone()),
    };
    let outer = Tensor::from_data(numbers(&y.dims(), 9), &device);
    let gradients = (y.clone() * outer).sum().backward();
    let values = |data: TensorData| data.iter::<f32>().collect();
    [
        values(y.into_data()),
        values(x.grad(&gradients).expect("a gradient").into_data()),
        values(weight.grad(&gradients).expect("a gradient").into_data()),
        values(bias.grad(&gradients).expect("a gradient").into_data()),
    ]
}

fn operands(
    is_halving: bool,
    [batch, inputs, outputs, height, width]: [usize; 5],
) -> [TensorData; 3] {
    let weight = match is_halving {
        true => [outputs, inputs, 4, 4],
        false => [inputs, outputs, 4, 4],
    };
    [
        numbers(&[batch, inputs, height, width], 1),
        numbers(&weight, 2),
        numbers(&[outputs], 3),
    ]
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected
        .iter()
        .fold(1.0, |most: f32, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= 1e-5 * largest,
            "{what}: {found}, {expected}"
        );
    }
}

#[test]
fn values_and_gradients_are_those_of_burn() {
    for (is_halving, size) in [true, false]
        .into_iter()
        .flat_map(|is| SIZES.map(|size| (is, size)))
    {
        let operands = operands(is_halving, size);
        let found = gradients::<Autodiff<Flex>>(is_halving, operands.clone());
        let expected = gradients::<Autodiff<NdArray>>(is_halving, operands.clone());
        let names = ["outputs", "x", "weight", "bias"];
        for ((found, expected), name) in found.iter().zip(&expected).zip(names) {
            assert_close(
                found,
                expected,
                &format!("halving: {is_halving}, {size:?}: {name}"),
            );
        }
        let inner: Vec<f32> = convolve::<Flex>(is_halving, operands)
            .into_data()
            .iter()
            .collect();
        assert_eq!(inner, found[0]);
    }
}

#[test]
fn odd_sizes_are_burns() {
    let size = [2, 1, 2, 5, 7];
    let [found, expected] = [
        convolve::<Flex>(true, operands(true, size)).into_data(),
        convolve::<NdArray>(true, operands(true, size)).into_data(),
    ];
    assert_eq!(found.shape, expected.shape);
    let values = |data: TensorData| data.iter::<f32>().collect::<Vec<_>>();
    assert_close(&values(found), &values(expected), "odd");
}
