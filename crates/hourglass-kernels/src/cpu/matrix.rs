//! Matrices as tensors have them, and passes over their values.

use burn::tensor::TensorMetadata;
use burn::tensor::ops::FloatTensor;
use faer::MatRef;
use rayon::prelude::*;

use super::backend::Cpu;
use super::for_each;

/// Columns that a thread sums at a time.
const COLUMNS: usize = 128;
/// Columns that a thread transposes at a time: a line of the cache.
const STRIP: usize = 16;
/// Partial sums, so that the compiler makes vectors of them.
const LANES: usize = 32;

/// A tensor of two axes whose values lie row by row, or column by column. One of other axes is taken as a single row.
#[derive(Debug, Clone)]
pub(crate) struct Matrix<C: Cpu> {
    /// Contiguous; of one column by column, its transpose.
    lines: FloatTensor<C>,
    is_transposed: bool,
}

impl<C: Cpu> Matrix<C> {
    pub(super) fn new(tensor: FloatTensor<C>) -> Self {
        if tensor.shape().num_dims() != 2 || C::is_contiguous(&tensor) {
            return Self {
                lines: C::contiguous(tensor),
                is_transposed: false,
            };
        }
        let transposed = C::float_swap_dims(tensor.clone(), 0, 1);
        let is_transposed = C::is_contiguous(&transposed);
        Self {
            lines: C::contiguous(if is_transposed { transposed } else { tensor }),
            is_transposed,
        }
    }

    /// The matrix whose columns these rows are.
    pub(super) fn of_columns(lines: FloatTensor<C>) -> Self {
        Self {
            lines,
            is_transposed: true,
        }
    }

    /// The tensor, without a copy.
    pub(super) fn into_tensor(self) -> FloatTensor<C> {
        match self.is_transposed {
            true => C::float_swap_dims(self.lines, 0, 1),
            false => self.lines,
        }
    }

    /// The tensor, its values row by row.
    pub(super) fn into_rows(self) -> FloatTensor<C> {
        match self.is_transposed {
            true => transposed::<C>(&self.lines),
            false => self.lines,
        }
    }

    /// The tensor's transpose, its values row by row.
    pub(super) fn into_columns(self) -> FloatTensor<C> {
        match self.is_transposed {
            true => self.lines,
            false => transposed::<C>(&self.lines),
        }
    }

    /// The same matrix, its values in the order of another's.
    pub(super) fn laid_like(self, other: &Self) -> Self {
        if self.is_transposed == other.is_transposed {
            return self;
        }
        Self {
            lines: transposed::<C>(&self.lines),
            is_transposed: other.is_transposed,
        }
    }

    /// The values in the order in which they lie.
    pub(super) fn values(&self) -> &[f32] {
        C::values(&self.lines)
    }

    /// The values in the order in which they lie.
    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        C::values_mut(&mut self.lines)
    }

    pub(super) fn view(&self) -> MatRef<'_, f32> {
        let [rows, columns] = self.lines.shape().dims();
        let view = MatRef::from_row_major_slice(self.values(), rows, columns);
        match self.is_transposed {
            true => view.transpose(),
            false => view,
        }
    }
}

/// The transpose of a contiguous matrix, contiguous.
fn transposed<C: Cpu>(matrix: &FloatTensor<C>) -> FloatTensor<C> {
    let [rows, columns] = matrix.shape().dims();
    let source = C::values(matrix);
    let mut values = vec![0.0; source.len()];
    let strips = values.par_chunks_mut((STRIP * rows).max(1)).enumerate();
    for_each(strips, |(strip, target)| {
        for (row, source) in source.chunks_exact(columns).enumerate() {
            let source = source[strip * STRIP..].iter().take(STRIP);
            for (column, value) in source.enumerate() {
                target[column * rows + row] = *value;
            }
        }
    });
    C::from_values(values, [columns, rows])
}

/// Row after row in each column, whatever the number of threads.
pub(super) fn column_sums(values: &[f32], columns: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f32; columns];
    let parts = sums.par_chunks_mut(COLUMNS).enumerate();
    for_each(parts, |(part, sums)| {
        vectorised!({
            for row in values.chunks_exact(columns) {
                let row = &row[part * COLUMNS..][..sums.len()];
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        });
    });
    sums
}

/// The scalar product, in an order that does not depend on the vectors' length.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    vectorised!({
        let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        let rest = a.remainder().iter().zip(b.remainder());
        let rest: f32 = rest.map(|(a, b)| a * b).sum();
        let mut sums = [0.0_f32; LANES];
        for (a, b) in a.zip(b) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
        rest + sums.iter().sum::<f32>()
    })
}

/// The sum, in an order that does not depend on the vectors' length.
pub(super) fn sum(values: &[f32]) -> f32 {
    vectorised!({
        let lines = values.chunks_exact(LANES);
        let rest: f32 = lines.remainder().iter().sum();
        let mut sums = [0.0_f32; LANES];
        for line in lines {
            for (sum, value) in sums.iter_mut().zip(line) {
                *sum += value;
            }
        }
        rest + sums.iter().sum::<f32>()
    })
}
