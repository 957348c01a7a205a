//! k nearest neighbours: how often the classes of the nearest training codes name the class of a test code.
//!
//! Distances are Euclidean. The `k` nearest training rows have one vote each; where classes have equally many votes, the
//! one with the nearest voter wins. Of rows at the same distance, the one that comes first counts as nearer. Features are
//! taken as they are, not standardised. Fix and Hodges, "Discriminatory analysis" (1951); Cover and Hart, "Nearest neighbor
//! pattern classification", IEEE Transactions on Information Theory 13 (1967).
//!
//! # Exact, though fast
//!
//! `‖a - b‖² = ‖a‖² - 2 a·b + ‖b‖²` makes distances a matrix product, but in f32 it cancels: near rows get wrong distances,
//! and ties are broken by rounding. So the product is only used to rule rows out. The training mean is first subtracted from all
//! rows, which keeps distances as they are and norms small. A row is ruled out if it is farther than the k-th nearest so far by
//! more than the product's rounding error can be. Every other row is compared by `Σ (a_i - b_i)²` in f64, and that alone decides.
//!
//! The rounding: a dot product of `n` terms is off by at most `n u ‖a‖ ‖b‖` in any order of its sum, `u = 2⁻²⁴` (Higham,
//! "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1), and `2 ‖a‖ ‖b‖ <= (‖a‖ + ‖b‖)² / 2`. Rounding the
//! centred values, the norms, the sum and the limit adds less than `8 u (‖a‖ + ‖b‖)²`: `(n + 8) u (‖a‖ + ‖b‖)²` is
//! enough for all, twice over for the product.

use std::num::NonZeroUsize;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::{Estimate, Labelled, MeasureError};

/// The usual number of neighbours.
pub const DEFAULT_NEIGHBOURS: NonZeroUsize = NonZeroUsize::new(5).unwrap();

/// Training rows per matrix product.
const TRAINING_BLOCK: usize = 2048;

/// Test rows per matrix product: with the above, 2 MiB of products per thread.
const TEST_BLOCK: usize = 256;

