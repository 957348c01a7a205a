//! Exact principal component analysis: the best linear autoencoder of every code size at once, as a baseline.
//!
//! With mean `m` and the first `k` eigenvectors of the covariance as the columns of `V`, the reconstruction is
//! `m + V Vᵀ (x - m)`. No linear encoder and decoder with `k` codes has a lower squared error on the rows fitted
//! (Eckart and Young, 1936; Baldi and Hornik, 1989, for autoencoders).
//!
//! Rows stream through in blocks, in f64, so memory is `features²` whatever the number of rows. Sums are taken about the
//! mean of the first block: the covariance then loses no digits to the subtraction of a large mean.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Side, get_global_parallelism};
use serde::{Deserialize, Serialize};

/// Rows to a matrix product: enough to keep the cores busy, few enough that a block of 3,072 features is 24 MiB.
const BLOCK_ROWS: usize = 1024;

/// What can go wrong with the numbers given to principal component analysis.
#[derive(Debug, thiserror::Error)]
pub enum PcaError {
    /// There is no mean without rows.
    #[error("principal components: expected at least one row, found none")]
    NoRows,

    /// A value is infinite or not a number.
    #[error(
        "principal components: expected finite values, found an infinite value or NaN in the {place}"
    )]
    NotFinite {
        /// Where the value was met.
        place: &'static str,
    },

    /// The iteration of a decomposition did not end.
    #[error("principal components: expected the {decomposition} to converge, but it did not")]
    NoConvergence {
        /// Which decomposition.
        decomposition: &'static str,
    },
}

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
    /// Rows that wait for their block to fill, row-major.
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

    /// Decomposes the covariance of the rows added.
    pub fn finish(mut self) -> Result<Pca, PcaError> {
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
        Pca::from_covariance(mean, covariance.as_ref())
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

/// The principal components of a set of rows: all of them, so that any number of codes can be asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "StoredPca", into = "StoredPca")]
pub struct Pca {
    mean: Vec<f64>,
    /// `[features, features]`, orthonormal columns in the order of `variances`.
    components: Mat<f64>,
    variances: Vec<f64>,
}

/// [`Pca`] in plain lists; the components are `[features, features]`, column-major.
#[derive(Serialize, Deserialize)]
struct StoredPca {
    mean: Vec<f64>,
    components: Vec<f64>,
    variances: Vec<f64>,
}

impl From<Pca> for StoredPca {
    fn from(pca: Pca) -> Self {
        let columns = pca.components.col_iter();
        Self {
            components: columns.flat_map(|column| column.iter().copied()).collect(),
            mean: pca.mean,
            variances: pca.variances,
        }
    }
}

impl TryFrom<StoredPca> for Pca {
    type Error = &'static str;

    fn try_from(stored: StoredPca) -> Result<Self, Self::Error> {
        let features = stored.mean.len();
        if features == 0
            || stored.variances.len() != features
            || stored.components.len() != features * features
        {
            return Err("components, mean and variances are not of one number of features");
        }
        Ok(Self {
            components: Mat::from_fn(features, features, |row, column| {
                stored.components[column * features + row]
            }),
            mean: stored.mean,
            variances: stored.variances,
        })
    }
}

impl Pca {
    /// Fits to batches of rows; `progress` is told the number of rows seen after each batch.
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
        builder.finish()
    }

    fn from_covariance(mean: Vec<f64>, covariance: MatRef<'_, f64>) -> Result<Self, PcaError> {
        let decomposition =
            covariance
                .self_adjoint_eigen(Side::Lower)
                .map_err(|_| PcaError::NoConvergence {
                    decomposition: "eigendecomposition",
                })?;
        // Eigenvalues come in increasing order; rounding can leave those of empty directions slightly negative.
        let values = decomposition.S().column_vector();
        let variances = values.iter().rev().map(|value| value.max(0.0)).collect();
        let components = decomposition.U().reverse_cols().to_owned();
        Ok(Self {
            mean,
            components,
            variances,
        })
    }

    /// The length of a row.
    pub fn features(&self) -> usize {
        self.mean.len()
    }

    /// The mean row: `[features]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The variance along each component, decreasing: `[features]`.
    ///
    /// Sums are divided by the number of rows, so those after the first `count` add up to the mean squared error, per row,
    /// of `count` components on the rows fitted.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// The first `count` components as orthonormal columns: `[features, count]`.
    ///
    /// There are no more than `features`: a larger `count`, here and in the other functions, means all of them.
    pub fn components(&self, count: usize) -> MatRef<'_, f64> {
        self.components.get(.., ..count.min(self.features()))
    }

    /// The sum over rows of `|target - reconstruction(input)|²` with the first `count` components.
    ///
    /// Inputs and targets are the same for plain reconstruction; to judge denoising, give corrupted inputs and clean targets.
    ///
    /// # Shapes
    /// - `inputs`, `targets`: `[rows, features]`, row-major
    ///
    /// # Panics
    /// If the lengths differ, or are no multiple of `features`.
    pub fn squared_error(&self, count: usize, inputs: &[f32], targets: &[f32]) -> f64 {
        assert_eq!(inputs.len(), targets.len(), "each input needs its target");
        assert_whole_rows(inputs, self.features());
        let block = BLOCK_ROWS * self.features();
        let blocks = inputs.chunks(block).zip(targets.chunks(block));
        blocks
            .map(|(inputs, targets)| {
                let projections = self.project(count, inputs);
                let rows = targets
                    .chunks_exact(self.features())
                    .zip(projections.col_iter());
                rows.map(|(target, projection)| {
                    let values = target.iter().zip(&self.mean).zip(projection.iter());
                    values
                        .map(|((&target, mean), value)| (f64::from(target) - mean - value).powi(2))
                        .sum::<f64>()
                })
                .sum::<f64>()
            })
            .sum()
    }

    /// The reconstruction of each row from its first `count` components.
    ///
    /// # Shapes
    /// - `inputs` and the result: `[rows, features]`, row-major
    ///
    /// # Panics
    /// If the length is no multiple of `features`.
    pub fn reconstruct(&self, count: usize, inputs: &[f32]) -> Vec<f32> {
        assert_whole_rows(inputs, self.features());
        let mut outputs = Vec::with_capacity(inputs.len());
        for block in inputs.chunks(BLOCK_ROWS * self.features()) {
            for projection in self.project(count, block).col_iter() {
                let values = projection.iter().zip(&self.mean);
                outputs.extend(values.map(|(value, mean)| (value + mean) as f32));
            }
        }
        outputs
    }

    /// The coordinates `Vᵀ (x - mean)` of each row along the first `count` components.
    ///
    /// # Shapes
    /// - `inputs`: `[rows, features]`, row-major
    /// - result: `[rows, count]`, row-major
    ///
    /// # Panics
    /// If the length is no multiple of `features`.
    pub fn codes(&self, count: usize, inputs: &[f32]) -> Vec<f32> {
        assert_whole_rows(inputs, self.features());
        let mut outputs = Vec::with_capacity(inputs.len() / self.features() * count);
        for block in inputs.chunks(BLOCK_ROWS * self.features()) {
            let codes = product(
                self.components(count).transpose(),
                self.centred(block).as_ref(),
            );
            for code in codes.col_iter() {
                outputs.extend(code.iter().map(|&value| value as f32));
            }
        }
        outputs
    }

    /// `V Vᵀ (x - mean)`, a column for each row `x` of `inputs`: `[features, rows]`.
    fn project(&self, count: usize, inputs: &[f32]) -> Mat<f64> {
        let centred = self.centred(inputs); // [features, rows]
        let components = self.components(count);
        components * product(components.transpose(), centred.as_ref()) // [features, rows]
    }

    /// `x - mean`, a column for each row `x` of `inputs`: `[features, rows]`.
    fn centred(&self, inputs: &[f32]) -> Mat<f64> {
        let features = self.features();
        Mat::from_fn(features, inputs.len() / features, |feature, row| {
            f64::from(inputs[row * features + feature]) - self.mean[feature]
        })
    }
}

