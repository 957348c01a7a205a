//! The penalty of the linear probe, chosen on training rows that are held out.
//!
//! At most 10,000 training rows are used, drawn without regard to their order. A fifth of them is held out, and the classifier is
//! fitted to the rest with each penalty, the strongest first; each fit begins where the one before ended. The penalty with the
//! smallest cross-entropy on the rows held out is chosen; once a weaker one is no better, still weaker ones are not tried. The
//! penalty is the precision of a normal prior of the weights. It does not depend on the number of rows, so the fit to all rows
//! uses it as it is.

use super::lbfgs::Limits;
use super::problem::{Problem, scores, softmax};

/// The penalties that are tried.
pub(super) const PENALTIES: [f64; 5] = [1000.0, 100.0, 10.0, 1.0, 0.1];

/// The penalty if there are too few rows to choose one: scikit-learn's default.
pub(super) const DEFAULT: f64 = 1.0;

/// The most rows that are used for the choice, and the most values that they may have: 40 MB.
const MOST_ROWS: usize = 10_000;
const MOST_VALUES: usize = 10_000_000;

/// The fewest rows for which a penalty is chosen: with fewer, the rows held out say too little.
const FEWEST_ROWS: usize = 100;

/// One of so many rows is held out.
const HELD_OUT: usize = 5;

/// The most steps of each fit: a choice between factors of ten needs no exact fit.
const STEPS: usize = 100;

/// The most steps of all fits.
pub(super) const MOST_STEPS: usize = STEPS * PENALTIES.len();

/// What was chosen.
pub(super) struct ChosenPenalty {
    pub penalty: f64,
    /// Rows that were held out.
    pub held_out: usize,
    /// The weights that were fitted with it, from which the fit to all rows starts, `[width, classes]`.
    pub weights: Vec<f64>,
    /// The cross-entropy on the rows held out with each penalty that was tried, in nats.
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with scikit-learn's"))]
    pub nats: Vec<f64>,
    /// Steps taken in all.
    pub steps: usize,
}

impl ChosenPenalty {
    /// A penalty that is given, and weights to start from.
    pub(super) fn given(penalty: f64, problem: &Problem) -> Self {
        Self {
            penalty,
            held_out: 0,
            weights: vec![0.0; problem.width * problem.classes],
            nats: Vec::new(),
            steps: 0,
        }
    }

    /// A penalty chosen on rows held out, or the default where they are too few.
    pub(super) fn on_held_out(
        problem: &Problem,
        limits: &Limits,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Self {
        let most = MOST_STEPS + limits.iterations;
        let chosen = choose(problem, limits.gradient, &mut |done| progress(done, most));
        chosen.unwrap_or_else(|| Self::given(DEFAULT, problem))
    }
}

/// Chooses a penalty for a problem; none where there are too few rows, or too few classes among them. `progress` is told the
/// steps done.
pub(super) fn choose(
    problem: &Problem,
    gradient_tolerance: f64,
    progress: &mut dyn FnMut(usize),
) -> Option<ChosenPenalty> {
    let (fitted, held_out) = parts(problem)?;
    let limits = Limits {
        gradient: gradient_tolerance,
        iterations: STEPS,
    };
    let mut chosen: Option<ChosenPenalty> = None;
    let mut weights = vec![0.0; problem.width * problem.classes];
    let (mut steps, mut nats) = (0, Vec::new());
    for penalty in PENALTIES {
        let minimum = fitted.minimise(penalty, &weights, &limits, &mut |done, _| {
            progress(steps + done);
        });
        steps += minimum.iterations;
        weights = minimum.weights;
        let found = mean_nats(&held_out, &weights);
        let is_better = nats.last().is_none_or(|&before| found < before);
        nats.push(found);
        if !is_better {
            break;
        }
        chosen = Some(ChosenPenalty {
            penalty,
            held_out: held_out.targets.len(),
            weights: weights.clone(),
            nats: Vec::new(),
            steps: 0,
        });
    }
    chosen.map(|chosen| ChosenPenalty {
        nats,
        steps,
        ..chosen
    })
}

/// The rows that are fitted to, and those that are held out.
fn parts(problem: &Problem) -> Option<(Problem, Problem)> {
    let all = problem.targets.len();
    let affordable = (MOST_VALUES / problem.width).max(FEWEST_ROWS);
    let rows = all.min(MOST_ROWS).min(affordable);
    if rows < FEWEST_ROWS {
        return None;
    }
    let order = shuffled(all);
    let (held_out, fitted) = order[..rows].split_at(rows / HELD_OUT);
    let mut occurs = vec![false; problem.classes];
    for &row in fitted {
        occurs[problem.targets[row]] = true;
    }
    // A class that is not among the rows fitted to is never predicted, whatever the penalty.
    let held_out: Vec<usize> = held_out
        .iter()
        .copied()
        .filter(|&row| occurs[problem.targets[row]])
        .collect();
    let classes = occurs.iter().filter(|occurs| **occurs).count();
    (classes > 1 && !held_out.is_empty())
        .then(|| (problem.of_rows(fitted), problem.of_rows(&held_out)))
}

/// Row numbers in a shuffled order that depends on their count alone, since rows may be sorted by class or alternate.
pub(super) fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&row| scrambled(row as u64));
    order
}

