//! The cross-entropy and its slopes in one pass.

use burn::tensor::TensorMetadata;
use burn::tensor::ops::FloatTensor;
use rayon::prelude::*;

use super::backend::Cpu;
use super::exponential::{exp, ln_1p};
use super::for_each;
use super::matrix::Matrix;
use super::operation::Operation;

/// Pixels that are summed in single precision.
const BLOCK: usize = 16;

/// See [`crate::cross_entropy`]: logits and images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CrossEntropy;

impl Operation<2> for CrossEntropy {
    /// The slope of each logit.
    type State<C: Cpu> = FloatTensor<C>;

    fn forward<C: Cpu>(self, operands: [FloatTensor<C>; 2]) -> (FloatTensor<C>, FloatTensor<C>) {
        let [mut logits, images] = operands.map(|operand| Matrix::<C>::new(operand).into_rows());
        let shape = logits.shape();
        assert_eq!(shape, images.shape(), "logits and images are of one shape");
        let [batch, features] = [shape[0], shape[1]];
        let mut values = vec![0.0; batch];
        let rows = values
            .par_iter_mut()
            .zip(C::values_mut(&mut logits).par_chunks_mut(features.max(1)))
            .zip(C::values(&images).par_chunks(features.max(1)));
        for_each(rows, |((value, logits), images)| {
            *value = cross_entropy_of_row(logits, images);
        });
        let slopes = logits;
        (C::from_values(values, [batch]), slopes)
    }

    fn backward<C: Cpu>(
        self,
        mut slopes: FloatTensor<C>,
        outer: FloatTensor<C>,
        _wanted: [bool; 2],
    ) -> [Option<FloatTensor<C>>; 2] {
        let features = slopes.shape()[1];
        let outer = C::contiguous(outer);
        let rows = C::values_mut(&mut slopes).par_chunks_mut(features.max(1));
        for_each(rows.zip(C::values(&outer)), |(row, outer)| {
            vectorised!({
                for slope in row {
                    *slope *= outer;
                }
            });
        });
        [Some(slopes), None]
    }
}

/// The cross-entropy of an image; the slope for each logit, sigmoid(l) - x, takes its place.
fn cross_entropy_of_row(logits: &mut [f32], image: &[f32]) -> f32 {
    vectorised!({
        let mut total = 0.0;
        let blocks = logits.chunks_mut(BLOCK).zip(image.chunks(BLOCK));
        for (logits, pixels) in blocks {
            let mut values = [0.0; BLOCK];
            let elements = values.iter_mut().zip(logits).zip(pixels);
            for ((value, logit), &x) in elements {
                (*value, *logit) = cross_entropy_of_pixel(*logit, x);
            }
            total += f64::from(sum(values));
        }
        total as f32
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
