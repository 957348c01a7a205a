//! Features brought to mean 0 and variance 1 over the training rows, so that a penalty weighs them alike.
//!
//! The variance is divided by the number of rows. A feature that is constant in training tells nothing of the classes: it
//! becomes 0 everywhere, whatever its value in other rows.

/// The shift and scale of each feature.
pub(super) struct Standardisation {
    means: Vec<f64>,
    /// 1 over the standard deviation; 0 for a constant feature.
    scales: Vec<f64>,
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
        Self {
            means: means
                .map(|(offset, &first)| offset + f64::from(first))
                .collect(),
            scales: variances
                .map(|(offset, squares)| squares / count - offset * offset)
                .map(|variance| {
                    if variance > 0.0 {
                        1.0 / variance.sqrt()
                    } else {
                        0.0
                    }
                })
                .collect(),
        }
    }

    /// The length of a row before.
    pub(super) fn features(&self) -> usize {
        self.means.len()
    }

    /// The standardised rows, each followed by a 1 that a bias can multiply.
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

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
