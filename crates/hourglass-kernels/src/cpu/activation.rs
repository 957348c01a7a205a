//! Activations in one pass, and their gradients in another, from the values alone.
//!
//! The functions of one number are inlined and free of branches, so that the compiler makes vectors of the loops.

use burn::tensor::ops::FloatTensor;
use rayon::prelude::*;

use super::backend::Cpu;
use super::exponential::{exp, exp_m1};
use super::matrix::Matrix;
use super::operation::Operation;
use super::{CHUNK, for_each};
use crate::activation::Activation;

impl Operation<1> for Activation {
    /// The values.
    type State<C: Cpu> = Matrix<C>;

    fn forward<C: Cpu>(self, [x]: [FloatTensor<C>; 1]) -> (FloatTensor<C>, Matrix<C>) {
        let mut y = Matrix::<C>::new(x);
        match self {
            Self::Relu => map(&mut y, |x| if x < 0.0 { 0.0 } else { x }),
            Self::Tanh => map(&mut y, tanh),
            Self::Sigmoid => map(&mut y, sigmoid),
            Self::Elu => map(&mut y, elu),
        }
        (y.clone().into_tensor(), y)
    }

    fn backward<C: Cpu>(
        self,
        y: Matrix<C>,
        outer: FloatTensor<C>,
        _wanted: [bool; 1],
    ) -> [Option<FloatTensor<C>>; 1] {
        let mut outer = Matrix::<C>::new(outer).laid_like(&y);
        match self {
            Self::Relu => pass(
                &mut outer,
                &y,
                |outer, y| if y == 0.0 { 0.0 } else { outer },
            ),
            Self::Tanh => pass(&mut outer, &y, |outer, y| outer * (1.0 - y * y)),
            Self::Sigmoid => pass(&mut outer, &y, |outer, y| outer * (y * (1.0 - y))),
            Self::Elu => pass(&mut outer, &y, |outer, y| {
                outer * if y > 0.0 { 1.0 } else { y + 1.0 }
            }),
        }
        [Some(outer.into_tensor())]
    }
}

/// In place, where nothing else holds the tensor.
fn map<C: Cpu>(matrix: &mut Matrix<C>, function: impl Fn(f32) -> f32 + Sync) {
    let chunks = matrix.values_mut().par_chunks_mut(CHUNK);
    for_each(chunks, |chunk| {
        vectorised!({
            for value in chunk {
                *value = function(*value);
            }
        });
    });
}

/// Each gradient of what comes after becomes that of x, by the value that belongs to it.
fn pass<C: Cpu>(
    outer: &mut Matrix<C>,
    values: &Matrix<C>,
    gradient: impl Fn(f32, f32) -> f32 + Sync,
) {
    let outer = outer.values_mut().par_chunks_mut(CHUNK);
    let chunks = outer.zip(values.values().par_chunks(CHUNK));
    for_each(chunks, |(outer, values)| {
        let elements = outer.iter_mut().zip(values);
        vectorised!({
            for (outer, &value) in elements {
                *outer = gradient(*outer, value);
            }
        });
    });
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
