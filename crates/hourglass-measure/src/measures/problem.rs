//! The fit of the linear probe to rows of one scale: multinomial logistic regression with a free bias, whose weights are penalised.
//!
//! L-BFGS works on weights that are scaled by about the square roots of the objective's second derivatives. Sparse features,
//! whose deviations differ a lot, then take about as many steps as standardised ones.
//!
//! Matrix products are in f32; sums over blocks of rows are in f64 and in the order of the rows, so that the result is the same
//! for any number of threads. The scaled training rows are kept in memory, 4 bytes per value.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::Labelled;
use super::lbfgs::{Limits, Point, minimise};
use super::standardise::Standardisation;

/// Rows per matrix product: enough for it to be fast, few enough that a block is still in the cache when its gradient is taken.
pub(super) const BLOCK_ROWS: usize = 512;

/// About the value of `p (1 - p)` at a score that matters, from which the second derivatives are estimated.
const CURVATURE: f64 = 0.05;

/// The training rows as the objective needs them.
pub(super) struct Problem {
    /// `[rows, width]`, of one scale, the last value of each row 1.
    pub rows: Vec<f32>,
    /// The place of each row's class.
    pub targets: Vec<usize>,
    /// The number of features, plus 1 for the bias.
    pub width: usize,
    pub classes: usize,
    /// The standard deviation of each feature.
    pub deviations: Vec<f64>,
}

/// Where a fit ended.
pub(super) struct Solution {
    /// `[width, classes]`
    pub weights: Vec<f64>,
    pub objective: f64,
    pub gradient: f64,
    pub iterations: usize,
}

impl Problem {
    pub(super) fn new(
        training: Labelled<'_>,
        classes: &[u8],
        standardisation: &Standardisation,
    ) -> Self {
        Self {
            rows: standardisation.apply(training.rows()),
            targets: places(classes, training.labels()),
            width: training.features() + 1,
            classes: classes.len(),
            deviations: standardisation.deviations().to_vec(),
        }
    }

    /// Some of the rows.
    pub(super) fn of_rows(&self, rows: &[usize]) -> Self {
        let values = rows
            .iter()
            .flat_map(|row| &self.rows[row * self.width..][..self.width]);
        Self {
            rows: values.copied().collect(),
            targets: rows.iter().map(|&row| self.targets[row]).collect(),
            deviations: self.deviations.clone(),
            ..*self
        }
    }

