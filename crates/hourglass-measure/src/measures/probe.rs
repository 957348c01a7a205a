//! The linear probe: how well a linear classifier tells the classes from codes (Alain and Bengio, "Understanding intermediate
//! layers using linear classifier probes", 2016).
//!
//! Multinomial logistic regression on features `z` of one scale ([`Scaling`]), over the `n` training rows:
//!
//! `p(class | z) = softmax(W z + b)`, minimising `-1/n Σ log p(label | z) + penalty / (2 n) ‖W‖²`
//!
//! with a free bias. The penalty is chosen on training rows that are held out, unless it is given; [`Probe::choice`] says what
//! was chosen. With a penalty P this is `LogisticRegression(C=1/P)` of scikit-learn on features of the same scale. The
//! objective is convex; L-BFGS stops at the gradient or the number of steps of the [`ProbeConfig`]; [`Probe::ending`]
//! says at which of them.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::lbfgs::Limits;
use super::penalty::ChosenPenalty;
use super::problem::{BLOCK_ROWS, Problem, scores, single, softmax};
pub use super::standardise::Scaling;
use super::standardise::Standardisation;
use super::{Confusion, Estimate, Labelled, MeasureError};

/// How the classifier is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbeConfig {
    /// The weight of `‖W‖² / (2 n)`, not negative. If none is given, it is chosen on training rows that are held out.
    pub penalty: Option<f64>,
    /// The largest absolute value in the gradient that counts as zero.
    pub gradient_tolerance: f64,
    /// The most steps of L-BFGS.
    pub max_iterations: usize,
}

impl Default for ProbeConfig {
    /// The penalty is chosen on rows held out; the tolerance is scikit-learn's; there are at most 200 steps.
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
pub struct FitEnding {
    /// Steps of L-BFGS.
    pub iterations: usize,
    /// The objective reached, in nats.
    pub objective: f64,
    /// The largest absolute value in its gradient, with respect to weights in the units that L-BFGS uses.
    pub gradient: f64,
    /// Whether the gradient is within its tolerance; if not, the steps ran out, or rounding left no step that leads down.
    pub converged: bool,
}

/// What a classifier was fitted with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The weight of `‖W‖² / (2 n)`.
    pub penalty: f64,
    /// The number of training rows held out, on which the penalty was chosen; 0 where it was given, or where there were too
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
    ending: FitEnding,
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
            Some(penalty) => ChosenPenalty::given(penalty, &problem),
            None => ChosenPenalty::on_held_out(&problem, &limits, progress),
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
            ending: FitEnding {
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
    pub fn ending(&self) -> FitEnding {
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

    /// Counts the most probable class of each test row against its true class.
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

/// The place of the largest value, the first of equal ones.
fn largest(values: &[f32]) -> usize {
    let pairs = values.iter().enumerate();
    pairs.fold(
        0,
        |best, (place, value)| if *value > values[best] { place } else { best },
    )
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
