//! Convolutions as one matrix product for the whole batch.
//!
//! Maps lie with the images innermost here, `[channels, height, width, batch]`: every pass goes through runs of a batch's
//! length, and maps are a matrix `[channels, height * width * batch]` as they are. So values between convolutions are column
//! by column of `[batch, features]`, in which [`Matrix`] takes and gives them without a copy.
//!
//! The 16 rows of an input channel in `columns`, `[inputs * 16, height/2 * width/2 * batch]`, are what each element of the 4 x 4
//! kernel is multiplied with. A convolution is W columns(x); a transposed one the adjoint, scatter(W^T x).

use burn::tensor::ops::FloatTensor;
use burn::tensor::{Shape, TensorMetadata};
use faer::{Accum, MatRef};
use rayon::prelude::*;

use super::backend::Cpu;
use super::for_each;
use super::matrix::{Matrix, sum};
use super::operation::Operation;
use super::product::{accumulate, product};

const KERNEL: usize = 4;
const TAPS: usize = KERNEL * KERNEL;

/// See [`crate::halving_convolution`] and [`crate::doubling_convolution`]: x, the weight and the bias.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Convolution {
    pub(crate) direction: Direction,
    /// The shape of the input: channels, height, width.
    pub(crate) shape: [usize; 3],
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    Halving,
    Doubling,
}

/// What the gradients need.
#[derive(Debug, Clone)]
pub(crate) struct State<C: Cpu> {
    /// `columns(x)` of a convolution, x itself of a transposed one.
    inputs: FloatTensor<C>,
    /// A row for each output of a convolution, for each input of a transposed one.
    weight: FloatTensor<C>,
    weight_shape: Shape,
    batch: usize,
}

impl Operation<3> for Convolution {
    type State<C: Cpu> = State<C>;

    fn forward<C: Cpu>(self, [x, weight, bias]: [FloatTensor<C>; 3]) -> (FloatTensor<C>, State<C>) {
        let [channels, height, width] = self.shape;
        let [batch, features] = x.shape().dims();
        assert_eq!(
            features,
            channels * height * width,
            "x is of images of that shape"
        );
        let weight_shape = weight.shape();
        let rows = [weight_shape[0], weight_shape[1] * TAPS];
        let weight = C::contiguous(C::float_reshape(weight, Shape::from(rows)));
        let bias = C::contiguous(bias);
        let bias = C::values(&bias);
        let x = Matrix::<C>::new(x).into_columns(); // [features, batch]
        let (inputs, y) = match self.direction {
            Direction::Halving => {
                let places = (height / 2) * (width / 2) * batch;
                let columns = columns(C::values(&x), self.shape, batch);
                let columns = C::from_values(columns, [channels * TAPS, places]);
                let biases = bias
                    .iter()
                    .flat_map(|&bias| std::iter::repeat_n(bias, places));
                let mut y: Vec<f32> = biases.collect();
                accumulate(&mut y, Accum::Add, view::<C>(&weight), view::<C>(&columns));
                (columns, y)
            }
            Direction::Doubling => {
                let x = C::float_reshape(x, Shape::from([channels, height * width * batch]));
                let columns = product(view::<C>(&weight).transpose(), view::<C>(&x));
                let outputs = [weight_shape[1], 2 * height, 2 * width];
                (x, scatter(&columns, outputs, batch, bias))
            }
        };
        let [outputs, height, width] = self.outputs(&weight_shape);
        let y = C::from_values(y, [outputs * height * width, batch]);
        let state = State {
            inputs,
            weight,
            weight_shape,
            batch,
        };
        (Matrix::<C>::of_columns(y).into_tensor(), state)
    }

