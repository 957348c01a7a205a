//! The cross-entropy and its slopes in one pass.

use burn::tensor::TensorMetadata;
use burn::tensor::ops::FloatTensor;
use rayon::prelude::*;

use super::backend::Cpu;
use super::exponential::{exp, ln_1p};
use super::matrix::Matrix;
use super::operation::Operation;
use super::vectorised;

/// Pixels that are summed in single precision.
const BLOCK: usize = 16;

/// See [`crate::cross_entropy`]: logits and images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CrossEntropy;

impl Operation<2> for CrossEntropy {
    /// The slope of each logit.
    type State<C: Cpu> = FloatTensor<C>;

    fn forward<C: Cpu>(self, operands: [FloatTensor<C>; 2]) -> (FloatTensor<C>, FloatTensor<C>) {
        let [logits, images] = operands.map(|operand| Matrix::<C>::new(operand).into_rows());
        let shape = logits.shape();
        assert_eq!(shape, images.shape(), "logits and images are of one shape");
        let [batch, features] = [shape[0], shape[1]];
        let (logits, images) = (C::values(&logits), C::values(&images));
        let mut slopes = vec![0.0; logits.len()];
        let mut values = vec![0.0; batch];
        let rows = values
            .par_iter_mut()
            .zip(slopes.par_chunks_mut(features.max(1)))
            .zip(logits.par_chunks(features.max(1)))
            .zip(images.par_chunks(features.max(1)));
        rows.for_each(|(((value, slopes), logits), images)| {
            *value = cross_entropy_of_row(slopes, logits, images);
        });
        (
            C::from_values(values, [batch]),
            C::from_values(slopes, shape),
        )
    }

    fn backward<C: Cpu>(
        self,
        mut slopes: FloatTensor<C>,
        outer: FloatTensor<C>,
        _wanted: [bool; 2],
    ) -> [Option<FloatTensor<C>>; 2] {
        let features = slopes.shape()[1];
        let outer = C::contiguous(outer);
        C::values_mut(&mut slopes)
            .par_chunks_mut(features.max(1))
            .zip(C::values(&outer))
            .for_each(|(row, outer)| row.iter_mut().for_each(|slope| *slope *= outer));
        [Some(slopes), None]
    }
}

/// The cross-entropy of an image; the slope for each logit, sigmoid(l) - x, goes to `slopes`.
fn cross_entropy_of_row(slopes: &mut [f32], logits: &[f32], images: &[f32]) -> f32 {
    vectorised(|| {
        let blocks = slopes
            .chunks_mut(BLOCK)
            .zip(logits.chunks(BLOCK))
            .zip(images.chunks(BLOCK));
        let sums = blocks.map(|((slopes, logits), images)| {
            let mut values = [0.0; BLOCK];
            let elements = values.iter_mut().zip(slopes).zip(logits).zip(images);
            for (((value, slope), &l), &x) in elements {
                (*value, *slope) = cross_entropy_of_pixel(l, x);
            }
            f64::from(sum(values))
        });
        sums.sum::<f64>() as f32
    })
}

/// softplus(l) - x l, and its slope for l, sigmoid(l) - x.
#[inline(always)]
fn cross_entropy_of_pixel(l: f32, x: f32) -> (f32, f32) {
    let e = exp(-l.abs());
    let larger = if l > 0.0 { l } else { 0.0 };
    let softplus = larger + ln_1p(e);
    let sigmoid = (if l < 0.0 { e } else { 1.0 }) / (1.0 + e);
    (softplus - x * l, sigmoid - x)
}

/// In an order that does not depend on the vectors' length.
#[inline(always)]
fn sum(mut values: [f32; BLOCK]) -> f32 {
    let mut length = BLOCK / 2;
    while length > 0 {
        for place in 0..length {
            values[place] += values[place + length];
        }
        length /= 2;
    }
    values[0]
}