    /// The weights with the smallest objective, sought from `start`, both `[width, classes]`.
    pub(super) fn minimise(
        &self,
        penalty: f64,
        start: &[f64],
        limits: &Limits,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Solution {
        let units = self.units(penalty);
        let scaled = |weights: &[f64], by: &dyn Fn(f64) -> f64| -> Vec<f64> {
            let weights = weights.iter().zip(&units);
            weights.map(|(weight, &unit)| weight * by(unit)).collect()
        };
        let minimum = minimise(
            scaled(start, &|unit| unit),
            &|position| {
                let weights = scaled(position, &|unit| 1.0 / unit);
                let (value, gradient) = self.objective(penalty, &weights);
                (value, scaled(&gradient, &|unit| 1.0 / unit))
            },
            limits,
            progress,
        );
        let Point {
            position, value, ..
        } = &minimum.point;
        Solution {
            weights: scaled(position, &|unit| 1.0 / unit),
            objective: *value,
            gradient: minimum.point.steepness(),
            iterations: minimum.iterations,
        }
    }

    /// The unit of each weight, `[width, classes]`; that of the bias is 1.
    fn units(&self, penalty: f64) -> Vec<f64> {
        let shrinking = penalty / (CURVATURE * self.targets.len() as f64);
        let features = self.deviations.iter().map(|deviation| {
            let curvature = deviation * deviation + shrinking;
            if curvature > 0.0 {
                curvature.sqrt()
            } else {
                1.0
            }
        });
        let units = features.chain([1.0]);
        units
            .flat_map(|unit| std::iter::repeat_n(unit, self.classes))
            .collect()
    }

    /// The objective and its gradient at `weights`, both `[width, classes]`.
    fn objective(&self, penalty: f64, weights: &[f64]) -> (f64, Vec<f64>) {
        let single = single(weights);
        let blocks = self.rows.par_chunks(BLOCK_ROWS * self.width);
        let blocks = blocks.zip(self.targets.par_chunks(BLOCK_ROWS));
        let parts: Vec<(f64, Vec<f32>)> = blocks
            .map(|(rows, targets)| self.block(rows, targets, &single))
            .collect();

        let mut value = 0.0;
        let mut gradient = vec![0.0; weights.len()];
        for (part, part_gradient) in &parts {
            value += part;
            for (sum, &part) in gradient.iter_mut().zip(part_gradient) {
                *sum += f64::from(part);
            }
        }
        let count = self.targets.len() as f64;
        let penalised = (self.width - 1) * self.classes;
        let squares: f64 = weights[..penalised]
            .iter()
            .map(|weight| weight * weight)
            .sum();
        for (index, sum) in gradient.iter_mut().enumerate() {
            let shrinking = if index < penalised {
                penalty * weights[index]
            } else {
                0.0
            };
            *sum = (*sum + shrinking) / count;
        }
        ((value + penalty / 2.0 * squares) / count, gradient)
    }

    /// The sum of the cross-entropy over a block of rows, and its gradient.
    fn block(&self, rows: &[f32], targets: &[usize], weights: &[f32]) -> (f64, Vec<f32>) {
        let mut errors = scores(rows, weights, self.classes); // [rows, classes]
        let mut nats = 0.0;
        for (row, &target) in errors.chunks_exact_mut(self.classes).zip(targets) {
            let score = f64::from(row[target]);
            nats += softmax(row) - score;
            row[target] -= 1.0;
        }
        let mut gradient = vec![0.0; weights.len()];
        // Row-major matrices read as their transposes.
        let rows = MatRef::from_column_major_slice(rows, self.width, targets.len());
        matmul(
            MatMut::from_column_major_slice_mut(&mut gradient, self.classes, self.width),
            Accum::Replace,
            MatRef::from_column_major_slice(&errors, self.classes, targets.len()),
            rows.transpose(),
            1.0,
            Par::Seq,
        ); // [classes, width], column-major
        (nats, gradient)
    }
}

/// `rows · weights`: `[rows, classes]`, row-major.
pub(super) fn scores(rows: &[f32], weights: &[f32], classes: usize) -> Vec<f32> {
    let width = weights.len() / classes;
    let count = rows.len() / width;
    let mut scores = vec![0.0; count * classes];
    matmul(
        MatMut::from_column_major_slice_mut(&mut scores, classes, count),
        Accum::Replace,
        MatRef::from_column_major_slice(weights, classes, width),
        MatRef::from_column_major_slice(rows, width, count),
        1.0,
        Par::Seq,
    ); // [classes, rows], column-major
    scores
}

/// Turns scores into probabilities in place; the result is `log Σ exp(score)`.
pub(super) fn softmax(scores: &mut [f32]) -> f64 {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += f64::from(*score);
    }
    let scale = (1.0 / sum) as f32;
    scores.iter_mut().for_each(|score| *score *= scale);
    f64::from(largest) + sum.ln()
}

/// The place of each label among the classes.
fn places(classes: &[u8], labels: &[u8]) -> Vec<usize> {
    let mut table = [0; 256];
    for (place, &class) in classes.iter().enumerate() {
        table[usize::from(class)] = place;
    }
    labels
        .iter()
        .map(|&label| table[usize::from(label)])
        .collect()
}

pub(super) fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

/// The problem that [`super::probe::Probe::fit`] solves.
#[cfg(test)]
pub(super) fn problem(training: Labelled<'_>) -> Problem {
    let standardisation = Standardisation::fit(training.rows(), training.features());
    Problem::new(training, &training.classes().unwrap(), &standardisation)
}

#[cfg(test)]
mod tests {
    use super::super::noise;
    use super::*;

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let problem = Problem {
            rows: noise(300 * 4),
            targets: (0..300).map(|row| row % 3).collect(),
            width: 4,
            classes: 3,
            deviations: vec![1.0; 3],
        };
        let weights: Vec<f64> = noise(12).iter().map(|&value| f64::from(value)).collect();
        let (_, gradient) = problem.objective(50.0, &weights);
        for index in 0..weights.len() {
            let value_at = |offset: f64| {
                let mut moved = weights.clone();
                moved[index] += offset;
                problem.objective(50.0, &moved).0
            };
            let difference = (value_at(1e-2) - value_at(-1e-2)) / 2e-2;
            assert!((difference - gradient[index]).abs() < 2e-5, "{index}");
        }
    }
}
