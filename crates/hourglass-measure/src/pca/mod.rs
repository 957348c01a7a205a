//! Exact principal component analysis, as a baseline: it is the best linear autoencoder for every code size at once.
//!
//! With mean `m` and the first `k` eigenvectors of the covariance as the columns of `V`, the reconstruction is
//! `m + V Vᵀ (x - m)`. No linear encoder and decoder with a code of size `k` has a lower squared error on the rows fitted
//! (Eckart and Young, 1936; Baldi and Hornik, 1989, for autoencoders).
//!
//! | file | what it computes |
//! |---|---|
//! | `covariance` | all components, for rows of up to a thousand features |
//! | `leading` | the first components of longer rows, from the rows' Gram matrix or by block Lanczos iteration |
//!
//! All computations are in f64.

mod angle;
mod covariance;
mod error;
mod file;
mod krylov;
mod leading;
mod rows;

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Side, get_global_parallelism};

pub use angle::largest_principal_angle;
pub use covariance::PcaBuilder;
pub use error::{MOST_BYTES, PcaError};
pub use leading::rows_fitted;
pub use rows::Rows;

/// Rows per matrix product: enough to keep the cores busy.
const BLOCK_ROWS: usize = 1024;

/// The most values of a block of rows, 64 MB. If rows are long, a block has fewer.
const BLOCK_VALUES: usize = 1 << 23;

/// The rows of a block.
fn block_rows(features: usize) -> usize {
    (BLOCK_VALUES / features).clamp(1, BLOCK_ROWS)
}

/// The time between two reports that a decomposition is still running.
const TICK: Duration = Duration::from_millis(100);

/// The mean and the first principal components of a set of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    mean: Vec<f64>,
    /// `[features, kept]`, orthonormal columns in the order of `variances`.
    components: Mat<f64>,
    variances: Vec<f64>,
}

impl Pca {
    /// Keeps only the first components.
    fn first(mut self, count: usize) -> Self {
        self.components = self.components(count).to_owned();
        self.variances.truncate(count);
        self
    }

    /// The length of a row.
    pub fn features(&self) -> usize {
        self.mean.len()
    }

    /// The mean row: `[features]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The variance along each component that was kept, decreasing: `[kept]`.
    ///
    /// Sums are divided by the number of rows. Where all components were kept, those after the first `count` add up to the
    /// mean squared error, per row, of `count` components on the rows fitted.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// The first `count` components as orthonormal columns: `[features, count]`.
    ///
    /// A larger `count` than were kept, here and in the other functions, means all of them.
    pub fn components(&self, count: usize) -> MatRef<'_, f64> {
        self.components
            .get(.., ..count.min(self.components.ncols()))
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
        let block = block_rows(self.features()) * self.features();
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
        for block in inputs.chunks(block_rows(self.features()) * self.features()) {
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
        let kept = count.min(self.components.ncols());
        let mut outputs = Vec::with_capacity(inputs.len() / self.features() * count);
        for block in inputs.chunks(block_rows(self.features()) * self.features()) {
            let codes = product(
                self.components(count).transpose(),
                self.centred(block).as_ref(),
            );
            for code in codes.col_iter() {
                outputs.extend(code.iter().map(|&value| value as f32));
                // Rows do not vary along components beyond those that were kept.
                outputs.extend(std::iter::repeat_n(0.0, count - kept));
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
        centred(inputs, &self.mean)
    }
}

/// `x - mean`, a column for each row `x`: `[features, rows]`.
fn centred(rows: &[f32], mean: &[f64]) -> Mat<f64> {
    let features = mean.len();
    Mat::from_fn(features, rows.len() / features, |feature, row| {
        f64::from(rows[row * features + feature]) - mean[feature]
    })
}

/// The eigenvalues of a symmetric matrix, decreasing, and its eigenvectors as columns. They are computed on a thread of
/// their own, which takes seconds for thousands of columns; `waiting` is called in the meantime.
fn eigen(matrix: Mat<f64>, waiting: &mut dyn FnMut()) -> Result<(Vec<f64>, Mat<f64>), PcaError> {
    let failed = PcaError::NoConvergence {
        decomposition: "eigendecomposition",
    };
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let decomposition = matrix.self_adjoint_eigen(Side::Lower);
        let decomposition = decomposition.map(|found| {
            // Eigenvalues come in increasing order; rounding can leave those of empty directions slightly negative.
            let values = found.S().column_vector().iter();
            let values = values.rev().map(|value| value.max(0.0)).collect();
            (values, found.U().reverse_cols().to_owned())
        });
        // Nobody listens where the wait was interrupted.
        let _ = sender.send(decomposition);
    });
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(decomposition) => return decomposition.map_err(|_| failed),
            Err(RecvTimeoutError::Timeout) => waiting(),
            Err(RecvTimeoutError::Disconnected) => return Err(failed),
        }
    }
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
