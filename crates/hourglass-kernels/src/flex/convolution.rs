//! Convolutions as one matrix product for the whole batch.
//!
//! Maps are kept channel by channel here, `[channels, batch * height * width]`, so that the product's inner or outer
//! dimension is the whole batch: Burn makes a product an image, of matrices too small for it to be quick.
//!
//! The 16 rows of an input channel in `columns`, `[inputs * 16, batch * height/2 * width/2]`, are what each element of the 4 x 4
//! kernel is multiplied with. A convolution is W columns(x); a transposed one the adjoint, scatter(W^T x).

use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn::tensor::{DType, Shape, Tensor, TensorData, TensorMetadata, TensorPrimitive};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use super::{cast, primitive, tensor};

const KERNEL: usize = 4;
const TAPS: usize = KERNEL * KERNEL;

type Operands<B> = (Tensor<B, 4>, Tensor<B, 4>, Tensor<B, 1>);

/// See [`crate::halving_convolution`]; the arguments themselves where there is no kernel for them.
pub(crate) fn halving_convolution<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
) -> Result<Tensor<B, 4>, Operands<B>> {
    let [_, _, height, width] = x.dims();
    if !(height.is_multiple_of(2) && width.is_multiple_of(2)) {
        return Err((x, weight, bias));
    }
    convolution(Direction::Halving, (x, weight, bias))
}

/// See [`crate::doubling_convolution`]; the arguments themselves where there is no kernel for them.
pub(crate) fn doubling_convolution<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
) -> Result<Tensor<B, 4>, Operands<B>> {
    convolution(Direction::Doubling, (x, weight, bias))
}

#[derive(Debug, Clone, Copy)]
enum Direction {
    Halving,
    Doubling,
}

fn convolution<B: Backend>(
    direction: Direction,
    operands: Operands<B>,
) -> Result<Tensor<B, 4>, Operands<B>> {
    if operands.0.dtype() != DType::F32 {
        return Err(operands);
    }
    let operands = match cast::<_, Operands<Flex>>(operands) {
        Ok((x, weight, bias)) => {
            let (y, _) = direction.forward(primitive(x), primitive(weight), primitive(bias));
            return cast(tensor::<4>(y)).map_err(|_| unreachable!("B is flex"));
        }
        Err(operands) => operands,
    };
    let (x, weight, bias) = cast::<_, Operands<Autodiff<Flex>>>(operands)?;
    let x = x.into_primitive().tensor();
    let weight = weight.into_primitive().tensor();
    let bias = bias.into_primitive().tensor();
    let nodes = [x.node, weight.node, bias.node];
    let operands = (x.primitive, weight.primitive, bias.primitive);
    let y = match direction
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let (y, state) = direction.forward(operands.0, operands.1, operands.2);
            prep.finish(state, y)
        }
        OpsKind::UnTracked(prep) => {
            prep.finish(direction.forward(operands.0, operands.1, operands.2).0)
        }
    };
    let y = Tensor::<Autodiff<Flex>, 4>::from_primitive(TensorPrimitive::Float(y));
    cast(y).map_err(|_| unreachable!("B is flex under automatic differentiation"))
}

/// What the gradients need.
#[derive(Debug, Clone)]
struct State {
    /// `columns(x)` of a convolution, x channel by channel of a transposed one.
    inputs: FlexTensor,
    /// A row for each output of a convolution, for each input of a transposed one.
    weight: FlexTensor,
    /// The shape of x.
    shape: [usize; 4],
    weight_shape: Shape,
}

impl Direction {
    fn forward(self, x: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> (FlexTensor, State) {
        let shape: [usize; 4] = x.shape().dims();
        let [batch, _, height, width] = shape;
        let weight_shape = weight.shape();
        let [rows, columns_of_weight] = [weight_shape[0], weight_shape[1] * TAPS];
        let weight = Flex::float_reshape(weight, Shape::from([rows, columns_of_weight]));
        let bias = bias.to_contiguous();
        let bias: &[f32] = bias.storage();
        let (y, inputs) = match self {
            Self::Halving => {
                let columns = columns(&x);
                let y = Flex::float_matmul(weight.clone(), columns.clone());
                (
                    by_image(&y, [batch, rows, height / 2, width / 2], bias),
                    columns,
                )
            }
            Self::Doubling => {
                let x = by_channel(&x);
                let columns = Flex::float_matmul(transposed(&weight), x.clone());
                let outputs = weight_shape[1];
                (
                    scatter(&columns, [batch, outputs, 2 * height, 2 * width], bias),
                    x,
                )
            }
        };
        let state = State {
            inputs,
            weight,
            shape,
            weight_shape,
        };
        (y, state)
    }
}

impl Backward<Flex, 3> for Direction {
    type State = State;

