//! How unusual each feature of a sample is, against what is usual among normal samples.

use std::f64::consts::PI;

use burn::tensor::backend::Backend;
use hourglass_data::Subset;
use hourglass_measure::{InputBatch, host, input_batches};
use hourglass_models::{Autoencoder, Model};

use super::error::DetectError;
use crate::stream::Done;

/// The most samples that the scale is fitted to; of more, a sample is drawn.
const MOST_SAMPLES: usize = 100_000;

/// The seed of that sample.
const SEED: u64 = 0;

/// The share of the normal samples that the scale is fitted to: those with the smallest squared errors. The others may be
/// anomalies that nobody has labelled, which would make their like look usual.
const KEPT: f64 = 0.55;

/// What is added to every variance, as a share of the mean variance of a feature: a feature that never varies among the
/// normal samples must not outweigh all others.
const RIDGE: f64 = 1e-3;

/// The variances by which the squares of a sample are divided. With r = x - f(x), f(x) the reconstruction, the score is
///
/// sum_j r_j^2 / v_j / R + sum_j (x_j - m_j)^2 / s_j / X,
///
/// where v_j is the mean of r_j^2 over the kept samples, m_j and s_j the mean and the variance of x_j over them, and R and X the
/// medians of the two sums over them. The first sum finds what the model can't rebuild; the second finds what is rebuilt well
/// and yet further out than anything normal, along the directions that the model has learned.
#[derive(Debug)]
pub(super) struct FeatureScale {
    residual: Vec<f64>,
    centre: Vec<f64>,
    spread: Vec<f64>,
    medians: [f64; 2],
}

impl FeatureScale {
    /// Fits the scale to normal samples, in three passes over them.
    pub(super) fn fit<B: Backend>(
        model: &Model<B>,
        normal: &Subset,
        device: &B::Device,
        done: Done<'_>,
    ) -> Result<Self, DetectError> {
        let normal = normal.sample(MOST_SAMPLES, SEED);
        if normal.is_empty() {
            return Err(DetectError::NoImages);
        }
        let features = normal.dataset().features();
        let mut errors = Vec::with_capacity(normal.len());
        for batch in input_batches(model, &normal, device) {
            each_row(model, &batch, features, |row, made| {
                errors.push(squares(row, made).sum::<f64>());
            });
            done(errors.len() / 3);
        }
        let kept = ((KEPT * errors.len() as f64).ceil() as usize).max(1);
        let mut sorted = errors.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let limit = sorted[kept - 1];
        if !limit.is_finite() {
            let found = errors.iter().position(|error| !error.is_finite());
            return Err(DetectError::NotFinite {
                index: normal.indices()[found.unwrap_or_default()],
                found: limit,
            });
        }

        let mut sums = [(); 3].map(|()| vec![0.0; features]);
        let (mut place, mut count) = (0, 0.0);
        for batch in input_batches(model, &normal, device) {
            each_row(model, &batch, features, |row, made| {
                if errors[place] <= limit {
                    count += 1.0;
                    for (feature, (&x, square)) in row.iter().zip(squares(row, made)).enumerate() {
                        sums[0][feature] += square;
                        sums[1][feature] += f64::from(x);
                        sums[2][feature] += f64::from(x).powi(2);
                    }
                }
                place += 1;
            });
            done(normal.len() / 3 + place / 3);
        }
        let [residual, first, second] = sums.map(|sums| {
            let means = sums.into_iter().map(|sum| sum / count);
            means.collect::<Vec<f64>>()
        });
        let spread = first.iter().zip(&second);
        let spread: Vec<f64> = spread
            .map(|(mean, square)| (square - mean * mean).max(0.0))
            .collect();
        // Where all kept samples are alike, a feature's own unit is the only scale that there is.
        let mean_spread = match spread.iter().sum::<f64>() / features as f64 {
            mean if mean > 0.0 => mean,
            _ => 1.0,
        };
        let ridge = RIDGE * mean_spread;
        let with_ridge = |variances: Vec<f64>| {
            variances
                .into_iter()
                .map(|variance| variance + ridge)
                .collect()
        };
        let mut scale = Self {
            residual: with_ridge(residual),
            centre: first,
            spread: with_ridge(spread),
            medians: [1.0; 2],
        };

        let (mut place, mut totals) = (0, [Vec::new(), Vec::new()]);
        for batch in input_batches(model, &normal, device) {
            each_row(model, &batch, features, |row, made| {
                if errors[place] <= limit {
                    let [rebuilt, distance] = scale.sums(row, made);
                    totals[0].push(rebuilt);
                    totals[1].push(distance);
                }
                place += 1;
            });
            done(2 * normal.len() / 3 + place / 3);
        }
        scale.medians = totals.map(|mut sums| {
            sums.sort_unstable_by(f64::total_cmp);
            match sums[sums.len() / 2] {
                median if median > 0.0 => median,
                _ => 1.0,
            }
        });
        Ok(scale)
    }

    /// What each feature adds to the negative log-likelihood, but for its normalisation.
    ///
    /// # Shapes
    /// - row, made, output: `[features]`
    pub(super) fn nats(&self, row: &[f32], made: &[f32]) -> Vec<f64> {
        let pairs = squares(row, made).zip(&self.residual);
        pairs
            .map(|(square, variance)| square / (2.0 * variance))
            .collect()
    }

    /// sum_j log(2 pi v_j) / 2
    pub(super) fn log_normalisation(&self) -> f64 {
        let each = self
            .residual
            .iter()
            .map(|variance| (2.0 * PI * variance).ln());
        each.sum::<f64>() / 2.0
    }

    fn sums(&self, row: &[f32], made: &[f32]) -> [f64; 2] {
        let rebuilt = squares(row, made).zip(&self.residual);
        let distance = row.iter().zip(&self.centre).zip(&self.spread);
        [
            rebuilt.map(|(square, variance)| square / variance).sum(),
            distance
                .map(|((&x, mean), variance)| (f64::from(x) - mean).powi(2) / variance)
                .sum(),
        ]
    }

    /// What each feature adds to the score of a sample.
    ///
    /// # Shapes
    /// - row, made, output: `[features]`
    pub(super) fn parts(&self, row: &[f32], made: &[f32]) -> Vec<f64> {
        let [rebuilt, distance] = self.medians;
        let parts = squares(row, made).enumerate().map(|(feature, square)| {
            let away = f64::from(row[feature]) - self.centre[feature];
            square / self.residual[feature] / rebuilt
                + away * away / self.spread[feature] / distance
        });
        parts.collect()
    }
}

/// Calls `take` with each sample of a batch and its reconstruction.
pub(super) fn each_row<B: Backend>(
    model: &Model<B>,
    batch: &InputBatch<B>,
    features: usize,
    mut take: impl FnMut(&[f32], &[f32]),
) {
    let made = host(model.reconstruct(batch.images.clone()));
    let rows = batch.targets();
    let pairs = rows.chunks_exact(features).zip(made.chunks_exact(features));
    pairs.for_each(|(row, made)| take(row, made));
}

fn squares<'a>(row: &'a [f32], made: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
    let pairs = row.iter().zip(made);
    pairs.map(|(x, made)| (f64::from(*x) - f64::from(*made)).powi(2))
}
