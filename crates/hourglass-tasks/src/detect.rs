//! Anomaly scores: how little an image is like those that a model was trained on. Higher is stranger.

use std::io::{self, Write};

use burn::tensor::backend::Backend;
use hourglass_data::{Batch, Dataset, Subset};
use hourglass_kernels::sum_dim;
use hourglass_models::{Autoencoder, Model, StepContext};
use hourglass_train::pca::{Pca, PcaError};

use crate::codes::{LabelKind, image_id};
use crate::stream::{Done, batch_codes, batch_sizes, batches, codes, host, inputs_of};

/// Draws of the code an image at a time.
const DRAWS: usize = 16;

/// The seed of the noise of the bound.
const SEED: u64 = 0;

/// What is added to the variances of the codes, as a share of their mean: a dimension that never varies in training must
/// not make every other image infinitely far away.
const RIDGE: f64 = 1e-6;

/// What an image is scored by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// The reconstruction term of the objective, in its own unit.
    Error,
    /// The negative evidence lower bound in nats, at beta 1, of families with a prior and a posterior: the mean of so many
    /// draws of the code.
    Bound {
        /// Draws an image.
        samples: usize,
    },
    /// The Mahalanobis distance of the code from those of the images that are normal:
    /// d² = (z - m)ᵀ S⁻¹ (z - m), m and S their mean and covariance.
    Distance,
    /// The squared error of PCA, fitted to the images that are normal, with as many components as the code: a baseline.
    Pca,
}

/// What can go wrong with scores.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The family has no bound.
    #[error(
        "expected a family with a prior and a posterior for the score `bound`, variational, found {family}; use `error` or `distance`"
    )]
    NoBound {
        /// The family.
        family: &'static str,
    },
    /// The images that are normal have no mean and covariance.
    #[error(transparent)]
    Pca(#[from] PcaError),
    /// A score is no number.
    #[error(
        "image {index}: expected a finite score, found {found}; the weights are damaged, or the training has diverged"
    )]
    NotFinite {
        /// The image, from 0.
        index: u32,
        /// The score.
        found: f64,
    },
    /// There are no images to take a threshold from.
    #[error("the threshold: expected images that are normal, found none")]
    NoImages,
}

/// Scores images; see [`Score`].
pub struct Scorer<'a, B: Backend> {
    model: &'a Model<B>,
    device: &'a B::Device,
    fitted: Fitted,
}

enum Fitted {
    Error,
    Bound(usize),
    Distance(Pca),
    Pca(Pca, usize),
}

impl<'a, B: Backend> Scorer<'a, B> {
    /// Fits what the score needs to the images that are `normal`.
    ///
    /// # Errors
    /// When the model has no such score.
    pub fn fit(
        model: &'a Model<B>,
        family: &'static str,
        score: Score,
        normal: &Subset,
        device: &'a B::Device,
        done: Done<'_>,
    ) -> Result<Self, DetectError> {
        let fitted = match score {
            Score::Error => Fitted::Error,
            Score::Bound { samples } => {
                let blank = burn::tensor::Tensor::zeros([1, normal.dataset().features()], device);
                if model.posterior(blank).is_none() {
                    return Err(DetectError::NoBound { family });
                }
                Fitted::Bound(samples)
            }
            Score::Distance => {
                let code = code_of(model, normal, device);
                Fitted::Distance(Pca::fit(code, codes(model, normal, device), done)?)
            }
            Score::Pca => {
                let rows = batches(normal).map(|batch| batch.images);
                let pca = Pca::fit(normal.dataset().features(), rows, done)?;
                Fitted::Pca(pca, code_of(model, normal, device))
            }
        };
        Ok(Self {
            model,
            device,
            fitted,
        })
    }

    /// Scores images batch after batch; `each` is given a batch and its scores.
    ///
    /// # Errors
    /// When a score is not finite, or `each` fails.
    pub fn score<E: From<DetectError>>(
        &self,
        images: &Subset,
        mut each: impl FnMut(&Batch, &[f64]) -> Result<(), E>,
    ) -> Result<(), E> {
        for (index, batch) in batches(images).enumerate() {
            let scores = self.score_batch(&batch, index as u64);
            let mut pairs = batch.indices.iter().zip(&scores);
            if let Some((&index, &found)) = pairs.find(|(_, score)| !score.is_finite()) {
                return Err(DetectError::NotFinite { index, found }.into());
            }
            each(&batch, &scores)?;
        }
        Ok(())
    }

