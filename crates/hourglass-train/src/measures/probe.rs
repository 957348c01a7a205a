//! The linear probe: how well a linear classifier tells the classes from codes, Alain and Bengio, "Understanding intermediate
//! layers using linear classifier probes" (2016).
//!
//! Multinomial logistic regression on standardised features `z` (mean 0 and variance 1 over the `n` training rows):
//!
//! `p(class | z) = softmax(W z + b)`, minimising `-1/n Σ log p(label | z) + penalty / (2 n) ‖W‖²`
//!
//! with a free bias. With the default penalty of 1 this is `LogisticRegression(C=1.0)` of scikit-learn after its
//! `StandardScaler`. The objective is convex; L-BFGS stops at the gradient or the number of steps of the [`ProbeConfig`],
//! and [`Probe::ending`] says at which.
//!
//! Matrix products are in f32, sums over blocks of rows in f64 and in the order of the rows: the result is the same for any
//! number of threads. The standardised training rows are kept in memory, 4 bytes a value.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use serde::Serialize;

use super::lbfgs::{Limits, minimise};
use super::standardise::Standardisation;
use super::{Confusion, Estimate, Labelled, MeasureError};

/// Rows to a matrix product: enough for it to be fast, few enough that a block is in the cache when its gradient is taken.
const BLOCK_ROWS: usize = 512;

/// How the classifier is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbeConfig {
    /// The weight of `‖W‖² / (2 n)`, not negative.
    pub penalty: f64,
    /// The largest absolute value in the gradient that counts as zero.
    pub gradient_tolerance: f64,
    /// The most steps of L-BFGS.
    pub max_iterations: usize,
}

impl Default for ProbeConfig {
    /// Scikit-learn's penalty and tolerance; 200 steps: on the pixels of MNIST the tolerance is met after about 190.
    fn default() -> Self {
        Self {
            penalty: 1.0,
            gradient_tolerance: 1e-4,
            max_iterations: 200,
        }
    }
}

/// How fitting ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ending {
    /// Steps of L-BFGS.
    pub iterations: usize,
    /// The objective reached, in nats.
    pub objective: f64,
    /// The largest absolute value in its gradient.
    pub gradient: f64,
    /// Whether the gradient is within its tolerance; otherwise the steps ran out, or rounding hid the way down.
    pub converged: bool,
}

/// A fitted classifier.
pub struct Probe {
    /// The classes of the training rows, in increasing order.
    classes: Vec<u8>,
    standardisation: Standardisation,
    /// `[features + 1, classes]`, the bias last.
    weights: Vec<f32>,
    ending: Ending,
}