/// The share of test rows whose neighbours vote for their class, with the binomial standard error.
///
/// `progress` is told the training rows compared and their number.
pub fn accuracy(
    training: Labelled<'_>,
    test: Labelled<'_>,
    neighbours: NonZeroUsize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Estimate, MeasureError> {
    training.classes()?;
    let nearest = nearest(training, test, neighbours, progress)?;
    let hits = nearest
        .iter()
        .zip(test.labels())
        .filter(|(nearest, label)| vote(training.labels(), nearest) == Some(**label))
        .count();
    Estimate::share(hits, test.len()).ok_or(MeasureError::Empty { what: "test rows" })
}

/// The places of the `neighbours` nearest training rows of each test row, the nearest first.
///
/// `progress` is told the training rows compared and their number.
pub fn nearest(
    training: Labelled<'_>,
    test: Labelled<'_>,
    neighbours: NonZeroUsize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Vec<usize>>, MeasureError> {
    test.check_features(training.features())?;
    if training.len() < neighbours.get() {
        return Err(MeasureError::Length {
            what: "training rows, for as many neighbours",
            expected: neighbours.get(),
            found: training.len(),
        });
    }
    let features = training.features();
    let mean = mean(training.rows(), features);
    let tests = Centred::new(test.rows(), &mean);
    let mut searches: Vec<Search> = (0..test.len()).map(|_| Search::new(neighbours)).collect();
    let test_block = test
        .len()
        .div_ceil(rayon::current_num_threads())
        .min(TEST_BLOCK);
    for (index, block) in training
        .rows()
        .chunks(TRAINING_BLOCK * features)
        .enumerate()
    {
        let block = Block {
            first: index * TRAINING_BLOCK,
            rows: block,
            centred: Centred::new(block, &mean),
        };
        searches
            .par_chunks_mut(test_block)
            .enumerate()
            .for_each_init(Vec::new, |products, (chunk, searches)| {
                block.search(test.rows(), &tests, chunk * test_block, searches, products);
            });
        progress(block.first + block.centred.norms.len(), training.len());
    }
    let places = |search: Search| search.found.into_iter().map(|(_, place)| place).collect();
    Ok(searches.into_iter().map(places).collect())
}

/// The class that most of the neighbours have, the nearest first; none without neighbours.
fn vote(labels: &[u8], nearest: &[usize]) -> Option<u8> {
    let mut votes = [0_usize; 256];
    let voices = nearest.iter().map(|&place| labels[place]);
    voices
        .clone()
        .for_each(|label| votes[usize::from(label)] += 1);
    let most = votes.iter().max().copied()?;
    voices
        .into_iter()
        .find(|&label| votes[usize::from(label)] == most)
}

/// Rows less the mean of the training rows.
struct Centred {
    /// `[rows, features]`, row-major.
    rows: Vec<f32>,
    /// The squared length of each.
    norms: Vec<f64>,
}

impl Centred {
    fn new(rows: &[f32], mean: &[f32]) -> Self {
        let mut centred = Vec::with_capacity(rows.len());
        let mut norms = Vec::with_capacity(rows.len() / mean.len());
        for row in rows.chunks_exact(mean.len()) {
            centred.extend(row.iter().zip(mean).map(|(value, mean)| value - mean));
            let row = &centred[centred.len() - mean.len()..];
            norms.push(
                row.iter()
                    .map(|&value| f64::from(value) * f64::from(value))
                    .sum(),
            );
        }
        Self {
            rows: centred,
            norms,
        }
    }
}

/// Training rows that are compared together.
struct Block<'a> {
    /// The place of the first.
    first: usize,
    /// `[rows, features]`, as they are.
    rows: &'a [f32],
    centred: Centred,
}

impl Block<'_> {
    /// Compares with the test rows from `first_test` on, as many as there are `searches`.
    fn search(
        &self,
        test: &[f32],
        tests: &Centred,
        first_test: usize,
        searches: &mut [Search],
        products: &mut Vec<f32>,
    ) {
        let count = self.centred.norms.len();
        let features = self.rows.len() / count;
        let range = first_test * features..(first_test + searches.len()) * features;
        products.resize(count * searches.len(), 0.0);
        matmul(
            MatMut::from_column_major_slice_mut(products, count, searches.len()),
            Accum::Replace,
            MatRef::from_row_major_slice(&self.centred.rows, count, features),
            // Row-major rows read as columns.
            MatRef::from_column_major_slice(&tests.rows[range], features, searches.len()),
            1.0,
            Par::Seq,
        ); // [training rows, test rows], column-major

        let norms: Vec<f32> = self.centred.norms.iter().map(|&norm| norm as f32).collect();
        let longest = self
            .centred
            .norms
            .iter()
            .fold(0.0, |longest: f64, norm| longest.max(*norm));
        let unit = f64::from(f32::EPSILON) / 2.0;
        for (index, search) in searches.iter_mut().enumerate() {
            let norm = tests.norms[first_test + index];
            let lengths = norm.sqrt() + longest.sqrt();
            let slack = if lengths * lengths < f64::from(f32::MAX) / 4.0 {
                // Below the smallest normal number errors are absolute.
                let underflow = features as f64 * f64::from(f32::MIN_POSITIVE);
                (features + 8) as f64 * unit * lengths * lengths + underflow - norm
            } else {
                f64::INFINITY // products may overflow: they rule nothing out
            };
            let start = (first_test + index) * features;
            let comparison = Comparison {
                test: &test[start..start + features],
                products: &products[index * count..(index + 1) * count],
                norms: &norms,
                slack,
            };
            self.compare(&comparison, search);
        }
    }

    /// Finds the rows of this block that are among the nearest of one test row.
    fn compare(&self, comparison: &Comparison<'_>, search: &mut Search) {
        let Comparison {
            test,
            products,
            norms,
            slack,
        } = comparison;
        let mut limit = (search.farthest() + slack) as f32;
        for (place, (product, norm)) in products.iter().zip(*norms).enumerate() {
            // Not `<=`: a value that has overflowed to NaN rules nothing out.
            if norm - 2.0 * product > limit {
                continue;
            }
            let row = &self.rows[place * test.len()..(place + 1) * test.len()];
            search.offer(squared_distance(test, row), self.first + place);
            limit = (search.farthest() + slack) as f32;
        }
    }
}

