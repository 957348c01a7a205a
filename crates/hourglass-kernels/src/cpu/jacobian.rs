//! The two passes that the norm of an encoder's Jacobian consists of, over matrices with one row for each unit of each image's
//! code.

use burn::tensor::TensorMetadata;
use burn::tensor::ops::FloatTensor;
use faer::MatRef;
use rayon::prelude::*;

use super::backend::Cpu;
use super::for_each;
use super::matrix::{Matrix, dot};
use super::operation::Operation;
use super::product::{product, symmetric_product};

/// Parts of a batch that each sum their gradients, whatever the number of threads.
const PARTS: usize = 16;

/// See [`crate::scaled_rows`]: rows and factors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScaledRows;

impl Operation<2> for ScaledRows {
    /// Rows and factors.
    type State<C: Cpu> = [FloatTensor<C>; 2];

    fn forward<C: Cpu>(self, operands: [FloatTensor<C>; 2]) -> (FloatTensor<C>, Self::State<C>) {
        let operands = operands.map(|operand| Matrix::<C>::new(operand).into_rows());
        let [count, width] = operands[0].shape().dims();
        let batch = operands[1].shape()[0];
        assert_eq!(width, operands[1].shape()[1], "a factor for each column");
        let (rows, factors) = (C::values(&operands[0]), C::values(&operands[1]));
        let mut scaled = vec![0.0; batch * count * width];
        let images = scaled.par_chunks_mut((count * width).max(1));
        for_each(
            images.zip(factors.par_chunks(width.max(1))),
            |(scaled, factors)| {
                let rows = scaled.chunks_exact_mut(width).zip(rows.chunks_exact(width));
                vectorised!({
                    for (scaled, row) in rows {
                        for ((scaled, value), factor) in scaled.iter_mut().zip(row).zip(factors) {
                            *scaled = value * factor;
                        }
                    }
                });
            },
        );
        (C::from_values(scaled, [batch * count, width]), operands)
    }

    fn backward<C: Cpu>(
        self,
        [rows, factors]: Self::State<C>,
        outer: FloatTensor<C>,
        _wanted: [bool; 2],
    ) -> [Option<FloatTensor<C>>; 2] {
        let [count, width] = rows.shape().dims();
        let batch = factors.shape()[0];
        let outer = Matrix::<C>::new(outer).into_rows();
        let (rows, factors) = (C::values(&rows), C::values(&factors));
        let mut of_factors = vec![0.0; factors.len()];
        let part = batch.div_ceil(PARTS).max(1);
        let mut parts = vec![vec![0.0; count * width]; batch.div_ceil(part)];
        let images = of_factors
            .par_chunks_mut(part * width)
            .zip(factors.par_chunks(part * width))
            .zip(C::values(&outer).par_chunks(part * count * width))
            .zip(&mut parts);
        for_each(images, |(((of_factors, factors), outer), of_rows)| {
            let images = of_factors
                .chunks_exact_mut(width)
                .zip(factors.chunks_exact(width))
                .zip(outer.chunks_exact(count * width));
            for ((of_factors, factors), outer) in images {
                gradients_of_image(of_factors, of_rows, outer, rows, factors);
            }
        });
        let mut of_rows = vec![0.0; count * width];
        for part in parts {
            for (sum, value) in of_rows.iter_mut().zip(part) {
                *sum += value;
            }
        }
        [
            Some(C::from_values(of_rows, [count, width])),
            Some(C::from_values(of_factors, [batch, width])),
        ]
    }
}

/// Adds an image's part of the gradients.
fn gradients_of_image(
    of_factors: &mut [f32],
    of_rows: &mut [f32],
    outer: &[f32],
    rows: &[f32],
    factors: &[f32],
) {
    let width = factors.len();
    let lines = of_rows
        .chunks_exact_mut(width)
        .zip(outer.chunks_exact(width))
        .zip(rows.chunks_exact(width));
    vectorised!({
        for ((of_row, outer), row) in lines {
            let elements = of_row.iter_mut().zip(outer).zip(row);
            let columns = of_factors.iter_mut().zip(factors);
            for (((of_row, outer), value), (of_factor, factor)) in elements.zip(columns) {
                *of_row += outer * factor;
                *of_factor += outer * value;
            }
        }
    });
}

/// See [`crate::squared_norms`]: rows and the weight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GramNorms;

impl Operation<2> for GramNorms {
    /// Rows, the weight, and each row r's r W^T W.
    type State<C: Cpu> = (FloatTensor<C>, Matrix<C>, FloatTensor<C>);

    fn forward<C: Cpu>(
        self,
        [rows, weight]: [FloatTensor<C>; 2],
    ) -> (FloatTensor<C>, Self::State<C>) {
        let (rows, weight) = (Matrix::<C>::new(rows), Matrix::<C>::new(weight));
        let (count, width) = (rows.view().nrows(), rows.view().ncols());
        let gram = symmetric_product(weight.view().transpose(), weight.view());
        let gram = MatRef::from_row_major_slice(&gram, width, width);
        let products = product(rows.view(), gram);
        let rows = rows.into_rows();
        let pairs = products
            .par_chunks_exact(width)
            .zip(C::values(&rows).par_chunks_exact(width));
        let mut norms = vec![0.0; count];
        for_each(norms.par_iter_mut().zip(pairs), |(norm, (product, row))| {
            *norm = dot(product, row)
        });
        let products = C::from_values(products, [count, width]);
        (C::from_values(norms, [count]), (rows, weight, products))
    }

    /// With S = sum_r g_r r^T r, the gradients are 2 g_r r W^T W and 2 W S.
    fn backward<C: Cpu>(
        self,
        (mut rows, weight, mut products): Self::State<C>,
        outer: FloatTensor<C>,
        [of_rows, of_weight]: [bool; 2],
    ) -> [Option<FloatTensor<C>>; 2] {
        let [count, width] = rows.shape().dims();
        let outer = C::contiguous(outer);
        let doubled: Vec<f32> = C::values(&outer).iter().map(|outer| 2.0 * outer).collect();
        let of_rows = of_rows.then(|| {
            scale_each(C::values_mut(&mut products), &doubled);
            products
        });
        let of_weight = of_weight.then(|| {
            let plain = rows.clone();
            scale_each(C::values_mut(&mut rows), &doubled);
            let view = |rows| MatRef::from_row_major_slice(C::values(rows), count, width);
            let sums = symmetric_product(view(&plain).transpose(), view(&rows));
            let sums = MatRef::from_row_major_slice(&sums, width, width);
            let features = weight.view().nrows();
            C::from_values(product(weight.view(), sums), [features, width])
        });
        [of_rows, of_weight]
    }
}

/// Multiplies each row by its factor.
fn scale_each(values: &mut [f32], factors: &[f32]) {
    let width = values.len() / factors.len().max(1);
    let rows = values.par_chunks_mut(width.max(1)).zip(factors);
    for_each(rows, |(row, factor)| {
        vectorised!({
            for value in row {
                *value *= factor;
            }
        });
    });
}
