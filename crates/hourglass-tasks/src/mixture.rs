//! A mixture of normal distributions with full covariances, fitted by expectation-maximisation (Dempster et al. 1977), in f64.
//!
//! p(x) = sum_k w_k N(x; m_k, S_k). The fit begins with k-means++ (Arthur & Vassilvitskii 2007) and a few rounds of k-means. So
//! that no covariance can become singular, it maximises sum_i log p(x_i) - c/2 sum_k tr(S_k^-1): its exact maximisation step is
//! S_k = (scatter of k) / n_k + c / n_k, and every step raises it or leaves it as it is.

use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Accum, Mat, MatRef, Side, get_global_parallelism};
use hourglass_measure::Progress;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use thiserror::Error;

/// Rounds of k-means before the first covariances.
const ROUNDS: usize = 10;

/// A component with fewer points than this share of one stays as it is.
const EMPTY: f64 = 1e-6;

/// How a mixture is fitted.
#[derive(Debug, Clone, Copy)]
pub struct MixtureOptions {
    /// The number of components, at most as many as there are points.
    pub components: usize,
    /// The seed for the choice of the first centres.
    pub seed: u64,
    /// The most steps.
    pub steps: usize,
    /// The fit ends when a step raises the objective per point by less than this.
    pub tolerance: f64,
    /// What is added to the variances of a component of average size, as a share of the mean variance of the points.
    pub regularisation: f64,
}

impl Default for MixtureOptions {
    fn default() -> Self {
        Self {
            components: 10,
            seed: 0,
            steps: 100,
            tolerance: 1e-3,
            regularisation: 1e-4,
        }
    }
}

/// Points that no mixture can be fitted to.
#[derive(Debug, Error)]
pub enum MixtureError {
    /// There are fewer points than components.
    #[error("mixture: expected at least as many codes as components, {components}, found {points}")]
    TooFew {
        /// Components asked for.
        components: usize,
        /// Points given.
        points: usize,
    },
    /// A value is infinite or not a number.
    #[error("mixture: expected finite codes, found {0}")]
    NotFinite(f64),
    /// A covariance has no Cholesky decomposition.
    #[error(
        "mixture: expected covariances that are positive definite, found one that is not; use fewer components"
    )]
    Singular,
    /// The principal components of wide codes can't be computed.
    #[error(transparent)]
    Pca(#[from] hourglass_measure::pca::PcaError),
}

/// The mixture.
#[derive(Debug, Clone)]
pub struct Mixture {
    dimensions: usize,
    components: Vec<Component>,
}

#[derive(Debug, Clone)]
struct Component {
    weight: f64,
    mean: Vec<f64>,
    /// The lower triangle L of the covariance L L^T.
    factor: Mat<f64>,
    /// tr(S^-1)
    inverse_trace: f64,
}

/// A mixture, and how its fit went.
#[derive(Debug, Clone)]
pub struct MixtureFit {
    /// The mixture.
    pub mixture: Mixture,
    /// The mean log-likelihood of a point in nats, before each step and after the last.
    pub log_likelihoods: Vec<f64>,
    /// The same for the objective, that is, less the penalty on small variances.
    pub objectives: Vec<f64>,
}

/// Points as columns, `[dimensions, points]`.
type Points<'a> = MatRef<'a, f64>;