    fn score_batch(&self, batch: &Batch, index: u64) -> Vec<f64> {
        match &self.fitted {
            Fitted::Error => {
                let images = inputs_of(self.model, batch, self.device);
                let parameters = self.model.decode(self.model.encode(images.clone()));
                let errors = self.model.likelihood().loss_per_image(parameters, images);
                host(errors).into_iter().map(f64::from).collect()
            }
            Fitted::Bound(samples) => self.negative_bounds(batch, index, *samples),
            Fitted::Distance(pca) => mahalanobis(pca, &batch_codes(self.model, batch, self.device)),
            Fitted::Pca(pca, components) => {
                let reconstructions = pca.reconstruct(*components, &batch.images);
                let rows = batch.images.chunks_exact(pca.features());
                rows.zip(reconstructions.chunks_exact(pca.features()))
                    .map(|(image, other)| squared_distance(image, other))
                    .collect()
            }
        }
    }
}

impl Score {
    /// The sizes of the batches that a model gets where so many images are scored.
    pub fn batch_sizes(self, images: usize) -> Vec<usize> {
        let draws = match self {
            Self::Bound { samples } => vec![1, samples.min(DRAWS), samples % DRAWS],
            Self::Error | Self::Distance | Self::Pca => vec![1],
        };
        let sizes = batch_sizes(images).into_iter();
        sizes
            .flat_map(|size| draws.iter().map(move |draws| size * draws))
            .collect()
    }
}

impl<B: Backend> Scorer<'_, B> {
    /// The negative bound of each image, by a few draws at a time: each has an image's worth of outputs.
    fn negative_bounds(&self, batch: &Batch, index: u64, samples: usize) -> Vec<f64> {
        let mut sums = vec![0.0; batch.len()];
        let parts = samples.div_ceil(DRAWS);
        for part in 0..parts {
            let draws = DRAWS.min(samples - part * DRAWS);
            let images = inputs_of(self.model, batch, self.device);
            let context = StepContext::evaluate(SEED, index * parts as u64 + part as u64);
            let weights = self.model.log_importance_weights(images, &context, draws);
            // Families without them were refused.
            let weights = weights
                .into_iter()
                .flat_map(|weights| host(sum_dim(weights, 1)));
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum -= f64::from(weight) / samples as f64;
            }
        }
        sums
    }
}

fn code_of<B: Backend>(model: &Model<B>, images: &Subset, device: &B::Device) -> usize {
    let blank = burn::tensor::Tensor::zeros([1, images.dataset().features()], device);
    let [_, code] = model.encode(blank).dims();
    code
}

/// The Mahalanobis distance of each code from the mean of those that `pca` was fitted to: along the principal components the
/// covariance is diagonal.
fn mahalanobis(pca: &Pca, codes: &[f32]) -> Vec<f64> {
    let variances = pca.variances();
    let ridge = RIDGE * variances.iter().sum::<f64>() / variances.len() as f64;
    let coordinates = pca.codes(pca.features(), codes);
    coordinates
        .chunks_exact(pca.features())
        .map(|row| {
            let terms = row.iter().zip(variances).map(|(&value, variance)| {
                // Where no code varies at all, only the mean itself is at distance 0.
                f64::from(value).powi(2) / (variance + ridge).max(f64::MIN_POSITIVE)
            });
            terms.sum::<f64>().sqrt()
        })
        .collect()
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// A table of scores with the columns `id`, `score`, `anomalous` and, where there are labels, `label`.
pub struct ScoreTable<W: Write> {
    writer: csv::Writer<W>,
    labels: LabelKind,
    threshold: f64,
}

impl<W: Write> ScoreTable<W> {
    /// Begins a table of the scores of images of a dataset. What is above the threshold is anomalous.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn new(to: W, dataset: &Dataset, threshold: f64) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(to);
        let labels = LabelKind::of(dataset);
        let label = (labels != LabelKind::None).then_some("label");
        writer.write_record(["id", "score", "anomalous"].into_iter().chain(label))?;
        Ok(Self {
            writer,
            labels,
            threshold,
        })
    }

    /// Adds the scores of a batch.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn write(&mut self, dataset: &Dataset, batch: &Batch, scores: &[f64]) -> io::Result<()> {
        for (row, (&index, &score)) in batch.indices.iter().zip(scores).enumerate() {
            let label = batch
                .labels
                .as_ref()
                .map(|labels| self.labels.text(labels[row]));
            let fields = [
                image_id(dataset, index),
                score.to_string(),
                (score > self.threshold).to_string(),
            ];
            self.writer.write_record(fields.into_iter().chain(label))?;
        }
        Ok(())
    }

    /// Ends the table, and gives back what it was written to.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(self) -> io::Result<W> {
        let written = self.writer.into_inner();
        written.map_err(|error| io::Error::other(error.to_string()))
    }
}