/// The largest angle, in degrees, between the space of the first `count` components and that of the columns of `basis`.
///
/// 0 means the same space. The columns need be neither orthogonal nor of length 1; where they are dependent, some
/// component has no counterpart, and the angle is 90.
///
/// # Shapes
/// - `basis`: `[features, count]`, row-major, such as the weight of a linear decoder
///
/// # Panics
/// If the length of `basis` is not `features * count`, or `count` is not from 1 to `features`.
pub fn largest_principal_angle(basis: &[f64], pca: &Pca, count: usize) -> Result<f64, PcaError> {
    let features = pca.features();
    assert!(
        (1..=features).contains(&count),
        "count must be from 1 to the number of features"
    );
    assert_eq!(
        basis.len(),
        features * count,
        "the basis must be [features, count]"
    );
    if !basis.iter().all(|value| value.is_finite()) {
        return Err(PcaError::NotFinite { place: "basis" });
    }
    let no_convergence = |_| PcaError::NoConvergence {
        decomposition: "singular value decomposition",
    };

    let basis = MatRef::from_row_major_slice(basis, features, count);
    let decomposition = basis.thin_svd().map_err(no_convergence)?;
    let scales = decomposition.S().column_vector();
    // The usual bound for the rank of a matrix with rounding errors, as in numpy.linalg.matrix_rank.
    if scales[count - 1] <= scales[0] * features as f64 * f64::EPSILON {
        return Ok(90.0);
    }
    let orthonormal = decomposition.U(); // [features, count]
    let components = pca.components(count); // [features, count]
    let overlap = product(components.transpose(), orthonormal); // [count, count]
    let residual = orthonormal - components * &overlap; // [features, count]
    let cosines = overlap.singular_values().map_err(no_convergence)?;
    let sines = residual.singular_values().map_err(no_convergence)?;
    // Near 0 the cosine has lost the angle's digits, near 90 degrees the sine has: the arctangent takes both.
    Ok(sines[0].atan2(cosines[count - 1]).to_degrees())
}