impl Mixture {
    /// Fits a mixture to points; `progress` is told of each step.
    ///
    /// # Errors
    /// When there are too few points, or not all are finite.
    ///
    /// # Shapes
    /// - points: `[points, dimensions]`, row-major
    pub fn fit(
        points: &[f64],
        dimensions: usize,
        options: &MixtureOptions,
        progress: Progress<'_>,
    ) -> Result<MixtureFit, MixtureError> {
        let count = points.len() / dimensions.max(1);
        let components = options.components.max(1);
        if count < components {
            return Err(MixtureError::TooFew {
                components,
                points: count,
            });
        }
        if let Some(&value) = points.iter().find(|value| !value.is_finite()) {
            return Err(MixtureError::NotFinite(value));
        }
        // Row-major rows read as columns.
        let points = MatRef::from_column_major_slice(points, dimensions, count);
        let ridge = options.regularisation.max(1e-12) * mean_variance(points).max(1e-12);
        let penalty = ridge * count as f64 / components as f64;
        let nearest = k_means(points, components, options.seed);
        let mut shares = Mat::zeros(count, components);
        for (point, &component) in nearest.iter().enumerate() {
            shares[(point, component)] = 1.0;
        }
        let mut mixture = Self {
            dimensions,
            components: Vec::new(),
        };
        mixture.maximise(points, shares.as_ref(), components, penalty)?;
        let (mut log_likelihoods, mut objectives) = (Vec::new(), Vec::new());
        loop {
            let log_likelihood = mixture.expect(points, &mut shares);
            let traces = mixture
                .components
                .iter()
                .map(|component| component.inverse_trace);
            let objective = log_likelihood - 0.5 * penalty * traces.sum::<f64>() / count as f64;
            let raised = objective - objectives.last().copied().unwrap_or(f64::NEG_INFINITY);
            log_likelihoods.push(log_likelihood);
            objectives.push(objective);
            progress("fitting a mixture, step", objectives.len(), options.steps);
            if raised < options.tolerance || objectives.len() > options.steps {
                return Ok(MixtureFit {
                    mixture,
                    log_likelihoods,
                    objectives,
                });
            }
            mixture.maximise(points, shares.as_ref(), components, penalty)?;
        }
    }

    /// The share of each component in each point, `[points, components]`; returns the mean log-likelihood.
    fn expect(&self, points: Points<'_>, shares: &mut Mat<f64>) -> f64 {
        for (index, component) in self.components.iter().enumerate() {
            for (point, value) in component.log_densities(points).into_iter().enumerate() {
                shares[(point, index)] = value + component.weight.ln();
            }
        }
        let mut sum = 0.0;
        for point in 0..shares.nrows() {
            let row = 0..shares.ncols();
            let largest = row
                .clone()
                .map(|k| shares[(point, k)])
                .fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = row
                .clone()
                .map(|k| (shares[(point, k)] - largest).exp())
                .sum();
            let log_density = largest + total.ln();
            row.for_each(|k| shares[(point, k)] = (shares[(point, k)] - log_density).exp());
            sum += log_density;
        }
        sum / shares.nrows() as f64
    }

    /// The weights, means and covariances of points that belong to the components by these shares.
    fn maximise(
        &mut self,
        points: Points<'_>,
        shares: MatRef<'_, f64>,
        components: usize,
        penalty: f64,
    ) -> Result<(), MixtureError> {
        for index in 0..components {
            let share: Vec<f64> = shares.col(index).iter().copied().collect();
            let size: f64 = share.iter().sum();
            let weight = size / points.ncols() as f64;
            match self.components.get_mut(index) {
                Some(component) if size < EMPTY => component.weight = weight,
                Some(component) => *component = Component::of(points, &share, weight, penalty)?,
                None => self
                    .components
                    .push(Component::of(points, &share, weight, penalty)?),
            }
        }
        Ok(())
    }

    /// Points drawn from the mixture.
    ///
    /// # Shapes
    /// - output: `[count, dimensions]`, row-major
    pub fn sample(&self, count: usize, seed: u64) -> Vec<f64> {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let mut points = Vec::with_capacity(count * self.dimensions);
        for _ in 0..count {
            let weights = self.components.iter().map(|component| component.weight);
            let Component { mean, factor, .. } = &self.components[choose(weights, &mut generator)];
            let noise: Vec<f64> = mean
                .iter()
                .map(|_| generator.sample(StandardNormal))
                .collect();
            points.extend(mean.iter().enumerate().map(|(row, mean)| {
                let sum = (0..=row).map(|column| factor[(row, column)] * noise[column]);
                mean + sum.sum::<f64>()
            }));
        }
        points
    }

