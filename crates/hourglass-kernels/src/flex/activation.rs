//! Activations in one pass, and their gradients in another, from the values alone.
//!
//! The functions of one number are inlined and free of branches, so that the compiler makes vectors of the loops.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorPrimitive};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use super::exponential::{exp, exp_m1};
use super::{CHUNK, cast, primitive, tensor, vectorised};
use crate::activation::Activation;

/// f(x), elementwise; x itself where the backend is another.
pub(crate) fn activation<B: Backend, const D: usize>(
    activation: Activation,
    x: Tensor<B, D>,
) -> Result<Tensor<B, D>, Tensor<B, D>> {
    if x.dtype() != DType::F32 {
        return Err(x);
    }
    let x = match cast::<_, Tensor<Flex, D>>(x) {
        Ok(x) => {
            let y = tensor::<D>(values(activation, primitive(x)));
            return cast(y).map_err(|_| unreachable!("B is flex"));
        }
        Err(x) => x,
    };
    let x = cast::<_, Tensor<Autodiff<Flex>, D>>(x)?;
    let x = x.into_primitive().tensor();
    let y = match activation
        .prepare::<NoCheckpointing>([x.node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let y = values(activation, x.primitive);
            prep.finish(y.clone(), y)
        }
        OpsKind::UnTracked(prep) => prep.finish(values(activation, x.primitive)),
    };
    let y = Tensor::<Autodiff<Flex>, D>::from_primitive(TensorPrimitive::Float(y));
    cast(y).map_err(|_| unreachable!("B is flex under automatic differentiation"))
}

impl Backward<Flex, 1> for Activation {
    /// The values.
    type State = FlexTensor;

    fn backward(
        self,
        ops: Ops<FlexTensor, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let y = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, gradients, |outer| match self {
            Self::Tanh => times_slopes(outer, &y, |y| 1.0 - y * y),
            Self::Sigmoid => times_slopes(outer, &y, |y| y * (1.0 - y)),
            Self::Elu => times_slopes(outer, &y, |y| if y > 0.0 { 1.0 } else { y + 1.0 }),
        });
    }
}

fn values(activation: Activation, x: FlexTensor) -> FlexTensor {
    match activation {
        Activation::Tanh => map(x, tanh),
        Activation::Sigmoid => map(x, sigmoid),
        Activation::Elu => map(x, elu),
    }
}

/// In place, where nothing else holds the tensor.
fn map(mut tensor: FlexTensor, function: impl Fn(f32) -> f32 + Sync) -> FlexTensor {
    tensor = tensor.to_contiguous();
    let chunks = tensor.storage_mut::<f32>().par_chunks_mut(CHUNK);
    chunks.for_each(|chunk| vectorised(|| chunk.iter_mut().for_each(|x| *x = function(*x))));
    tensor
}

/// The gradient of what comes after, times the slope that belongs to each value.
fn times_slopes(
    mut outer: FlexTensor,
    values: &FlexTensor,
    slope: impl Fn(f32) -> f32 + Sync,
) -> FlexTensor {
    outer = outer.to_contiguous();
    outer
        .storage_mut::<f32>()
        .par_chunks_mut(CHUNK)
        .zip(values.storage::<f32>().par_chunks(CHUNK))
        .for_each(|(outer, values)| {
            let elements = outer.iter_mut().zip(values);
            vectorised(|| elements.for_each(|(outer, &value)| *outer *= slope(value)));
        });
    outer
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    let e = exp_m1(-2.0 * x.abs());
    (-e / (e + 2.0)).copysign(x)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    let e = exp(-x.abs());
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

#[inline(always)]
fn elu(x: f32) -> f32 {
    let e = exp_m1(if x > 0.0 { 0.0 } else { x });
    if x > 0.0 { x } else { e }
}