/// `left * right`, on all threads.
fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut result = Mat::zeros(left.nrows(), right.ncols());
    matmul(
        result.as_mut(),
        Accum::Replace,
        left,
        right,
        1.0,
        get_global_parallelism(),
    );
    result
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

fn assert_whole_rows(values: &[f32], features: usize) {
    assert!(
        values.len().is_multiple_of(features),
        "expected whole rows of {features} values, found {} values",
        values.len()
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measures::noise;

    fn fit(features: usize, rows: &[f32]) -> Pca {
        Pca::fit(features, [rows], |_| {}).unwrap()
    }

    #[test]
    fn a_line_in_the_plane_has_its_closed_form() {
        // Points (10, 20) + t (3, 4) / 5 for t = -5, 0, 5, and (10, 20) ± (4, -3) / 5 across.
        let pca = fit(
            2,
            &[7.0, 16.0, 10.0, 20.0, 13.0, 24.0, 10.8, 19.4, 9.2, 20.6],
        );
        assert!((pca.mean()[0] - 10.0).abs() < 1e-6 && (pca.mean()[1] - 20.0).abs() < 1e-6);
        assert!((pca.variances()[0] - 50.0 / 5.0).abs() < 1e-5);
        assert!((pca.variances()[1] - 2.0 / 5.0).abs() < 1e-5);
        let first = pca.components(1);
        assert!((first[(0, 0)] * 3.0 / 5.0 + first[(1, 0)] * 4.0 / 5.0).abs() > 1.0 - 1e-6);

        // (14, 17) is (10, 20) + 5 (4, -3) / 5: nothing along the line, everything across.
        let point = [14.0, 17.0];
        assert!((pca.squared_error(1, &point, &point) - 25.0).abs() < 1e-4);
        assert!((pca.squared_error(0, &point, &[10.0, 20.0])).abs() < 1e-6);
        assert!(pca.squared_error(2, &point, &point) < 1e-9);
        let reconstruction = pca.reconstruct(1, &point);
        assert!((reconstruction[0] - 10.0).abs() < 1e-4 && (reconstruction[1] - 20.0).abs() < 1e-4);
    }

    #[test]
    fn rows_of_rank_k_are_exact_with_k_components_and_not_with_fewer() {
        let [rows, features, rank] = [2500, 12, 3];
        let codes = noise(rows * rank);
        let directions = noise(rank * features + 5);
        let value = |row: usize, feature: usize| {
            let parts =
                (0..rank).map(|k| codes[row * rank + k] * directions[k * features + feature]);
            100.0 + parts.sum::<f32>()
        };
        let data: Vec<f32> = (0..rows * features)
            .map(|i| value(i / features, i % features))
            .collect();
        let pca = fit(features, &data);
        // What is left is the rounding of f32 near 100: 2^-18 at most in each value.
        let rounding = (rows * features) as f64 * 2.0_f64.powi(-36);
        assert!(pca.squared_error(rank, &data, &data) < rounding);
        assert!(pca.squared_error(rank - 1, &data, &data) > 100.0);
    }

    #[test]
    fn remaining_variances_are_the_error_and_batches_do_not_matter() {
        let [rows, features] = [2100, 7];
        let mut data = noise(rows * features);
        for row in data.chunks_exact_mut(features) {
            // Means far above the spread would cost a plain sum of squares most of its digits.
            row.iter_mut()
                .enumerate()
                .for_each(|(i, value)| *value = *value * i as f32 + 4096.0);
        }
        let pca = fit(features, &data);
        let mut seen = Vec::new();
        let in_batches = Pca::fit(features, data.chunks(600 * features), |rows| {
            seen.push(rows)
        })
        .unwrap();
        assert_eq!(seen, [600, 1200, 1800, 2100]);
        assert_eq!(pca.variances(), in_batches.variances());
        for count in 0..=features {
            let expected: f64 = pca.variances()[count..].iter().sum();
            let found = pca.squared_error(count, &data, &data) / rows as f64;
            assert!(
                (found - expected).abs() < 1e-9 * (1.0 + expected),
                "{count}: {found} {expected}"
            );
        }
        assert_eq!(
            pca.squared_error(99, &data, &data),
            pca.squared_error(7, &data, &data)
        );
    }

    #[test]
    fn components_are_orthonormal_even_where_rows_do_not_vary() {
        let pca = fit(3, &[1.0, 2.0, 3.0]);
        assert_eq!(pca.mean(), [1.0, 2.0, 3.0]);
        assert_eq!(pca.variances(), [0.0; 3]);
        let gram = pca.components(3).transpose() * pca.components(3);
        for (row, column) in (0..9).map(|i| (i / 3, i % 3)) {
            let expected = f64::from(u8::from(row == column));
            assert!((gram[(row, column)] - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn rows_that_cannot_be_fitted_are_errors() {
        let none: [&[f32]; 0] = [];
        assert!(matches!(Pca::fit(3, none, |_| {}), Err(PcaError::NoRows)));
        let bad = [1.0, f32::NAN, 2.0, f32::INFINITY];
        assert!(matches!(
            Pca::fit(2, [bad], |_| {}),
            Err(PcaError::NotFinite { .. })
        ));
    }

    #[test]
    fn angles_have_their_closed_form() {
        // Variances 9, 4 and 1 (times 2/6) along the axes.
        let axes = [
            3., 0., 0., -3., 0., 0., 0., 2., 0., 0., -2., 0., 0., 0., 1., 0., 0., -1.,
        ];
        let pca = fit(3, &axes);
        let angle = |basis: &[f64]| largest_principal_angle(basis, &pca, 2).unwrap();
        // Any basis of the plane of the first two axes, however skewed.
        assert!(angle(&[1.0, 5.0, 2.0, -3.0, 0.0, 0.0]) < 1e-12);
        for degrees in [1e-9_f64, 1e-3, 30.0, 45.0, 89.999_999] {
            let (sine, cosine) = degrees.to_radians().sin_cos();
            let found = angle(&[7.0, 0.0, 0.0, cosine, 0.0, sine]);
            assert!((found / degrees - 1.0).abs() < 1e-6, "{degrees}: {found}");
        }
        assert!((angle(&[0.0, 0.0, 0.0, 1.0, 1.0, 0.0]) - 90.0).abs() < 1e-9);
        // Dependent columns, and no columns to speak of.
        assert_eq!(angle(&[1.0, 2.0, 1.0, 2.0, 0.0, 0.0]), 90.0);
        assert_eq!(angle(&[0.0; 6]), 90.0);
        let bad = [f64::NAN; 6];
        assert!(largest_principal_angle(&bad, &pca, 2).is_err());
    }
}