    /// The mean of a component, and the lower triangle L of its covariance L L^T.
    pub(crate) fn component(&self, index: usize) -> (&[f64], MatRef<'_, f64>) {
        let component = &self.components[index];
        (&component.mean, component.factor.as_ref())
    }
}

impl Component {
    /// The component of points that belong to it by these shares.
    fn of(
        points: Points<'_>,
        share: &[f64],
        weight: f64,
        penalty: f64,
    ) -> Result<Self, MixtureError> {
        let (dimensions, size) = (points.nrows(), share.iter().sum::<f64>());
        let mut mean = vec![0.0; dimensions];
        for (point, share) in points.col_iter().zip(share) {
            for (mean, value) in mean.iter_mut().zip(point.iter()) {
                *mean += share / size * value;
            }
        }
        let scaled = Mat::from_fn(dimensions, points.ncols(), |row, point| {
            (share[point] / size).sqrt() * (points[(row, point)] - mean[row])
        });
        let mut covariance = Mat::from_fn(dimensions, dimensions, |row, column| {
            if row == column { penalty / size } else { 0.0 }
        });
        let parallelism = get_global_parallelism();
        let transposed = scaled.transpose();
        matmul(
            covariance.as_mut(),
            Accum::Add,
            scaled.as_ref(),
            transposed,
            1.0,
            parallelism,
        );
        let factor = covariance
            .llt(Side::Lower)
            .map_err(|_| MixtureError::Singular)?;
        let factor = factor.L().to_owned();
        let mut inverse = Mat::<f64>::identity(dimensions, dimensions);
        solve_lower_triangular_in_place(factor.as_ref(), inverse.as_mut(), parallelism);
        Ok(Self {
            weight,
            mean,
            // tr((L L^T)^-1) = ||L^-1||^2
            inverse_trace: inverse.squared_norm_l2(),
            factor,
        })
    }

    /// log N(x; mean, covariance) of each point.
    fn log_densities(&self, points: Points<'_>) -> Vec<f64> {
        let dimensions = self.mean.len();
        let mut solved = Mat::from_fn(dimensions, points.ncols(), |row, point| {
            points[(row, point)] - self.mean[row]
        });
        solve_lower_triangular_in_place(
            self.factor.as_ref(),
            solved.as_mut(),
            get_global_parallelism(),
        );
        let half_log_determinant: f64 = (0..dimensions)
            .map(|row| self.factor[(row, row)].ln())
            .sum();
        let constant =
            0.5 * dimensions as f64 * (2.0 * std::f64::consts::PI).ln() + half_log_determinant;
        solved
            .col_iter()
            .map(|column| -0.5 * column.squared_norm_l2() - constant)
            .collect()
    }
}

/// The mean over the dimensions of the points' variance.
fn mean_variance(points: Points<'_>) -> f64 {
    let count = points.ncols() as f64;
    let variance = |row: usize| {
        let values = || points.row(row).iter();
        let mean = values().sum::<f64>() / count;
        values().map(|value| (value - mean).powi(2)).sum::<f64>() / count
    };
    (0..points.nrows()).map(variance).sum::<f64>() / points.nrows() as f64
}

/// The nearest of `components` centres for each point.
fn k_means(points: Points<'_>, components: usize, seed: u64) -> Vec<usize> {
    let mut centres = first_centres(points, components, seed);
    let mut nearest = vec![0; points.ncols()];
    for _ in 0..ROUNDS {
        for (point, nearest) in points.col_iter().zip(&mut nearest) {
            let distances = centres.iter().map(|centre| distance(point.iter(), centre));
            let smallest = distances
                .enumerate()
                .min_by(|left, right| left.1.total_cmp(&right.1));
            *nearest = smallest.map_or(0, |(component, _)| component);
        }
        let mut sums = vec![vec![0.0; points.nrows()]; components];
        let mut counts = vec![0.0; components];
        for (point, &component) in points.col_iter().zip(&nearest) {
            counts[component] += 1.0;
            sums[component]
                .iter_mut()
                .zip(point.iter())
                .for_each(|(sum, value)| *sum += value);
        }
        for ((centre, sum), count) in centres.iter_mut().zip(sums).zip(counts) {
            if count > 0.0 {
                *centre = sum.into_iter().map(|sum| sum / count).collect();
            }
        }
    }
    // If points coincide, a centre may have none: it gets a point of a centre that has several.
    let mut counts = vec![0; components];
    for &component in &nearest {
        counts[component] += 1;
    }
    for component in 0..components {
        if counts[component] == 0
            && let Some(point) = nearest.iter().position(|&other| counts[other] > 1)
        {
            counts[nearest[point]] -= 1;
            counts[component] = 1;
            nearest[point] = component;
        }
    }
    nearest
}

