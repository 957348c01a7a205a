//! Features brought to one scale, so that a penalty weighs them alike.
//!
//! Dense features are brought to mean 0 and variance 1 over the training rows. The variance is divided by the number of rows. A
//! feature that is constant in training says nothing about the classes: it becomes 0 everywhere, whatever its value in other
//! rows.
//!
//! Sparse features, at least half of whose values are 0, are not shifted and keep their proportions: all are multiplied by the
//! one number that makes their mean square 1. Dividing each by its own deviation would blow up features that are rarely other
//! than 0, and after a shift they would not be sparse.

use serde::{Deserialize, Serialize};

/// How features were brought to one scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Each to mean 0 and variance 1.
    Standardised,
    /// All by one number, to a mean square of 1.
    Common,
}

/// The shift and scale of each feature.
pub(super) struct Standardisation {
    scaling: Scaling,
    means: Vec<f64>,
    /// What each feature is multiplied by; 0 for a constant one that is standardised.
    scales: Vec<f64>,
    /// The standard deviations of the features after that.
    deviations: Vec<f64>,
}

impl Standardisation {
    /// Measures the features of some rows, `[rows, features]`, of which there is at least one.
    pub(super) fn fit(rows: &[f32], features: usize) -> Self {
        let count = (rows.len() / features) as f64;
        // Sums about the first row: a large mean costs no digits, and a constant feature sums to exactly 0.
        let first = &rows[..features];
        let mut sums = vec![0.0; features];
        let mut squares = vec![0.0; features];
        for row in rows.chunks_exact(features) {
            for (index, (&value, &first)) in row.iter().zip(first).enumerate() {
                let difference = f64::from(value) - f64::from(first);
                sums[index] += difference;
                squares[index] += difference * difference;
            }
        }
        let offsets = sums.iter().map(|sum| sum / count);
        let means = offsets.clone().zip(first);
        let variances = offsets.zip(&squares);
        let deviations = variances.map(|(offset, squares)| {
            let variance = squares / count - offset * offset;
            variance.max(0.0).sqrt()
        });
        let deviations: Vec<f64> = deviations.collect();
        let reciprocal = |deviation: f64| match deviation > 0.0 {
            true => 1.0 / deviation,
            false => 0.0,
        };
        if is_sparse(rows) {
            let scale = reciprocal(root_mean_square(rows));
            return Self {
                scaling: Scaling::Common,
                means: vec![0.0; features],
                scales: vec![scale; features],
                deviations: deviations.iter().map(|value| value * scale).collect(),
            };
        }
        let scales: Vec<f64> = deviations.iter().copied().map(reciprocal).collect();
        Self {
            scaling: Scaling::Standardised,
            means: means
                .map(|(offset, &first)| offset + f64::from(first))
                .collect(),
            deviations: deviations
                .iter()
                .zip(&scales)
                .map(|(deviation, scale)| deviation * scale)
                .collect(),
            scales,
        }
    }

    /// How the features were brought to one scale.
    pub(super) fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// The standard deviation of each feature after that.
    pub(super) fn deviations(&self) -> &[f64] {
        &self.deviations
    }

    /// The length of a row before the bias is added.
    pub(super) fn features(&self) -> usize {
        self.means.len()
    }

    /// The scaled rows, each followed by a 1 that a bias can multiply.
    ///
    /// # Shapes
    /// - `rows`: `[rows, features]`, row-major
    /// - result: `[rows, features + 1]`
    pub(super) fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let features = self.features();
        let mut outputs = Vec::with_capacity(rows.len() + rows.len() / features);
        for row in rows.chunks_exact(features) {
            let values = row.iter().zip(&self.means).zip(&self.scales);
            outputs.extend(
                values.map(|((&value, mean), scale)| ((f64::from(value) - mean) * scale) as f32),
            );
            outputs.push(1.0);
        }
        outputs
    }
}

fn is_sparse(values: &[f32]) -> bool {
    let zeros = values.iter().filter(|&&value| value == 0.0).count();
    2 * zeros >= values.len()
}

fn root_mean_square(values: &[f32]) -> f64 {
    let squares = values.iter().map(|&value| f64::from(value).powi(2));
    (squares.sum::<f64>() / values.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_features_keep_their_zeros_and_their_proportions() {
        // Five of eight values are 0; the squares of the others have a mean of 2 over all.
        let rows = [0.0, 2.0, 0.0, 0.0, 2.0, 0.0, 0.0, 8.0_f32.sqrt()];
        let standardisation = Standardisation::fit(&rows, 2);
        assert_eq!(standardisation.scaling(), Scaling::Common);
        let scale = (1.0 / 2.0_f64.sqrt()) as f32;
        let expected = rows.map(|value| value * scale);
        let found = standardisation.apply(&rows);
        for (found, expected) in found.chunks_exact(3).zip(expected.chunks_exact(2)) {
            assert!((found[0] - expected[0]).abs() < 1e-6);
            assert!((found[1] - expected[1]).abs() < 1e-6);
        }
        // 0, 0, 2, 0 has variance 3/4, half of which is left.
        assert!((standardisation.deviations()[0] - 0.375_f64.sqrt()).abs() < 1e-6);
        let zeros = Standardisation::fit(&[0.0; 4], 2);
        assert_eq!(zeros.apply(&[0.0, 3.0]), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn features_get_mean_0_and_variance_1_and_constant_ones_vanish() {
        // The first feature has mean 1000 and variance 4, the second does not vary.
        let rows = [998.0, 0.1, 1002.0, 0.1, 998.0, 0.1, 1002.0, 0.1];
        let standardisation = Standardisation::fit(&rows, 2);
        let found = standardisation.apply(&rows);
        assert_eq!(
            found,
            [-1.0, 0.0, 1.0, 1.0, 0.0, 1.0, -1.0, 0.0, 1.0, 1.0, 0.0, 1.0]
        );
        assert_eq!(standardisation.apply(&[1006.0, 7.0]), [3.0, 0.0, 1.0]);
        assert_eq!(standardisation.deviations(), [1.0, 0.0]);
    }
}
