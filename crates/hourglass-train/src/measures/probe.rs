//! The linear probe: how well a linear classifier tells the classes from codes, Alain and Bengio, "Understanding intermediate
//! layers using linear classifier probes" (2016).
//!
//! Multinomial logistic regression on features `z` of one scale ([`Scaling`]), over the `n` training rows:
//!
//! `p(class | z) = softmax(W z + b)`, minimising `-1/n Σ log p(label | z) + penalty / (2 n) ‖W‖²`
//!
//! with a free bias. The penalty is chosen on training rows that are held out, unless it is given; [`Probe::choice`] says what
//! was chosen. With a penalty P this is `LogisticRegression(C=1/P)` of scikit-learn on features of the same scale. The
//! objective is convex; L-BFGS stops at the gradient or the number of steps of the [`ProbeConfig`], and [`Probe::ending`]
//! says at which.
//!
//! L-BFGS moves in weights that are measured in units of their own, about the square roots of the objective's second
//! derivatives: sparse features, whose deviations differ by a lot, then take about as many steps as standardised ones.
//!
//! Matrix products are in f32, sums over blocks of rows in f64 and in the order of the rows: the result is the same for any
//! number of threads. The scaled training rows are kept in memory, 4 bytes a value.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::lbfgs::{Limits, Point, minimise};
use super::penalty::{self, Chosen};
pub use super::standardise::Scaling;
use super::standardise::Standardisation;
use super::{Confusion, Estimate, Labelled, MeasureError};

/// Rows to a matrix product: enough for it to be fast, few enough that a block is in the cache when its gradient is taken.
const BLOCK_ROWS: usize = 512;

/// `p (1 - p)` at a score that matters, about: with it the second derivatives are guessed.
const CURVATURE: f64 = 0.05;

/// How the classifier is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbeConfig {
    /// The weight of `‖W‖² / (2 n)`, not negative; where there is none, it is chosen on training rows that are held out.
    pub penalty: Option<f64>,
    /// The largest absolute value in the gradient that counts as zero.
    pub gradient_tolerance: f64,
    /// The most steps of L-BFGS.
    pub max_iterations: usize,
}

impl Default for ProbeConfig {
    /// A penalty that is chosen; scikit-learn's tolerance; 200 steps.
    fn default() -> Self {
        Self {
            penalty: None,
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
    /// The largest absolute value in its gradient, to weights in the units that L-BFGS moves in.
    pub gradient: f64,
    /// Whether the gradient is within its tolerance; otherwise the steps ran out, or rounding hid the way down.
    pub converged: bool,
}

/// What a classifier was fitted with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The weight of `‖W‖² / (2 n)`.
    pub penalty: f64,
    /// The training rows on which it was chosen, held out from fits to others; 0 where it was given, or where there were too
    /// few rows.
    pub held_out: usize,
    /// How the features were brought to one scale.
    pub scaling: Scaling,
}

/// A fitted classifier.
pub struct Probe {
    /// The classes of the training rows, in increasing order.
    classes: Vec<u8>,
    standardisation: Standardisation,
    /// `[features + 1, classes]`, the bias last.
    weights: Vec<f32>,
    choice: Choice,
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
        if let Some(found) = penalty.filter(|penalty| !(penalty.is_finite() && *penalty >= 0.0)) {
            return Err(MeasureError::Value {
                what: "the probe's penalty",
                expected: "a finite value from 0",
                found,
            });
        }
        let classes = training.classes()?;
        let standardisation = Standardisation::fit(training.rows(), training.features());
        let problem = Problem::new(training, &classes, &standardisation);
        let limits = Limits {
            gradient: gradient_tolerance,
            iterations: max_iterations,
        };
        let chosen = match penalty {
            Some(penalty) => problem.given(penalty),
            None => problem.chosen(&limits, progress),
        };
        let mut progress = |done, total| progress(chosen.steps + done, chosen.steps + total);
        let solution = problem.minimise(chosen.penalty, &chosen.weights, &limits, &mut progress);
        Ok(Self {
            classes,
            weights: single(&solution.weights),
            choice: Choice {
                penalty: chosen.penalty,
                held_out: chosen.held_out,
                scaling: standardisation.scaling(),
            },
            ending: Ending {
                iterations: solution.iterations,
                objective: solution.objective,
                gradient: solution.gradient,
                converged: solution.gradient <= gradient_tolerance,
            },
            standardisation,
        })
    }

    /// What it was fitted with.
    pub fn choice(&self) -> Choice {
        self.choice
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
pub(super) struct Problem {
    /// `[rows, width]`, of one scale, the last value of each row 1.
    pub rows: Vec<f32>,
    /// The place of each row's class.
    pub targets: Vec<usize>,
    /// Features and the bias.
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
    fn new(training: Labelled<'_>, classes: &[u8], standardisation: &Standardisation) -> Self {
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

    /// A penalty that was not chosen here, and weights to start from.
    fn given(&self, penalty: f64) -> Chosen {
        Chosen {
            penalty,
            held_out: 0,
            weights: vec![0.0; self.width * self.classes],
            nats: Vec::new(),
            steps: 0,
        }
    }

    /// A penalty chosen on rows held out, or the default where they are too few.
    fn chosen(&self, limits: &Limits, progress: &mut dyn FnMut(usize, usize)) -> Chosen {
        let most = penalty::MOST_STEPS + limits.iterations;
        let chosen = penalty::choose(self, limits.gradient, &mut |done| progress(done, most));
        chosen.unwrap_or_else(|| self.given(penalty::DEFAULT))
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

/// The problem that [`Probe::fit`] solves.
#[cfg(test)]
pub(super) fn problem(training: Labelled<'_>) -> Problem {
    let standardisation = Standardisation::fit(training.rows(), training.features());
    Problem::new(training, &training.classes().unwrap(), &standardisation)
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
                penalty: case["penalty"].as_f64(),
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
            penalty: Some(-1.0),
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
