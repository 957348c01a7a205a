//! Linear layers and matrix products agree with Burn's own operations, gradients included, on every CPU backend.

use burn::backend::{Autodiff, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use hourglass_kernels::{linear, product, tied_linear, without_kernels};

/// Batch, inputs and outputs: of one thread, of several, and no multiples of a vector.
const SIZES: [[usize; 3]; 5] = [
    [1, 1, 1],
    [3, 5, 2],
    [7, 33, 65],
    [128, 300, 131],
    [200, 784, 20],
];

fn matrix<B: Backend>(shape: [usize; 2], length: f64) -> Tensor<B, 2> {
    let count = shape[0] * shape[1];
    let values = (0..count).map(|i| (i as f64 * length).sin() as f32);
    Tensor::from_data(
        TensorData::new(values.collect::<Vec<_>>(), shape),
        &Default::default(),
    )
}

/// How the operands lie in memory.
#[derive(Debug, Clone, Copy)]
enum Lie {
    Rows,
    Columns,
    Slices,
}

/// The same values, however they lie.
fn laid<B: Backend>(shape: [usize; 2], length: f64, lie: Lie) -> Tensor<B, 2> {
    let plain = matrix::<B>(shape, length);
    match lie {
        Lie::Rows => plain,
        Lie::Columns => {
            let data = plain.transpose().into_data();
            Tensor::<B, 2>::from_data(data, &Default::default()).transpose()
        }
        Lie::Slices => Tensor::cat(vec![plain.clone(), plain], 1).narrow(1, shape[1], shape[1]),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Linear,
    Tied,
    Product,
}

/// Outputs, and the gradients of a weighted sum of them for x, the weight and the bias.
fn gradients<B: AutodiffBackend>(
    [batch, inputs, outputs]: [usize; 3],
    kind: Kind,
    lie: Lie,
) -> [Vec<f32>; 4] {
    let weight_shape = match kind {
        Kind::Tied => [outputs, inputs],
        _ => [inputs, outputs],
    };
    let x = laid::<B>([batch, inputs], 0.7, lie).require_grad();
    let weight = laid::<B>(weight_shape, 1.3, lie).require_grad();
    let bias = matrix::<B>([1, outputs], 0.4)
        .flatten::<1>(0, 1)
        .require_grad();
    let y = match kind {
        Kind::Linear => linear(x.clone(), weight.clone(), bias.clone()),
        Kind::Tied => tied_linear(x.clone(), weight.clone(), bias.clone()),
        Kind::Product => product(x.clone(), weight.clone()) + bias.clone().unsqueeze(),
    };
    let gradients = (y.clone() * laid([batch, outputs], 0.9, lie))
        .sum()
        .backward();
    let values = |data: TensorData| data.iter::<f32>().collect();
    [
        values(y.into_data()),
        values(x.grad(&gradients).expect("a gradient").into_data()),
        values(weight.grad(&gradients).expect("a gradient").into_data()),
        values(bias.grad(&gradients).expect("a gradient").into_data()),
    ]
}

#[test]
fn values_and_gradients_are_those_of_burn() {
    let names = ["outputs", "x", "weight", "bias"];
    for size in SIZES {
        for kind in [Kind::Linear, Kind::Tied, Kind::Product] {
            let expected =
                without_kernels(|| gradients::<Autodiff<NdArray>>(size, kind, Lie::Rows));
            for lie in [Lie::Rows, Lie::Columns, Lie::Slices] {
                let flex = gradients::<Autodiff<Flex>>(size, kind, lie);
                let ndarray = gradients::<Autodiff<NdArray>>(size, kind, lie);
                for (part, name) in names.into_iter().enumerate() {
                    let what = format!("{size:?} {lie:?} {kind:?} {name}");
                    assert_close(&flex[part], &expected[part], &what);
                    assert_close(&ndarray[part], &expected[part], &what);
                }
            }
        }
    }
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected
        .iter()
        .fold(1.0, |most: f32, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs() / largest;
        assert!(error < 1e-5, "{what}: {found}, {expected}");
    }
}

#[test]
fn without_gradients_the_values_are_the_same() {
    let [batch, inputs, outputs] = SIZES[3];
    let expected = gradients::<Autodiff<Flex>>(SIZES[3], Kind::Linear, Lie::Rows);
    let bias = matrix::<Flex>([1, outputs], 0.4).flatten::<1>(0, 1);
    let y = linear(
        matrix([batch, inputs], 0.7),
        matrix([inputs, outputs], 1.3),
        bias,
    );
    let found: Vec<f32> = y.into_data().iter().collect();
    assert_eq!(found, expected[0]);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("threads")
            .install(|| gradients::<Autodiff<Flex>>([256, 784, 400], Kind::Linear, Lie::Rows))
    };
    assert!(with(1) == with(2) && with(2) == with(3));
}