/// One test row beside a block.
struct Comparison<'a> {
    test: &'a [f32],
    /// With each centred training row.
    products: &'a [f32],
    /// The squared length of each centred training row.
    norms: &'a [f32],
    /// The value that is added to a squared distance to get the limit of `‖b‖² - 2 a·b`.
    slack: f64,
}

/// The nearest rows found so far for one test row.
struct Search {
    neighbours: usize,
    /// Squared distance and place, the nearest first.
    found: Vec<(f64, usize)>,
}

impl Search {
    fn new(neighbours: NonZeroUsize) -> Self {
        Self {
            neighbours: neighbours.get(),
            found: Vec::new(),
        }
    }

    /// The squared distance at and above which a row is not among the nearest.
    fn farthest(&self) -> f64 {
        match self.found.last() {
            Some((distance, _)) if self.found.len() == self.neighbours => *distance,
            _ => f64::INFINITY,
        }
    }

    /// Takes a row into account, which must come after all earlier ones.
    fn offer(&mut self, distance: f64, place: usize) {
        if distance >= self.farthest() {
            return;
        }
        let rank = self
            .found
            .partition_point(|(nearer, _)| *nearer <= distance);
        self.found.insert(rank, (distance, place));
        self.found.truncate(self.neighbours);
    }
}

fn squared_distance(left: &[f32], right: &[f32]) -> f64 {
    let differences =
        std::iter::zip(left, right).map(|(&left, &right)| f64::from(left) - f64::from(right));
    differences.map(|difference| difference * difference).sum()
}

