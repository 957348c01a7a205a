//! All components, from the covariance. The memory needed is `features²`, whatever the number of rows.
//!
//! Rows are read in blocks and summed in f64. Sums are taken about the mean of the first block, so that the covariance loses no
//! digits to the subtraction of a large mean.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, get_global_parallelism};

use super::{BLOCK_ROWS, Pca, PcaError, assert_whole_rows, eigen};

/// Sums over rows as they come; [`PcaBuilder::finish`] turns them into a [`Pca`].
pub struct PcaBuilder {
    features: usize,
    rows: usize,
    /// The mean of the first block, about which sums are taken; empty until that block is complete.
    shift: Vec<f64>,
    /// Sum of `x - shift`.
    sum: Vec<f64>,
    /// Sum of `(x - shift)(x - shift)ᵀ`, the lower triangle only.
    products: Mat<f64>,
    /// Rows that wait until their block is full, row-major.
    pending: Vec<f64>,
}

impl PcaBuilder {
    /// Starts with no rows.
    ///
    /// # Panics
    /// If `features` is 0.
    pub fn new(features: usize) -> Self {
        assert!(features > 0, "rows must have at least one feature");
        Self {
            features,
            rows: 0,
            shift: Vec::new(),
            sum: vec![0.0; features],
            products: Mat::zeros(features, features),
            pending: Vec::with_capacity(BLOCK_ROWS * features),
        }
    }

    /// Rows added so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds whole rows.
    ///
    /// # Shapes
    /// - `rows`: `[any, features]`, row-major
    ///
    /// # Panics
    /// If the length is no multiple of `features`.
    pub fn add(&mut self, rows: &[f32]) {
        assert_whole_rows(rows, self.features);
        for row in rows.chunks_exact(self.features) {
            self.pending
                .extend(row.iter().map(|&value| f64::from(value)));
            self.rows += 1;
            if self.pending.len() == BLOCK_ROWS * self.features {
                self.add_pending();
            }
        }
    }

    /// Decomposes the covariance of the rows added; `waiting` is called from time to time until that is done.
    pub fn finish(mut self, waiting: &mut dyn FnMut()) -> Result<Pca, PcaError> {
        if self.rows == 0 {
            return Err(PcaError::NoRows);
        }
        self.add_pending();
        // The square of the largest f32 is far from overflowing an f64, so a sum is finite if and only if the values are.
        if !self.sum.iter().all(|value| value.is_finite()) {
            return Err(PcaError::NotFinite { place: "rows" });
        }
        let rows = self.rows as f64;
        let offset: Vec<f64> = self.sum.iter().map(|sum| sum / rows).collect();
        let mean = std::iter::zip(&self.shift, &offset).map(|(shift, offset)| shift + offset);
        let mean = mean.collect();
        let covariance = Mat::from_fn(self.features, self.features, |row, column| {
            let product = self.products[(row.max(column), row.min(column))];
            product / rows - offset[row] * offset[column]
        }); // [features, features]
        let (variances, components) = eigen(covariance, waiting)?;
        Ok(Pca {
            mean,
            components,
            variances,
        })
    }

    /// Moves the pending rows into the sums.
    fn add_pending(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        if self.shift.is_empty() {
            self.shift = column_means(&self.pending, self.features);
        }
        for row in self.pending.chunks_exact_mut(self.features) {
            for ((value, shift), sum) in row.iter_mut().zip(&self.shift).zip(&mut self.sum) {
                *value -= shift;
                *sum += *value;
            }
        }
        let rows = self.pending.len() / self.features;
        // Row-major rows read as columns: the block is already transposed.
        let block = MatRef::from_column_major_slice(&self.pending, self.features, rows); // [features, rows]
        triangular::matmul(
            self.products.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            block,
            BlockStructure::Rectangular,
            block.transpose(),
            BlockStructure::Rectangular,
            1.0,
            get_global_parallelism(),
        );
        self.pending.clear();
    }
}

fn column_means(rows: &[f64], features: usize) -> Vec<f64> {
    let count = (rows.len() / features) as f64;
    let mut means = vec![0.0; features];
    for row in rows.chunks_exact(features) {
        for (mean, value) in means.iter_mut().zip(row) {
            *mean += value / count;
        }
    }
    means
}

impl Pca {
    /// Fits all components to batches of rows; `progress` is told the number of rows seen after each batch.
    ///
    /// # Shapes
    /// - each of `batches`: `[any, features]`, row-major
    ///
    /// # Panics
    /// If `features` is 0, or the length of a batch is no multiple of it.
    pub fn fit<Rows: AsRef<[f32]>>(
        features: usize,
        batches: impl IntoIterator<Item = Rows>,
        mut progress: impl FnMut(usize),
    ) -> Result<Self, PcaError> {
        let mut builder = PcaBuilder::new(features);
        for batch in batches {
            builder.add(batch.as_ref());
            progress(builder.rows());
        }
        let rows = builder.rows();
        builder.finish(&mut || progress(rows))
    }
}
