//! Linear layers with faer's matrix products, which are as quick with a transposed factor as without one: those of flex take
//! up to twice as long then, and every backward pass has one.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData, TensorMetadata, TensorPrimitive};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::{Flex, FlexTensor};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::{cast, primitive, tensor};

/// Products of fewer multiplications are left to one thread.
const PARALLEL: usize = 1 << 21;
/// Columns that a thread sums at a time.
const COLUMNS: usize = 128;

type Operands<B> = (Tensor<B, 2>, Tensor<B, 2>, Tensor<B, 1>);

/// See [`crate::linear`] and [`crate::tied_linear`]; the arguments themselves where the backend is another.
pub(crate) fn linear<B: Backend>(
    is_tied: bool,
    operands: Operands<B>,
) -> Result<Tensor<B, 2>, Operands<B>> {
    if operands.0.dtype() != DType::F32 {
        return Err(operands);
    }
    let operands = match cast::<_, Operands<Flex>>(operands) {
        Ok((x, weight, bias)) => {
            let (x, weight) = (Matrix::new(primitive(x)), Matrix::new(primitive(weight)));
            let y = forward(&x, &weight, is_tied, &primitive(bias));
            return cast(tensor::<2>(y)).map_err(|_| unreachable!("B is flex"));
        }
        Err(operands) => operands,
    };
    let (x, weight, bias) = cast::<_, Operands<Autodiff<Flex>>>(operands)?;
    let x = x.into_primitive().tensor();
    let weight = weight.into_primitive().tensor();
    let bias = bias.into_primitive().tensor();
    let nodes = [x.node, weight.node, bias.node];
    let state = State {
        x: Matrix::new(x.primitive),
        weight: Matrix::new(weight.primitive),
        is_tied,
    };
    let y = forward(&state.x, &state.weight, is_tied, &bias.primitive);
    let y = match Linear
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(state, y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    let y = Tensor::<Autodiff<Flex>, 2>::from_primitive(TensorPrimitive::Float(y));
    cast(y).map_err(|_| unreachable!("B is flex under automatic differentiation"))
}

#[derive(Debug)]
struct Linear;

#[derive(Debug, Clone)]
struct State {
    x: Matrix,
    weight: Matrix,
    is_tied: bool,
}

impl Backward<Flex, 3> for Linear {
    type State = State;

    fn backward(
        self,
        ops: Ops<State, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let outer = Matrix::new(gradients.consume::<Flex>(&ops.node));
        let State { x, weight, is_tied } = ops.state;
        let (x, weight, outer) = (x.view(), weight.view(), outer.view());
        let [of_x, of_weight, of_bias] = ops.parents;
        if let Some(node) = of_bias {
            gradients.register::<Flex>(node.id, column_sums(outer));
        }
        if let Some(node) = of_weight {
            let gradient = match is_tied {
                true => product(outer.transpose(), x),
                false => product(x.transpose(), outer),
            };
            gradients.register::<Flex>(node.id, gradient);
        }
        if let Some(node) = of_x {
            let gradient = match is_tied {
                true => product(outer, weight),
                false => product(outer, weight.transpose()),
            };
            gradients.register::<Flex>(node.id, gradient);
        }
    }
}

/// A matrix whose values lie row by row, or column by column.
#[derive(Debug, Clone)]
struct Matrix {
    rows: FlexTensor,
    is_transposed: bool,
}

impl Matrix {
    fn new(tensor: FlexTensor) -> Self {
        let transposed = tensor.transpose(0, 1);
        let is_transposed = !tensor.is_contiguous() && transposed.is_contiguous();
        let rows = if is_transposed { transposed } else { tensor };
        Self {
            rows: rows.to_contiguous(),
            is_transposed,
        }
    }

    fn view(&self) -> MatRef<'_, f32> {
        let [rows, columns] = self.rows.shape().dims();
        let view = MatRef::from_row_major_slice(self.rows.storage(), rows, columns);
        match self.is_transposed {
            true => view.transpose(),
            false => view,
        }
    }
}

fn forward(x: &Matrix, weight: &Matrix, is_tied: bool, bias: &FlexTensor) -> FlexTensor {
    let weight = match is_tied {
        true => weight.view().transpose(),
        false => weight.view(),
    };
    let bias = bias.to_contiguous();
    let values = bias.storage::<f32>().repeat(x.view().nrows());
    accumulated(values, Accum::Add, x.view(), weight)
}

fn product(a: MatRef<'_, f32>, b: MatRef<'_, f32>) -> FlexTensor {
    accumulated(vec![0.0; a.nrows() * b.ncols()], Accum::Replace, a, b)
}

/// `values + a b`, or `a b` in their place.
fn accumulated(
    mut values: Vec<f32>,
    accumulation: Accum,
    a: MatRef<'_, f32>,
    b: MatRef<'_, f32>,
) -> FlexTensor {
    let (rows, inner, columns) = (a.nrows(), a.ncols(), b.ncols());
    let threads = match rows * inner * columns < PARALLEL {
        true => Par::Seq,
        false => Par::rayon(0),
    };
    let target = MatMut::from_row_major_slice_mut(&mut values, rows, columns);
    matmul(target, accumulation, a, b, 1.0, threads);
    FlexTensor::from_data(TensorData::new(values, [rows, columns]))
}

/// Row after row in each column, whatever the number of threads.
fn column_sums(matrix: MatRef<'_, f32>) -> FlexTensor {
    let columns = matrix.ncols();
    let mut sums = vec![0.0_f32; columns];
    let parts = sums.par_chunks_mut(COLUMNS).enumerate();
    parts.for_each(|(part, sums)| {
        for row in matrix.row_iter() {
            let row = row.subcols(part * COLUMNS, sums.len());
            for (sum, value) in sums.iter_mut().zip(row.iter()) {
                *sum += value;
            }
        }
    });
    FlexTensor::from_data(TensorData::new(sums, [columns]))
}