/// k-means++: each next centre is a point drawn by the squared distance to the nearest centre so far.
fn first_centres(points: Points<'_>, components: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let first = generator.random_range(0..points.ncols());
    let centre_at = |point: usize| points.col(point).iter().copied().collect::<Vec<f64>>();
    let mut centres = vec![centre_at(first)];
    let mut distances = vec![f64::INFINITY; points.ncols()];
    while centres.len() < components {
        let last = &centres[centres.len() - 1];
        for (point, nearest) in points.col_iter().zip(&mut distances) {
            *nearest = nearest.min(distance(point.iter(), last));
        }
        let next = choose(distances.iter().copied(), &mut generator);
        centres.push(centre_at(next));
    }
    centres
}

fn distance<'a>(point: impl Iterator<Item = &'a f64>, centre: &[f64]) -> f64 {
    point
        .zip(centre)
        .map(|(value, centre)| (value - centre).powi(2))
        .sum()
}

/// An index drawn by weights that need not add up to 1.
fn choose(weights: impl Iterator<Item = f64> + Clone, generator: &mut impl Rng) -> usize {
    let mut left = generator.random::<f64>() * weights.clone().sum::<f64>();
    let mut last = 0;
    for (index, weight) in weights.enumerate() {
        if weight > 0.0 {
            last = index;
            if left < weight {
                return index;
            }
            left -= weight;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of a mixture of two: around (0, 0) with variances 1 and 0.25, and around (6, -4) with a strong correlation.
    fn two_clouds(count: usize) -> Vec<f64> {
        let mut generator = ChaCha8Rng::seed_from_u64(5);
        let mut normal = move || -> f64 { generator.sample(StandardNormal) };
        (0..count)
            .flat_map(|point| {
                let (a, b) = (normal(), normal());
                match point % 4 {
                    0 => [6.0 + a, -4.0 + 0.9 * a + 0.1 * b],
                    _ => [a, 0.5 * b],
                }
            })
            .collect()
    }

    fn fitted(
        points: &[f64],
        dimensions: usize,
        options: &MixtureOptions,
    ) -> Result<MixtureFit, MixtureError> {
        Mixture::fit(points, dimensions, options, &mut |_, _, _| {})
    }

    fn options(components: usize) -> MixtureOptions {
        MixtureOptions {
            components,
            tolerance: 1e-9,
            ..Default::default()
        }
    }

    #[test]
    fn one_component_is_the_closed_form() {
        let points = two_clouds(500);
        let count = 500.0;
        let regularisation = 0.0;
        let fit = fitted(
            &points,
            2,
            &MixtureOptions {
                regularisation,
                ..options(1)
            },
        )
        .expect("a fit");
        let column = |row: usize| points.iter().skip(row).step_by(2);
        let means = [0, 1].map(|row| column(row).sum::<f64>() / count);
        let product = |a: usize, b: usize| {
            let pairs = column(a).zip(column(b));
            pairs
                .map(|(x, y)| (x - means[a]) * (y - means[b]))
                .sum::<f64>()
                / count
        };
        let component = &fit.mixture.components[0];
        for (row, &mean) in means.iter().enumerate() {
            assert!((component.mean[row] - mean).abs() < 1e-9);
            for other in 0..2 {
                let found: f64 = (0..2)
                    .map(|k| component.factor[(row, k)] * component.factor[(other, k)])
                    .sum();
                assert!((found - product(row, other)).abs() < 1e-8);
            }
        }
        // At the maximum the mean log-likelihood is -1/2 (D log 2 pi + log |S| + D).
        let determinant = product(0, 0) * product(1, 1) - product(0, 1).powi(2);
        let expected = -0.5 * (2.0 * (2.0 * std::f64::consts::PI).ln() + determinant.ln() + 2.0);
        let found = fit.log_likelihoods[fit.log_likelihoods.len() - 1];
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn no_step_lowers_the_likelihood() {
        let points = two_clouds(400);
        for components in 2..6 {
            for seed in 0..4 {
                let fit = fitted(
                    &points,
                    2,
                    &MixtureOptions {
                        seed,
                        ..options(components)
                    },
                )
                .expect("a fit");
                // Of two clouds k-means has found two components already.
                assert!(components == 2 || fit.objectives.len() > 3);
                for pair in fit.objectives.windows(2) {
                    assert!(pair[1] >= pair[0] - 1e-12, "{components} {seed}: {pair:?}");
                }
                let unregularised = MixtureOptions {
                    seed,
                    regularisation: 0.0,
                    ..options(components)
                };
                let fit = fitted(&points, 2, &unregularised).expect("a fit");
                for pair in fit.log_likelihoods.windows(2) {
                    assert!(pair[1] >= pair[0] - 1e-9, "{components} {seed}: {pair:?}");
                }
            }
        }
    }

    #[test]
    fn two_clouds_are_found_and_drawn_from() {
        let fit = fitted(&two_clouds(2000), 2, &options(2)).expect("a fit");
        let mut components = fit.mixture.components.clone();
        components.sort_by(|left, right| left.weight.total_cmp(&right.weight));
        assert!((components[0].weight - 0.25).abs() < 0.01);
        assert!(
            (components[0].mean[0] - 6.0).abs() < 0.2 && (components[0].mean[1] + 4.0).abs() < 0.2
        );
        assert!((components[1].factor[(1, 1)] - 0.5).abs() < 0.05);

        let drawn = fit.mixture.sample(4000, 1);
        assert_eq!(drawn, fit.mixture.sample(4000, 1));
        let again = fitted(&drawn, 2, &options(2)).expect("a fit");
        let mut found = again.mixture.components;
        found.sort_by(|left, right| left.weight.total_cmp(&right.weight));
        for (found, expected) in found.iter().zip(&components) {
            assert!((found.weight - expected.weight).abs() < 0.03);
            for (found, expected) in found.mean.iter().zip(&expected.mean) {
                assert!((found - expected).abs() < 0.2);
            }
            for place in [(0, 0), (1, 0), (1, 1)] {
                assert!((found.factor[place] - expected.factor[place]).abs() < 0.1);
            }
        }
    }

    #[test]
    fn points_that_coincide_have_a_mixture_and_bad_ones_an_error() {
        let fit = fitted(&[3.0; 20], 2, &options(3)).expect("a fit");
        assert!(
            fit.mixture
                .sample(10, 0)
                .iter()
                .all(|value| (value - 3.0).abs() < 0.1)
        );
        // One point apart, wherever it is drawn.
        let mut points = [3.0; 24];
        points[10] = 7.0;
        for seed in 0..12 {
            let options = MixtureOptions { seed, ..options(8) };
            let fit = fitted(&points, 2, &options).expect("a fit");
            assert!(
                fit.mixture
                    .sample(10, 0)
                    .iter()
                    .all(|value| value.is_finite())
            );
        }
        assert!(matches!(
            fitted(&[1.0; 4], 2, &options(3)),
            Err(MixtureError::TooFew { .. })
        ));
        assert!(matches!(
            fitted(&[f64::NAN; 4], 2, &options(1)),
            Err(MixtureError::NotFinite(_))
        ));
    }
}