impl Probe {
    /// Fits to training rows; `progress` is told the steps done and the most there can be.
    pub fn fit(
        training: Labelled<'_>,
        config: &ProbeConfig,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, MeasureError> {
        let ProbeConfig {
            penalty,
            gradient_tolerance,
            max_iterations,
        } = *config;
        if !(penalty.is_finite() && penalty >= 0.0) {
            return Err(MeasureError::Value {
                what: "the probe's penalty",
                expected: "a finite value from 0",
                found: penalty,
            });
        }
        let classes = training.classes()?;
        let standardisation = Standardisation::fit(training.rows(), training.features());
        let problem = Problem {
            rows: standardisation.apply(training.rows()),
            targets: places(&classes, training.labels()),
            width: training.features() + 1,
            classes: classes.len(),
            penalty,
        };
        let limits = Limits {
            gradient: gradient_tolerance,
            iterations: max_iterations,
        };
        let start = vec![0.0; problem.width * problem.classes];
        let minimum = minimise(
            start,
            &|weights| problem.objective(weights),
            &limits,
            progress,
        );
        let gradient = minimum.point.steepness();
        Ok(Self {
            classes,
            standardisation,
            weights: single(&minimum.point.position),
            ending: Ending {
                iterations: minimum.iterations,
                objective: minimum.point.value,
                gradient,
                converged: gradient <= gradient_tolerance,
            },
        })
    }

    /// How fitting ended.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// The classes that it tells apart, in increasing order.
    pub fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// The share of test rows whose most probable class is theirs, with the binomial standard error.
    ///
    /// A class that was not in training is never predicted: its rows count as wrong.
    pub fn accuracy(&self, test: Labelled<'_>) -> Result<Estimate, MeasureError> {
        let accuracy = self.confusion(test)?.accuracy();
        accuracy.ok_or(MeasureError::Empty { what: "test rows" })
    }

    /// Which classes the most probable ones of the test rows are.
    pub fn confusion(&self, test: Labelled<'_>) -> Result<Confusion, MeasureError> {
        test.check_features(self.standardisation.features())?;
        let probabilities = self.probabilities(test.rows())?;
        let rows = probabilities.chunks_exact(self.classes.len());
        let predicted = rows.map(|probabilities| self.classes[largest(probabilities)]);
        let actual = test.labels().iter().copied();
        Ok(Confusion::count(actual.zip(predicted)))
    }

    /// The probability of each class for each row.
    ///
    /// # Shapes
    /// - `rows`: `[rows, features]`, row-major
    /// - result: `[rows, classes]`
    pub fn probabilities(&self, rows: &[f32]) -> Result<Vec<f32>, MeasureError> {
        let features = self.standardisation.features();
        if !rows.len().is_multiple_of(features) {
            return Err(MeasureError::Length {
                what: "values of the test rows",
                expected: rows.len() / features * features,
                found: rows.len(),
            });
        }
        let classes = self.classes.len();
        let blocks = rows.par_chunks(BLOCK_ROWS * features).map(|block| {
            let block = self.standardisation.apply(block); // [rows, features + 1]
            let mut scores = scores(&block, &self.weights, classes); // [rows, classes]
            scores.chunks_exact_mut(classes).for_each(|row| {
                softmax(row);
            });
            scores
        });
        Ok(blocks.collect::<Vec<_>>().concat())
    }
}

/// The training rows as the objective needs them.
struct Problem {
    /// `[rows, width]`, standardised, the last value of each row 1.
    rows: Vec<f32>,
    /// The place of each row's class.
    targets: Vec<usize>,
    /// Features and the bias.
    width: usize,
    classes: usize,
    penalty: f64,
}

impl Problem {
    /// The objective and its gradient at `weights`, both `[width, classes]`.
    fn objective(&self, weights: &[f64]) -> (f64, Vec<f64>) {
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
                self.penalty * weights[index]
            } else {
                0.0
            };
            *sum = (*sum + shrinking) / count;
        }
        ((value + self.penalty / 2.0 * squares) / count, gradient)
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
fn scores(rows: &[f32], weights: &[f32], classes: usize) -> Vec<f32> {
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
fn softmax(scores: &mut [f32]) -> f64 {
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

/// The place of the largest value, the first of equal ones.
fn largest(values: &[f32]) -> usize {
    let pairs = values.iter().enumerate();
    pairs.fold(
        0,
        |best, (place, value)| if *value > values[best] { place } else { best },
    )
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

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{golden, list, noise};
    use super::*;

    fn fit(rows: &[f32], labels: &[u8], config: &ProbeConfig) -> Result<Probe, MeasureError> {
        Probe::fit(Labelled::new(rows, labels)?, config, &mut |_, _| {})
    }

    #[test]
    fn the_fit_is_that_of_scikit_learn() {
        let golden = golden("probe");
        let training: Vec<f32> = list(&golden["training"]);
        let labels: Vec<u8> = list(&golden["training_labels"]);
        let test: Vec<f32> = list(&golden["test"]);
        let test_labels: Vec<u8> = list(&golden["test_labels"]);
        for case in golden["cases"].as_array().unwrap() {
            let config = ProbeConfig {
                penalty: case["penalty"].as_f64().unwrap(),
                gradient_tolerance: 1e-5,
                ..ProbeConfig::default()
            };
            let probe = fit(&training, &labels, &config).unwrap();
            assert!(probe.ending().converged && probe.ending().gradient <= 1e-5);
            let objective = case["objective"].as_f64().unwrap();
            assert!((probe.ending().objective - objective).abs() < 1e-7);
            let found = probe.probabilities(&test).unwrap();
            let expected: Vec<Vec<f32>> = list(&case["probabilities"]);
            for (found, expected) in std::iter::zip(found, expected.concat()) {
                assert!((found - expected).abs() < 1e-4, "{found} {expected}");
            }
            let accuracy = probe
                .accuracy(Labelled::new(&test, &test_labels).unwrap())
                .unwrap();
            assert_eq!(accuracy.value, case["accuracy"].as_f64().unwrap());
        }
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let problem = Problem {
            rows: noise(300 * 4),
            targets: (0..300).map(|row| row % 3).collect(),
            width: 4,
            classes: 3,
            penalty: 50.0,
        };
        let weights: Vec<f64> = noise(12).iter().map(|&value| f64::from(value)).collect();
        let (_, gradient) = problem.objective(&weights);
        for index in 0..weights.len() {
            let value_at = |offset: f64| {
                let mut moved = weights.clone();
                moved[index] += offset;
                problem.objective(&moved).0
            };
            let difference = (value_at(1e-2) - value_at(-1e-2)) / 2e-2;
            assert!((difference - gradient[index]).abs() < 2e-5, "{index}");
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let rows = noise(700 * 9);
        let labels: Vec<u8> = (0..700).map(|row| (row % 5) as u8).collect();
        let objective_with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let probe = pool.install(|| fit(&rows, &labels, &ProbeConfig::default()).unwrap());
            (probe.ending().objective.to_bits(), probe.weights)
        };
        assert_eq!(objective_with(1), objective_with(3));
    }

    #[test]
    fn steps_that_run_out_are_told() {
        let config = ProbeConfig {
            gradient_tolerance: 0.0,
            max_iterations: 2,
            ..ProbeConfig::default()
        };
        let labels = [0, 1, 0, 1, 1, 0];
        let probe = fit(&noise(12), &labels, &config).unwrap();
        assert!(!probe.ending().converged && probe.ending().iterations == 2);
        assert_eq!(probe.classes(), [0, 1]);
    }

    #[test]
    fn rows_that_can_not_be_told_apart_are_refused() {
        let config = ProbeConfig::default();
        assert_eq!(
            fit(&noise(4), &[3, 3], &config).err(),
            Some(MeasureError::OneClass { class: 3 })
        );
        assert!(fit(&[0.0, f32::NAN], &[0, 1], &config).is_err());
        assert!(fit(&[], &[], &config).is_err());
        let negative = ProbeConfig {
            penalty: -1.0,
            ..config
        };
        assert!(fit(&noise(4), &[0, 1], &negative).is_err());
        let probe = fit(&noise(4), &[0, 1], &config).unwrap();
        assert!(probe.probabilities(&noise(3)).is_err());
        // As many values as two rows of training, but one row.
        let longer = probe.accuracy(Labelled::new(&noise(4), &[0]).unwrap());
        assert_eq!(
            longer.unwrap_err().to_string(),
            "features of the test rows: expected 2, found 4"
        );
        // A class that training did not know is wrong.
        let accuracy = probe
            .accuracy(Labelled::new(&noise(2), &[9]).unwrap())
            .unwrap();
        assert_eq!(accuracy.value, 0.0);
    }
}
