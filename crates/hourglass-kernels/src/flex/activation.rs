//! Activations in one pass, and their gradients in another, from the values alone.
//!
//! The functions of one number are inlined and free of branches, so that the compiler makes vectors of the loops.

use std::f32::consts::LOG2_E;

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorPrimitive};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use super::{CHUNK, cast, primitive, tensor};
use crate::activation::Activation;

const MANTISSA_BITS: u32 = f32::MANTISSA_DIGITS - 1;

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
    chunks.for_each(|chunk| chunk.iter_mut().for_each(|x| *x = function(*x)));
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
            elements.for_each(|(outer, &value)| *outer *= slope(value));
        });
    outer
}

#[inline]
fn tanh(x: f32) -> f32 {
    let e = exp_m1(-2.0 * x.abs());
    (-e / (e + 2.0)).copysign(x)
}

#[inline]
fn sigmoid(x: f32) -> f32 {
    let e = exp(-x.abs());
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

#[inline]
fn elu(x: f32) -> f32 {
    let e = exp_m1(if x > 0.0 { 0.0 } else { x });
    if x > 0.0 { x } else { e }
}

/// exp(x) - 1 for x <= 0, without the cancellation near 0.
#[inline]
fn exp_m1(x: f32) -> f32 {
    // Below, the result is -1 in single precision.
    let (n, m) = reduced(at_least(x, -20.0));
    let power = power_of_2(n, 0);
    (power - 1.0) + power * m
}

/// exp(x) for x <= 0.
#[inline]
fn exp(x: f32) -> f32 {
    /// Keeps the power of 2 in the range of normal numbers until the end.
    const SHIFT: i32 = 64;
    // Below, the result is 0.
    let (n, m) = reduced(at_least(x, -105.0));
    let power = power_of_2(n, SHIFT);
    (power + power * m) * power_of_2(0, -SHIFT)
}

/// The integer n as the exponent of a number has it, and exp(r) - 1, where x = n ln 2 + r, and |r| <= ln 2 / 2.
#[inline]
fn reduced(x: f32) -> (u32, f32) {
    /// 3 * 2^22: a small number added to it is rounded to the integer in its last bits.
    const ROUNDER: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with so few digits that its product with n is exact (Cephes, expf.c).
    const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
    let rounded = x * LOG2_E + ROUNDER;
    let n = rounded - ROUNDER;
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    // The series of (exp(r) - 1 - r) / r^2; what is left out is less than 2e-8 of the result.
    let coefficients = [720.0, 120.0, 24.0, 6.0, 2.0].map(|factorial| 1.0 / factorial);
    let series = coefficients
        .into_iter()
        .fold(1.0 / 5040.0, |series, coefficient| coefficient + r * series);
    (rounded.to_bits() << MANTISSA_BITS, r + r * r * series)
}

/// 2^(n + shift), for n as it comes from [`reduced`].
#[inline]
fn power_of_2(n: u32, shift: i32) -> f32 {
    const BIAS: i32 = 127;
    f32::from_bits(n.wrapping_add(((BIAS + shift) as u32) << MANTISSA_BITS))
}

/// NaN stays NaN, unlike with `f32::max`.
#[inline]
fn at_least(x: f32, least: f32) -> f32 {
    if x < least { least } else { x }
}