    fn backward<C: Cpu>(
        self,
        state: State<C>,
        outer: FloatTensor<C>,
        [of_x, of_weight, of_bias]: [bool; 3],
    ) -> [Option<FloatTensor<C>>; 3] {
        let State {
            inputs,
            weight,
            weight_shape,
            batch,
        } = state;
        let [channels, height, width] = self.shape;
        let outer = Matrix::<C>::new(outer).into_columns(); // [features, batch]
        let values = C::values(&outer);
        let shape = self.outputs(&weight_shape);
        let outputs = shape[0];
        let bias = of_bias.then(|| {
            let size = values.len() / outputs;
            let mut sums = vec![0.0; outputs];
            let maps = sums
                .par_iter_mut()
                .zip(values.par_chunks_exact(size.max(1)));
            for_each(maps, |(total, map)| *total = sum(map));
            C::from_values(sums, [outputs])
        });
        let columns = match self.direction {
            Direction::Halving => None,
            Direction::Doubling => Some(columns(values, shape, batch)),
        };
        let values = columns.as_deref().unwrap_or(values);
        let rows = match self.direction {
            Direction::Halving => outputs,
            Direction::Doubling => outputs * TAPS,
        };
        let outer = MatRef::from_row_major_slice(values, rows, values.len() / rows);
        let (weight, inputs) = (view::<C>(&weight), view::<C>(&inputs));
        let of_weight = of_weight.then(|| {
            let gradient = match self.direction {
                Direction::Halving => product(outer, inputs.transpose()),
                Direction::Doubling => product(inputs, outer.transpose()),
            };
            C::from_values(gradient, weight_shape)
        });
        let of_x = of_x.then(|| {
            let gradient = match self.direction {
                Direction::Halving => {
                    let columns = product(weight.transpose(), outer);
                    scatter(&columns, self.shape, batch, &vec![0.0; channels])
                }
                Direction::Doubling => product(weight, outer),
            };
            let gradient = C::from_values(gradient, [channels * height * width, batch]);
            Matrix::<C>::of_columns(gradient).into_tensor()
        });
        [of_x, of_weight, bias]
    }
}

impl Convolution {
    /// The shape of the outputs: channels, height, width.
    fn outputs(self, weight: &Shape) -> [usize; 3] {
        let [_, height, width] = self.shape;
        match self.direction {
            Direction::Halving => [weight[0], height / 2, width / 2],
            Direction::Doubling => [weight[1], 2 * height, 2 * width],
        }
    }
}

fn view<C: Cpu>(matrix: &FloatTensor<C>) -> MatRef<'_, f32> {
    let [rows, columns] = matrix.shape().dims();
    MatRef::from_row_major_slice(C::values(matrix), rows, columns)
}

/// The place of the input that a tap of the kernel has for an output, where it is within the image.
fn input_of(output: usize, tap: usize, inputs: usize) -> Option<usize> {
    (2 * output + tap)
        .checked_sub(1)
        .filter(|&input| input < inputs)
}

/// The outputs that an input has a part in, each with the tap that it has it by.
fn outputs_of(input: usize, outputs: usize) -> impl Iterator<Item = (usize, usize)> {
    let first = (input + 1) % 2;
    [first, first + 2].into_iter().filter_map(move |tap| {
        let output = (input + 1).checked_sub(tap)? / 2;
        (output < outputs).then_some((output, tap))
    })
}

/// `[channels, height, width, batch]` to `[channels * 16, height/2 * width/2 * batch]`.
fn columns(maps: &[f32], [channels, height, width]: [usize; 3], batch: usize) -> Vec<f32> {
    let (rows, line) = (height / 2, width / 2);
    let mut values = vec![0.0; channels * TAPS * rows * line * batch];
    let taps = values.par_chunks_mut((rows * line * batch).max(1));
    for_each(taps.enumerate(), |(index, target)| {
        let (channel, tap) = (index / TAPS, index % TAPS);
        let plane = &maps[channel * height * width * batch..];
        for (row, target) in target.chunks_exact_mut(line * batch).enumerate() {
            let Some(y) = input_of(row, tap / KERNEL, height) else {
                continue;
            };
            for (column, target) in target.chunks_exact_mut(batch).enumerate() {
                if let Some(x) = input_of(column, tap % KERNEL, width) {
                    target.copy_from_slice(&plane[(y * width + x) * batch..][..batch]);
                }
            }
        }
    });
    values
}

/// The adjoint of [`columns`], `[channels, height, width, batch]`, with the bias of each channel added.
fn scatter(
    columns: &[f32],
    [channels, height, width]: [usize; 3],
    batch: usize,
    bias: &[f32],
) -> Vec<f32> {
    let (rows, line) = (height / 2, width / 2);
    let mut values = vec![0.0; channels * height * width * batch];
    let lines = values.par_chunks_mut((width * batch).max(1)).enumerate();
    for_each(lines, |(index, target)| {
        let (channel, y) = (index / height, index % height);
        for (x, target) in target.chunks_exact_mut(batch).enumerate() {
            target.fill(bias[channel]);
            for (row, down) in outputs_of(y, rows) {
                for (column, across) in outputs_of(x, line) {
                    let tap = channel * TAPS + down * KERNEL + across;
                    let place = (tap * rows + row) * line + column;
                    add(target, &columns[place * batch..][..batch]);
                }
            }
        }
    });
    values
}

fn add(target: &mut [f32], source: &[f32]) {
    vectorised!({
        for (target, source) in target.iter_mut().zip(source) {
            *target += source;
        }
    });
}