/// The smallest score that at most a share `contamination` of the scores lies above.
///
/// # Errors
/// When there are no scores.
pub fn threshold(mut scores: Vec<f64>, contamination: f64) -> Result<f64, DetectError> {
    scores.sort_unstable_by(f64::total_cmp);
    let above = (contamination * scores.len() as f64).floor() as usize;
    let place = scores.len().checked_sub(above + 1).or(match scores.len() {
        0 => None,
        _ => Some(0),
    });
    place
        .map(|place| scores[place])
        .ok_or(DetectError::NoImages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_the_share_lies_above_the_threshold() {
        let scores: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        for (contamination, expected) in [
            (0.0, 20.0),
            (0.05, 19.0),
            (0.09, 19.0),
            (0.1, 18.0),
            (0.999, 1.0),
        ] {
            let found = threshold(scores.clone(), contamination).unwrap();
            assert_eq!(found, expected, "{contamination}");
            let above = scores.iter().filter(|&&score| score > found).count() as f64;
            assert!(above <= contamination * 20.0);
        }
        // Ties at the threshold are not above it.
        assert_eq!(threshold(vec![3.0; 10], 0.5).unwrap(), 3.0);
        assert!(threshold(Vec::new(), 0.5).is_err());
    }

    /// Against the inverse of a covariance, worked out by hand.
    #[test]
    fn the_distance_is_that_of_mahalanobis() {
        let (a, b) = (2.0_f32.sqrt(), 0.5_f32.sqrt());
        let deviations = [
            [a, b],
            [-a, -b],
            [a, b],
            [-a, -b],
            [0.0, 1.0],
            [0.0, -1.0],
            [0.0, 0.0],
            [0.0, 0.0],
        ];
        // The mean is (1, 2); over 8 rows xx adds up to 8, xy to 4 and yy to 4: the covariance is [[1, 0.5], [0.5, 0.5]].
        let rows: Vec<f32> = deviations
            .iter()
            .flat_map(|[x, y]| [1.0 + x, 2.0 + y])
            .collect();
        let pca = Pca::fit(2, [rows], |_| {}).unwrap();
        let distances = mahalanobis(&pca, &[1.0, 2.0, 2.0, 2.0, 1.0, 3.0, 4.0, 1.0]);
        // The inverse of [[1, 0.5], [0.5, 0.5]] is [[2, -2], [-2, 4]].
        let squares = [0.0, 2.0, 4.0, 2.0 * 9.0 + 2.0 * 2.0 * 3.0 + 4.0];
        for (found, expected) in distances.iter().zip(squares) {
            let error = (found * found - expected).abs();
            assert!(error < 1e-4 * (1.0 + expected), "{distances:?}");
        }
    }

    #[test]
    fn a_dimension_that_never_varies_is_no_infinite_distance() {
        let pca = Pca::fit(2, [[1.0, 5.0, -1.0, 5.0]], |_| {}).unwrap();
        let distances = mahalanobis(&pca, &[1.0, 5.0, 1.0, 5.001]);
        assert!((distances[0] - 1.0).abs() < 1e-3, "{distances:?}");
        assert!(distances[1].is_finite() && distances[1] > distances[0]);
    }
}