    fn backward(
        self,
        ops: Ops<State, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let outer = gradients.consume::<Flex>(&ops.node);
        let State {
            inputs,
            weight,
            shape,
            weight_shape,
        } = ops.state;
        let [x, of_weight, bias] = ops.parents;
        if let Some(node) = bias {
            gradients.register::<Flex>(node.id, sums_of_channels(&outer));
        }
        let outer = match self {
            Self::Halving => by_channel(&outer),
            Self::Doubling => columns(&outer),
        };
        if let Some(node) = of_weight {
            let gradient = match self {
                Self::Halving => Flex::float_matmul(outer.clone(), transposed(&inputs)),
                Self::Doubling => Flex::float_matmul(inputs, transposed(&outer)),
            };
            gradients.register::<Flex>(node.id, Flex::float_reshape(gradient, weight_shape));
        }
        if let Some(node) = x {
            let none = vec![0.0; shape[1]];
            let gradient = match self {
                Self::Halving => scatter(
                    &Flex::float_matmul(transposed(&weight), outer),
                    shape,
                    &none,
                ),
                Self::Doubling => by_image(&Flex::float_matmul(weight, outer), shape, &none),
            };
            gradients.register::<Flex>(node.id, gradient);
        }
    }
}

fn transposed(matrix: &FlexTensor) -> FlexTensor {
    Flex::float_swap_dims(matrix.clone(), 0, 1)
}

fn from_values<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// `[batch, channels, height, width]` to `[channels, batch * height * width]`.
fn by_channel(maps: &FlexTensor) -> FlexTensor {
    let maps = maps.to_contiguous();
    let [batch, channels, height, width] = maps.shape().dims();
    let size = height * width;
    let source: &[f32] = maps.storage();
    let mut values = vec![0.0; source.len()];
    let rows = values.par_chunks_mut((batch * size).max(1)).enumerate();
    rows.for_each(|(channel, row)| {
        let images = row
            .chunks_exact_mut(size)
            .zip(source.chunks_exact(channels * size));
        for (target, image) in images {
            target.copy_from_slice(&image[channel * size..][..size]);
        }
    });
    from_values(values, [channels, batch * size])
}

/// `[channels, batch * height * width]` to `[batch, channels, height, width]`, with the bias of each channel added.
fn by_image(maps: &FlexTensor, shape: [usize; 4], bias: &[f32]) -> FlexTensor {
    let maps = maps.to_contiguous();
    let [batch, channels, height, width] = shape;
    let size = height * width;
    let source: &[f32] = maps.storage();
    let mut values = vec![0.0; source.len()];
    let planes = values.par_chunks_mut(size.max(1)).enumerate();
    planes.for_each(|(plane, target)| {
        let (image, channel) = (plane / channels, plane % channels);
        let source = &source[(channel * batch + image) * size..][..size];
        for (target, source) in target.iter_mut().zip(source) {
            *target = source + bias[channel];
        }
    });
    from_values(values, shape)
}

fn sums_of_channels(maps: &FlexTensor) -> FlexTensor {
    let maps = maps.to_contiguous();
    let [_, channels, height, width] = maps.shape().dims();
    let size = height * width;
    let source: &[f32] = maps.storage();
    let sum_of = |channel: usize| -> f32 {
        let images = source.chunks_exact(channels * size);
        let sums = images.map(|image| image[channel * size..][..size].iter().sum::<f32>());
        sums.map(f64::from).sum::<f64>() as f32
    };
    let sums: Vec<f32> = (0..channels).into_par_iter().map(sum_of).collect();
    from_values(sums, [channels])
}

/// The part of a line of outputs whose input at this place of the kernel is within the image, and the first such input.
fn within(tap: usize, outputs: usize) -> (std::ops::Range<usize>, usize) {
    match tap {
        // The input is 2 output + tap - 1.
        0 => (1..outputs, 1),
        3 => (0..outputs - 1, 2),
        tap => (0..outputs, tap - 1),
    }
}

/// `[batch, inputs, height, width]` to `[inputs * 16, batch * height/2 * width/2]`.
fn columns(maps: &FlexTensor) -> FlexTensor {
    let maps = maps.to_contiguous();
    let [batch, channels, height, width] = maps.shape().dims();
    let (rows, line) = (height / 2, width / 2);
    let source: &[f32] = maps.storage();
    let mut values = vec![0.0; channels * TAPS * batch * rows * line];
    let taps = values
        .par_chunks_mut((batch * rows * line).max(1))
        .enumerate();
    taps.for_each(|(index, row)| {
        let (channel, tap) = (index / TAPS, index % TAPS);
        let (down, first_down) = within(tap / KERNEL, rows);
        let (across, first_across) = within(tap % KERNEL, line);
        let images = row
            .chunks_exact_mut(rows * line)
            .zip(source.chunks_exact(channels * height * width));
        for (target, image) in images {
            let plane = &image[channel * height * width..][..height * width];
            let lines = plane.chunks_exact(width).skip(first_down).step_by(2);
            for (target, inputs) in target
                .chunks_exact_mut(line)
                .skip(down.start)
                .take(down.len())
                .zip(lines)
            {
                let inputs = inputs[first_across..].iter().step_by(2);
                for (target, input) in target[across.clone()].iter_mut().zip(inputs) {
                    *target = *input;
                }
            }
        }
    });
    from_values(values, [channels * TAPS, batch * rows * line])
}

/// The adjoint of [`columns`], `[batch, channels, height, width]`, with the bias of each channel added.
fn scatter(columns: &FlexTensor, shape: [usize; 4], bias: &[f32]) -> FlexTensor {
    let columns = columns.to_contiguous();
    let [batch, channels, height, width] = shape;
    let (rows, line) = (height / 2, width / 2);
    let source: &[f32] = columns.storage();
    let mut values = vec![0.0; batch * channels * height * width];
    let planes = values.par_chunks_mut((height * width).max(1)).enumerate();
    planes.for_each(|(plane, target)| {
        let (image, channel) = (plane / channels, plane % channels);
        target.fill(bias[channel]);
        for tap in 0..TAPS {
            let (down, first_down) = within(tap / KERNEL, rows);
            let (across, first_across) = within(tap % KERNEL, line);
            let place = ((channel * TAPS + tap) * batch + image) * rows * line;
            let source = &source[place..][..rows * line];
            let lines = target.chunks_exact_mut(width).skip(first_down).step_by(2);
            for (source, target) in source
                .chunks_exact(line)
                .skip(down.start)
                .take(down.len())
                .zip(lines)
            {
                let targets = target[first_across..].iter_mut().step_by(2);
                for (target, source) in targets.zip(&source[across.clone()]) {
                    *target += source;
                }
            }
        }
    });
    from_values(values, shape)
}
