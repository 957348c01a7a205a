//! The convolutions agree with Burn's own, gradients included, on every CPU backend.

use burn::backend::{Autodiff, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use hourglass_kernels::{doubling_convolution, halving_convolution, relu, without_kernels};

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

/// The images row by row, and the shape of one.
fn rows<B: Backend>(x: TensorData) -> (Tensor<B, 2>, [usize; 3]) {
    let x = Tensor::<B, 4>::from_data(x, &Default::default());
    let [_, channels, height, width] = x.dims();
    (x.flatten(1, 3), [channels, height, width])
}

fn convolve<B: Backend>(is_halving: bool, [x, weight, bias]: [TensorData; 3]) -> Tensor<B, 2> {
    let device = B::Device::default();
    let (x, shape) = rows(x);
    let (weight, bias) = (
        Tensor::from_data(weight, &device),
        Tensor::from_data(bias, &device),
    );
    match is_halving {
        true => halving_convolution(x, shape, weight, bias),
        false => doubling_convolution(x, shape, weight, bias),
    }
}

/// The outputs, and the gradients of a weighted sum of them for x, the weight and the bias.
fn gradients<B: AutodiffBackend>(is_halving: bool, operands: [TensorData; 3]) -> [Vec<f32>; 4] {
    let device = B::Device::default();
    let [x, weight, bias] = operands;
    let (x, shape) = rows::<B>(x);
    let x = x.require_grad();
    let weight = Tensor::<B, 4>::from_data(weight, &device).require_grad();
    let bias = Tensor::<B, 1>::from_data(bias, &device).require_grad();
    let y = match is_halving {
        true => halving_convolution(x.clone(), shape, weight.clone(), bias.clone()),
        false => doubling_convolution(x.clone(), shape, weight.clone(), bias.clone()),
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
        let other = gradients::<Autodiff<NdArray>>(is_halving, operands.clone());
        let expected =
            without_kernels(|| gradients::<Autodiff<NdArray>>(is_halving, operands.clone()));
        for (part, name) in ["outputs", "x", "weight", "bias"].into_iter().enumerate() {
            let what = format!("halving: {is_halving}, {size:?}: {name}");
            assert_close(&found[part], &expected[part], &what);
            assert_close(&other[part], &expected[part], &what);
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

/// A network of convolutions, between which values lie column by column: the gradient for its input.
fn gradient_through_layers<B: AutodiffBackend>() -> Vec<f32> {
    let device = B::Device::default();
    let weight = |shape: [usize; 4], seed| Tensor::from_data(numbers(&shape, seed), &device);
    let bias = |size: usize, seed| Tensor::from_data(numbers(&[size], seed), &device);
    let (x, shape) = rows::<B>(numbers(&[5, 2, 8, 12], 1));
    let x = x.require_grad();
    let y = relu(halving_convolution(
        x.clone(),
        shape,
        weight([3, 2, 4, 4], 2),
        bias(3, 3),
    ));
    let y = relu(halving_convolution(
        y,
        [3, 4, 6],
        weight([4, 3, 4, 4], 4),
        bias(4, 5),
    ));
    let y = relu(doubling_convolution(
        y,
        [4, 2, 3],
        weight([4, 3, 4, 4], 6),
        bias(3, 7),
    ));
    // Both layers' gradients go to the same values.
    let y = doubling_convolution(y.clone(), [3, 4, 6], weight([3, 2, 4, 4], 8), bias(2, 9))
        + y.repeat_dim(1, 3).narrow(1, 0, 192) * 0.5;
    let outer = Tensor::from_data(numbers(&y.dims(), 10), &device);
    let gradients = (y * outer).sum().backward();
    let gradient = x.grad(&gradients).expect("a gradient").into_data();
    gradient.iter().collect()
}

#[test]
fn layers_upon_layers_have_burns_gradients() {
    let expected = without_kernels(gradient_through_layers::<Autodiff<NdArray>>);
    assert_close(
        &gradient_through_layers::<Autodiff<Flex>>(),
        &expected,
        "flex",
    );
    assert_close(
        &gradient_through_layers::<Autodiff<NdArray>>(),
        &expected,
        "ndarray",
    );
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("threads").install(|| {
            let both = [true, false].map(|is_halving| {
                let operands = operands(is_halving, [128, 16, 32, 14, 14]);
                gradients::<Autodiff<Flex>>(is_halving, operands)
            });
            both.concat()
        })
    };
    assert!(with(1) == with(2) && with(2) == with(3));
}

#[test]
fn an_empty_batch_has_empty_outputs() {
    for is_halving in [true, false] {
        let operands = operands(is_halving, [0, 2, 3, 4, 6]);
        let [y, x, weight, bias] = gradients::<Autodiff<Flex>>(is_halving, operands.clone());
        assert!(y.is_empty() && x.is_empty());
        assert!(weight.iter().chain(&bias).all(|&value| value == 0.0));
        let features = if is_halving { 3 * 2 * 3 } else { 3 * 8 * 12 };
        assert_eq!(convolve::<Flex>(is_halving, operands).dims(), [0, features]);
    }
}