/// SplitMix64's output for a state (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
fn scrambled(state: u64) -> u64 {
    let mixed = state.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The mean cross-entropy of rows in nats.
fn mean_nats(problem: &Problem, weights: &[f64]) -> f64 {
    let weights: Vec<f32> = weights.iter().map(|&value| value as f32).collect();
    let mut scores = scores(&problem.rows, &weights, problem.classes);
    let rows = scores.chunks_exact_mut(problem.classes);
    let nats = rows.zip(&problem.targets).map(|(row, &target)| {
        let score = f64::from(row[target]);
        softmax(row) - score
    });
    nats.sum::<f64>() / problem.targets.len() as f64
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Probe, ProbeConfig, Scaling};
    use super::super::problem::problem;
    use super::super::{Labelled, golden, list};
    use super::*;

    /// The same rows held out, the same cross-entropies on them, the same choice, and by it the same answers.
    #[test]
    fn the_choice_is_that_of_scikit_learn() {
        for case in golden("penalty").as_array().unwrap() {
            let training: Vec<f32> = list(&case["training"]);
            let labels: Vec<u8> = list(&case["training_labels"]);
            let test: Vec<f32> = list(&case["test"]);
            let test_labels: Vec<u8> = list(&case["test_labels"]);
            let training = Labelled::new(&training, &labels).unwrap();

            let expected = &case["choice"];
            let rows: Vec<usize> = list(&expected["held_out"]);
            assert_eq!(shuffled(labels.len())[..rows.len()], rows);
            let chosen = choose(&problem(training), 1e-6, &mut |_| {}).unwrap();
            assert_eq!(chosen.held_out, rows.len());
            assert_eq!(Some(chosen.penalty), expected["penalty"].as_f64());
            let nats: Vec<f64> = list(&expected["nats"]);
            assert_eq!(chosen.nats.len(), 4, "one more than the best");
            for (found, expected) in chosen.nats.iter().zip(nats) {
                assert!((found - expected).abs() < 1e-4, "{found} {expected}");
            }

            let config = ProbeConfig {
                gradient_tolerance: 1e-5,
                ..ProbeConfig::default()
            };
            let mut last = (0, 1);
            let probe = Probe::fit(training, &config, &mut |done, total| {
                assert!(done > last.0 && done <= total, "{done} of {total}");
                last = (done, total);
            });
            let probe = probe.unwrap();
            assert!(probe.ending().converged);
            let choice = probe.choice();
            assert_eq!(
                (choice.penalty, choice.held_out),
                (chosen.penalty, chosen.held_out)
            );
            let scaling: Scaling = serde_json::from_value(case["scaling"].clone()).unwrap();
            assert_eq!(choice.scaling, scaling);
            let found = probe.probabilities(&test).unwrap();
            let expected: Vec<Vec<f32>> = list(&case["probabilities"]);
            for (found, expected) in found.iter().zip(expected.concat()) {
                assert!((found - expected).abs() < 1e-3, "{found} {expected}");
            }
            let accuracy = probe.accuracy(Labelled::new(&test, &test_labels).unwrap());
            assert_eq!(Some(accuracy.unwrap().value), case["accuracy"].as_f64());
        }
    }

    #[test]
    fn few_rows_have_the_default_and_lonely_classes_no_say() {
        let rows: Vec<f32> = (0..120).map(|row| (row * 37 % 101) as f32).collect();
        let labels: Vec<u8> = (0..120).map(|row| (row % 2) as u8).collect();
        let few = Labelled::new(&rows[..99], &labels[..99]).unwrap();
        let probe = Probe::fit(few, &ProbeConfig::default(), &mut |_, _| {}).unwrap();
        assert_eq!(
            (probe.choice().penalty, probe.choice().held_out),
            (DEFAULT, 0)
        );

        // A class that only a row held out has: it is no part of the choice.
        let lonely = shuffled(120)[0];
        let mut labels = labels;
        labels[lonely] = 9;
        let all = Labelled::new(&rows, &labels).unwrap();
        let chosen = choose(&problem(all), 1e-4, &mut |_| {}).unwrap();
        assert_eq!(chosen.held_out, 23);
        assert!(chosen.nats.iter().all(|nats| nats.is_finite()));
        // All but that row of one class: there is nothing to fit.
        let mut one = vec![1; 120];
        one[lonely] = 9;
        let one = Labelled::new(&rows, &one).unwrap();
        assert!(choose(&problem(one), 1e-4, &mut |_| {}).is_none());
    }

    #[test]
    fn rows_are_held_out_whatever_their_order() {
        let order = shuffled(1000);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
        // Of classes that come in turn, and of two halves, about as many are held out of each.
        for group in [|row: &usize| row % 5, |row: &usize| row / 200] {
            let mut counts = [0; 5];
            order[..200].iter().for_each(|row| counts[group(row)] += 1);
            assert!(
                counts.iter().all(|count| (20..60).contains(count)),
                "{counts:?}"
            );
        }
    }
}