fn mean(rows: &[f32], features: usize) -> Vec<f32> {
    let mut sums = vec![0.0; features];
    for row in rows.chunks_exact(features) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    let count = (rows.len() / features) as f64;
    sums.iter().map(|sum| (sum / count) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{golden, list, noise};
    use super::*;

    fn five(training: Labelled<'_>, test: Labelled<'_>) -> Vec<Vec<usize>> {
        nearest(training, test, DEFAULT_NEIGHBOURS, &mut |_, _| {}).unwrap()
    }

    /// The same by comparing all rows in f64.
    fn by_brute_force(training: Labelled<'_>, test: Labelled<'_>) -> Vec<Vec<usize>> {
        let features = training.features();
        let nearest = |test: &[f32]| {
            let rows = training.rows().chunks_exact(features);
            let distances: Vec<f64> = rows.map(|row| squared_distance(test, row)).collect();
            let mut places: Vec<usize> = (0..distances.len()).collect();
            places.sort_by(|&left, &right| distances[left].total_cmp(&distances[right]));
            places.truncate(5);
            places
        };
        test.rows().chunks_exact(features).map(nearest).collect()
    }

    fn labels(count: usize) -> Vec<u8> {
        (0..count).map(|row| (row % 7) as u8).collect()
    }

    #[test]
    fn neighbours_and_votes_are_those_of_scikit_learn() {
        let golden = golden("neighbours");
        let training: Vec<f32> = list(&golden["training"]);
        let labels: Vec<u8> = list(&golden["training_labels"]);
        let test: Vec<f32> = list(&golden["test"]);
        let test_labels: Vec<u8> = list(&golden["test_labels"]);
        let training = Labelled::new(&training, &labels).unwrap();
        let test = Labelled::new(&test, &test_labels).unwrap();

        let found = five(training, test);
        assert_eq!(found, list::<Vec<usize>>(&golden["neighbours"]));
        let votes = found.iter().map(|nearest| vote(&labels, nearest).unwrap());
        let expected: Vec<u8> = list(&golden["predictions"]);
        assert_eq!(votes.collect::<Vec<_>>(), expected);

        let hits = std::iter::zip(&expected, &test_labels)
            .filter(|(a, b)| a == b)
            .count();
        let accuracy = accuracy(training, test, DEFAULT_NEIGHBOURS, &mut |_, _| {}).unwrap();
        assert_eq!(Some(accuracy), Estimate::share(hits, test_labels.len()));
    }

    #[test]
    fn a_tied_vote_goes_to_the_nearest_voter() {
        let labels = [4, 9, 2];
        assert_eq!(vote(&labels, &[1, 0, 1, 0, 2]), Some(9));
        assert_eq!(vote(&labels, &[2, 0, 1, 0, 1]), Some(4));
        assert_eq!(vote(&labels, &[2, 0, 0]), Some(4));
        assert_eq!(vote(&labels, &[]), None);
    }

    #[test]
    fn equal_distances_go_to_the_row_that_comes_first() {
        // Rows of ±1 about the test row at 0, over more than one block: all are as far.
        let [rows, features] = [TRAINING_BLOCK + 100, 3];
        let training: Vec<f32> = noise(rows * features)
            .iter()
            .map(|value| value.signum())
            .collect();
        let training_labels = labels(rows);
        let training = Labelled::new(&training, &training_labels).unwrap();
        let test = Labelled::new(&[0.0; 3], &[0]).unwrap();
        assert_eq!(five(training, test), [[0, 1, 2, 3, 4]]);
    }

    /// Compares with brute force on rows of noise that `change` makes of row number and value.
    fn check_exactness(change: impl Fn(usize, f32) -> f32) {
        let [rows, tests, features] = [TRAINING_BLOCK + 300, 40, 20];
        let values = noise((rows + tests) * features).into_iter().enumerate();
        let values: Vec<f32> = values
            .map(|(index, value)| change(index / features, value))
            .collect();
        let (training, test) = values.split_at(rows * features);
        let [training_labels, test_labels] = [labels(rows), labels(tests)];
        let training = Labelled::new(training, &training_labels).unwrap();
        let test = Labelled::new(test, &test_labels).unwrap();
        assert_eq!(five(training, test), by_brute_force(training, test));
    }

    #[test]
    fn cancellation_changes_no_neighbour() {
        // Far from the origin; two heaps far from each other and so from their mean.
        check_exactness(|_, value| 1000.0 + value);
        check_exactness(|row, value| {
            if row % 2 == 0 {
                1e4 + value
            } else {
                value - 1e4
            }
        });
    }

    #[test]
    fn distances_that_differ_by_less_than_single_precision_are_told_apart() {
        check_exactness(|_, value| {
            value.signum() * (1.0 + f32::EPSILON * (8.0 * value.abs()).floor())
        });
    }

    #[test]
    fn products_beyond_the_range_of_single_precision_rule_nothing_out() {
        check_exactness(|_, value| value * 1e25);
        check_exactness(|_, value| value * 1e-22);
    }

    #[test]
    fn every_training_row_is_told_to_progress() {
        let rows = noise(TRAINING_BLOCK + 1);
        let row_labels = labels(TRAINING_BLOCK + 1);
        let training = Labelled::new(&rows, &row_labels).unwrap();
        let test = Labelled::new(&[0.5], &[1]).unwrap();
        let mut told = Vec::new();
        nearest(training, test, DEFAULT_NEIGHBOURS, &mut |done, all| {
            told.push((done, all))
        })
        .unwrap();
        let all = TRAINING_BLOCK + 1;
        assert_eq!(told, [(TRAINING_BLOCK, all), (all, all)]);
    }

    #[test]
    fn rows_without_neighbours_are_refused() {
        let rows = noise(12);
        let error = |training: &[u8], test: Labelled<'_>| {
            let training = Labelled::new(&rows, training).unwrap();
            accuracy(training, test, DEFAULT_NEIGHBOURS, &mut |_, _| {}).unwrap_err()
        };
        let test = Labelled::new(&[0.5, 0.5], &[1]).unwrap();
        assert_eq!(error(&[2; 6], test), MeasureError::OneClass { class: 2 });
        assert_eq!(
            error(&[1, 2, 3, 4, 5, 6], Labelled::new(&[0.5], &[1]).unwrap()).to_string(),
            "features of the test rows: expected 2, found 1"
        );
        let test = Labelled::new(&[0.5; 3], &[1]).unwrap();
        assert_eq!(
            error(&[1, 2, 3, 4], test).to_string(),
            "training rows, for as many neighbours: expected 5, found 4"
        );
    }
}
