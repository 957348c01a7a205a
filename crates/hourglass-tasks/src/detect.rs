//! Anomaly scores: how little an image resembles those that a model was trained on. A higher score is more anomalous.

mod columns;
mod error;
mod reasons;
mod table;
mod threshold;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_data::{Batch, Subset, measuring_sizes};
use hourglass_kernels::sum_dim;
use hourglass_measure::pca::{Pca, rows_fitted};
use hourglass_measure::{Cache, InputBatch, fit_pca, host, input_batches};
use hourglass_models::{Autoencoder, Likelihood, Model, Shape, StepContext};

pub use error::DetectError;
pub use reasons::Reason;
pub use table::ScoreTable;
pub use threshold::Threshold;

use self::columns::{FeatureScale, each_row};
use self::error::WIDEST_DISTANCE;
use crate::stream::{Done, codes};

/// Draws of the code per image that are made at a time.
const DRAWS: usize = 16;

/// The seed of the noise of the bound.
const SEED: u64 = 0;

/// What is added to the variances of the codes, as a share of their mean: a dimension that never varies in training must
/// not make every other image infinitely far away.
const RIDGE: f64 = 1e-6;

/// The most products that are summed for the covariance of the codes; if there are very many images, a sample is used.
const MOST_PRODUCTS: usize = 500_000_000_000;

/// The share of the variance that PCA's components hold where the code is as wide as a sample.
const PCA_SHARE: f64 = 0.9;

/// What an image is scored by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// The reconstruction term of the objective, in its own unit. For Bernoulli on grey pixels, the entropy of the image is
    /// subtracted, which leaves KL(x || p): the cross-entropy would rank images by how grey they are.
    Error,
    /// The negative evidence lower bound in nats, at beta 1, of families with a prior and a posterior: the mean over so
    /// many draws of the code. For Bernoulli on grey pixels, the entropy of the image is subtracted, as for the error.
    Bound {
        /// Draws per image.
        samples: usize,
    },
    /// The squared distances of the features from their reconstructions and from their means, each in units of what is usual
    /// among the normal samples: a sum over columns, for rows and vectors.
    Columns,
    /// The negative log-likelihood in nats of a sample's features, each of them normal around its reconstruction, with the mean
    /// squared error among the normal samples as its variance: a sum over columns too.
    Nll,
    /// The Mahalanobis distance of the code from the codes of the normal images:
    /// d² = (z - m)ᵀ S⁻¹ (z - m), m and S their mean and covariance.
    Distance,
    /// The squared error of PCA, fitted to the normal samples, with as many components as the code has units: a baseline. Where
    /// that are as many as there are features, PCA would rebuild everything; then it has the components that hold 90 % of the
    /// variance.
    Pca,
}

/// Scores images; see [`Score`].
pub struct Scorer<'a, B: Backend> {
    model: &'a Model<B>,
    device: &'a B::Device,
    fitted: Fitted,
}

enum Fitted {
    Error,
    Columns(Box<FeatureScale>),
    Nll(Box<FeatureScale>),
    Bound(usize),
    Distance(Pca),
    Pca(Pca, usize),
}

impl<'a, B: Backend> Scorer<'a, B> {
    /// Fits what the score needs to the `normal` images.
    ///
    /// # Errors
    /// When the model has no such score.
    pub fn fit(
        model: &'a Model<B>,
        family: &'static str,
        score: Score,
        normal: &Subset,
        device: &'a B::Device,
        cache: Option<&Cache>,
        done: Done<'_>,
    ) -> Result<Self, DetectError> {
        let fitted = match score {
            Score::Error => Fitted::Error,
            Score::Columns => {
                Fitted::Columns(Box::new(FeatureScale::fit(model, normal, device, done)?))
            }
            Score::Nll => Fitted::Nll(Box::new(FeatureScale::fit(model, normal, device, done)?)),
            Score::Bound { samples } => {
                let blank = Tensor::zeros([1, normal.dataset().features()], device);
                if model.posterior(blank).is_none() {
                    return Err(DetectError::NoBound { family });
                }
                Fitted::Bound(samples)
            }
            Score::Distance => {
                let code = model.code_width(normal.dataset().features(), device);
                if code > WIDEST_DISTANCE {
                    return Err(DetectError::TooWide { code });
                }
                let sample = normal.sample(MOST_PRODUCTS / (code * code).max(1), SEED);
                Fitted::Distance(Pca::fit(code, codes(model, &sample, device), done)?)
            }
            Score::Pca => {
                let code = model.code_width(normal.dataset().features(), device);
                let features = normal.dataset().features();
                let count = code.min(features);
                let pca = fit_pca(normal, count, cache, &mut |_, rows, _| done(rows))?;
                let components = match code < features {
                    true => code,
                    false => most_of_the_variance(&pca),
                };
                Fitted::Pca(pca, components)
            }
        };
        Ok(Self {
            model,
            device,
            fitted,
        })
    }

    /// How many images PCA is fitted to, where these are a sample of the normal ones.
    pub fn sampled(&self, normal: &Subset) -> Option<usize> {
        let Fitted::Pca(_, components) = &self.fitted else {
            return None;
        };
        let fitted = rows_fitted(normal.len(), normal.dataset().features(), *components);
        (fitted < normal.len()).then_some(fitted)
    }

    /// The name of the scores, as in the header of their table.
    pub fn name(&self) -> &'static str {
        let likelihood = self.model.likelihood();
        let is_grey =
            likelihood == Likelihood::Bernoulli && !self.model.sees_binary_images(self.device);
        match (&self.fitted, likelihood) {
            (Fitted::Error, Likelihood::Bernoulli) if is_grey => "pixel_kl_nats",
            (Fitted::Error, Likelihood::Bernoulli) => "reconstruction_nats",
            (Fitted::Error, likelihood) => likelihood.term(),
            (Fitted::Columns(_), _) => "unusualness",
            (Fitted::Nll(_), _) => "negative_log_likelihood",
            (Fitted::Bound(_), _) if is_grey => "negative_elbo_less_entropy",
            (Fitted::Bound(_), _) => "negative_elbo",
            (Fitted::Distance(_), _) => "mahalanobis_distance",
            (Fitted::Pca(..), _) => "pca_squared_error",
        }
    }

    /// Whether it can be said which columns made a score.
    pub fn has_reasons(&self) -> bool {
        matches!(self.fitted, Fitted::Columns(_) | Fitted::Nll(_))
    }

    /// Scores samples batch after batch; `each` is called with each batch, its scores, and a function that says which columns
    /// made the score of a sample, by its place in the batch.
    ///
    /// # Errors
    /// When a score is not finite, or `each` fails.
    pub fn score<E: From<DetectError>>(
        &self,
        images: &Subset,
        mut each: impl FnMut(&Batch, &[f64], &dyn Fn(usize) -> Vec<Reason>) -> Result<(), E>,
    ) -> Result<(), E> {
        let dataset = images.dataset();
        for (index, inputs) in (0..).zip(input_batches(self.model, images, self.device)) {
            let Scores {
                scores,
                made,
                parts,
            } = self.score_batch(&inputs, index);
            let batch = inputs.batch;
            let reasons = |place: usize| match parts.get(place) {
                Some(parts) => Reason::largest(dataset, batch.indices[place], &made[place], parts),
                None => Vec::new(),
            };
            let mut pairs = batch.indices.iter().zip(&scores);
            if let Some((&index, &found)) = pairs.find(|(_, score)| !score.is_finite()) {
                return Err(DetectError::NotFinite { index, found }.into());
            }
            each(&batch, &scores, &reasons)?;
        }
        Ok(())
    }

    fn score_batch(&self, inputs: &InputBatch<B>, index: u64) -> Scores {
        let InputBatch { batch, images, .. } = inputs;
        let images = images.clone();
        let scores = match &self.fitted {
            Fitted::Columns(scale) => {
                return self.sums(inputs, 0.0, |row, made| scale.parts(row, made));
            }
            Fitted::Nll(scale) => {
                let constant = scale.log_normalisation();
                return self.sums(inputs, constant, |row, made| scale.nats(row, made));
            }
            Fitted::Error => {
                let parameters = self.model.decode(self.model.encode(images.clone()));
                let likelihood = self.model.likelihood();
                let entropy = likelihood.entropy_per_image(images.clone());
                let errors = likelihood.loss_per_image(parameters, images);
                let errors = host(without(errors, entropy));
                errors.into_iter().map(f64::from).collect()
            }
            Fitted::Bound(samples) => self.negative_bounds(images, index, *samples),
            Fitted::Distance(pca) => mahalanobis(pca, &host(self.model.encode(images))),
            Fitted::Pca(pca, components) => {
                let reconstructions = pca.reconstruct(*components, &batch.images);
                let rows = batch.images.chunks_exact(pca.features());
                rows.zip(reconstructions.chunks_exact(pca.features()))
                    .map(|(image, other)| squared_distance(image, other))
                    .collect()
            }
        };
        Scores {
            scores,
            made: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Scores that are sums over the features and a constant.
    fn sums(
        &self,
        inputs: &InputBatch<B>,
        constant: f64,
        parts_of: impl Fn(&[f32], &[f32]) -> Vec<f64>,
    ) -> Scores {
        let features = inputs.batch.images.len() / inputs.batch.len().max(1);
        let (mut made, mut parts) = (Vec::new(), Vec::new());
        each_row(self.model, inputs, features, |row, rebuilt| {
            made.push(rebuilt.to_vec());
            parts.push(parts_of(row, rebuilt));
        });
        let sums = parts
            .iter()
            .map(|parts: &Vec<f64>| parts.iter().sum::<f64>());
        Scores {
            scores: sums.map(|sum| sum + constant).collect(),
            made,
            parts,
        }
    }
}

/// The scores of a batch.
struct Scores {
    scores: Vec<f64>,
    /// The reconstruction of each sample, where its score is a sum over the features.
    made: Vec<Vec<f32>>,
    /// What each feature adds to it.
    parts: Vec<Vec<f64>>,
}

impl Score {
    /// The sizes of the batches that the model gets when so many images are scored.
    pub fn batch_sizes(self, images: usize, shape: Shape) -> Vec<usize> {
        let draws = match self {
            Self::Bound { samples } => vec![1, samples.min(DRAWS), samples % DRAWS],
            Self::Error | Self::Columns | Self::Nll | Self::Distance | Self::Pca => vec![1],
        };
        let sizes = measuring_sizes(images, shape).into_iter();
        sizes
            .flat_map(|size| draws.iter().map(move |draws| size * draws))
            .collect()
    }
}

impl<B: Backend> Scorer<'_, B> {
    /// The negative bound of each image. Only a few draws are made at a time, since each has as many outputs as an image.
    fn negative_bounds(&self, images: Tensor<B, 2>, index: u64, samples: usize) -> Vec<f64> {
        let [count, _] = images.dims();
        let entropy = self.model.likelihood().entropy_per_image(images.clone());
        let mut sums = vec![0.0; count];
        let parts = samples.div_ceil(DRAWS);
        for part in 0..parts {
            let draws = DRAWS.min(samples - part * DRAWS);
            let context = StepContext::evaluate(SEED, index * parts as u64 + part as u64);
            let images = images.clone();
            let weights = self.model.log_importance_weights(images, &context, draws);
            // Families without importance weights were refused earlier.
            let bounds = weights.into_iter().flat_map(|weights| {
                let sums: Tensor<B, 1> = sum_dim(weights, 1).squeeze_dim(1);
                let bounds = sums / -(draws as f64);
                host(without(bounds, entropy.clone()))
            });
            for (sum, bound) in sums.iter_mut().zip(bounds) {
                *sum += f64::from(bound) * draws as f64 / samples as f64;
            }
        }
        sums
    }
}

/// How many components hold 90 % of the variance, but not all.
fn most_of_the_variance(pca: &Pca) -> usize {
    let variances = pca.variances();
    let enough = PCA_SHARE * variances.iter().sum::<f64>();
    let mut sum = 0.0;
    let reached = variances.iter().position(|variance| {
        sum += variance;
        sum >= enough
    });
    let most = variances.len().saturating_sub(1);
    reached.map_or(most, |place| (place + 1).min(most)).max(1)
}

/// Scores less the entropy of their images, where there is one to subtract.
fn without<B: Backend>(scores: Tensor<B, 1>, entropy: Option<Tensor<B, 1>>) -> Tensor<B, 1> {
    match entropy {
        Some(entropy) => scores - entropy,
        None => scores,
    }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use burn::backend::NdArray;
    use burn::tensor::TensorData;
    use hourglass_data::{Dataset, Shape};
    use hourglass_models::{ModelConfig, load_state_dict};

    use super::*;

    /// Of a model that makes the same of every image, both scores can be written out.
    #[test]
    fn scores_by_feature_are_sums_of_squares_over_variances() {
        let pixels = [
            [0, 100, 200, 50],
            [10, 120, 180, 60],
            [20, 80, 220, 40],
            [255, 0, 0, 255],
        ];
        let images = images(&pixels);
        let means = [0.05_f32, 0.4, 0.8, 0.2];
        let model = constant("undercomplete", r#"{"likelihood": "squared_error"}"#, means);
        let x = |row: usize, feature: usize| f64::from(pixels[row][feature] as f32 / 255.0);
        let error = |row: usize| -> f64 {
            let each = (0..4).map(|feature| (x(row, feature) - f64::from(means[feature])).powi(2));
            each.sum()
        };
        // 55 % of four are three; the odd one is the last.
        let kept = [0, 1, 2];
        assert!(kept.iter().all(|&row| error(row) < error(3)));
        let mean = |of: &dyn Fn(usize) -> f64| kept.iter().map(|&row| of(row)).sum::<f64>() / 3.0;
        let centre: Vec<f64> = (0..4).map(|feature| mean(&|row| x(row, feature))).collect();
        let spread = (0..4).map(|feature| mean(&|row| (x(row, feature) - centre[feature]).powi(2)));
        let spread: Vec<f64> = spread.collect();
        let ridge = 1e-3 * spread.iter().sum::<f64>() / 4.0;
        let residual =
            |row: usize, feature: usize| (x(row, feature) - f64::from(means[feature])).powi(2);
        let variance: Vec<f64> = (0..4)
            .map(|feature| mean(&|row| residual(row, feature)) + ridge)
            .collect();
        let rebuilt = |row: usize| {
            (0..4)
                .map(|feature| residual(row, feature) / variance[feature])
                .sum::<f64>()
        };
        let away = |row: usize, feature: usize| (x(row, feature) - centre[feature]).powi(2);
        let distance = |row: usize| {
            (0..4)
                .map(|feature| away(row, feature) / (spread[feature] + ridge))
                .sum::<f64>()
        };
        let median = |of: &dyn Fn(usize) -> f64| {
            let mut all = kept.map(of);
            all.sort_by(f64::total_cmp);
            all[1]
        };
        let (r, d) = (median(&rebuilt), median(&distance));
        let (name, found) = scores(&model, Score::Columns, &images);
        assert_eq!(name, "unusualness");
        for (row, found) in found.iter().enumerate() {
            let expected = rebuilt(row) / r + distance(row) / d;
            assert!(
                (found - expected).abs() < 1e-4 * expected,
                "{row}: {found} {expected}"
            );
        }
        let (_, found) = scores(&model, Score::Nll, &images);
        for (row, found) in found.iter().enumerate() {
            let normal = |feature: usize| {
                let v = variance[feature];
                residual(row, feature) / (2.0 * v) + (2.0 * std::f64::consts::PI * v).ln() / 2.0
            };
            let expected: f64 = (0..4).map(normal).sum();
            assert!(
                (found - expected).abs() < 1e-4 * expected.abs().max(1.0),
                "{row}: {found} {expected}"
            );
        }
    }

    /// Images of four pixels.
    fn images(pixels: &[[u8; 4]]) -> Subset {
        let shape = Shape::new(1, 2, 2);
        let dataset = Dataset::from_memory("four", shape, pixels.concat(), None);
        Subset::all(&Arc::new(dataset.expect("images")))
    }

    /// A model that makes the same of every image, and whose posterior, where it has one, is the prior.
    fn constant(family: &str, objective: &str, outputs: [f32; 4]) -> Model<NdArray> {
        let config = format!(
            r#"{{"family": "{family}", "network": {{"kind": "mlp", "hidden": [], "code": 2}}, "objective": {objective}}}"#
        );
        let config: ModelConfig = serde_json::from_str(&config).expect("a config");
        let encoded = if family == "variational" { 4 } else { 2 };
        let zeros = |shape: [usize; 2]| TensorData::zeros::<f32, _>(shape);
        let weights = [
            ("encoder.0.weight", zeros([encoded, 4])),
            ("encoder.0.bias", TensorData::zeros::<f32, _>([encoded])),
            ("decoder.0.weight", zeros([4, 2])),
            ("decoder.0.bias", TensorData::from(outputs)),
        ];
        let weights = weights.map(|(name, data)| (name.to_owned(), data));
        let model = config.init(Shape::new(1, 2, 2), 0, &Default::default());
        load_state_dict(model.expect("a model"), weights.into()).expect("fitting weights")
    }

    fn scores(model: &Model<NdArray>, score: Score, images: &Subset) -> (&'static str, Vec<f64>) {
        let device = Default::default();
        let scorer = Scorer::fit(model, "any", score, images, &device, None, &mut |_| {});
        let scorer = scorer.expect("a score");
        let mut found = Vec::new();
        let scored = scorer.score(images, |_, scores, _| {
            found.extend_from_slice(scores);
            Ok::<_, DetectError>(())
        });
        scored.expect("finite scores");
        (scorer.name(), found)
    }

    /// Of Bernoulli models the divergence from the image, written out, and not the cross-entropy, by which a grey image
    /// that comes back as it was would be the strangest of all.
    #[test]
    fn grey_images_are_not_strange_for_being_grey() {
        let means = [0.5_f32, 0.5, 0.75, 0.1];
        let logits = means.map(|p| (p / (1.0 - p)).ln());
        // As the model expects them, nearly; black and white; in between.
        let pixels = [[127, 128, 191, 26], [0, 255, 255, 0], [40, 90, 160, 250]];
        let images = images(&pixels);
        let divergence = |image: &[u8; 4]| {
            let part = |x: f64, p: f64| if x > 0.0 { x * (x / p).ln() } else { 0.0 };
            let pixels = image.iter().zip(means);
            let parts = pixels.map(|(&pixel, p)| {
                let (x, p) = (f64::from(pixel) / 255.0, f64::from(p));
                part(x, p) + part(1.0 - x, 1.0 - p)
            });
            parts.sum::<f64>()
        };
        let plain = constant("undercomplete", r#"{"likelihood": "bernoulli"}"#, logits);
        let variational = constant("variational", r#"{"likelihood": "bernoulli"}"#, logits);
        for (model, score, name) in [
            (&plain, Score::Error, "pixel_kl_nats"),
            (&variational, Score::Error, "pixel_kl_nats"),
            (
                &variational,
                Score::Bound { samples: 20 },
                "negative_elbo_less_entropy",
            ),
        ] {
            let (found_name, found) = scores(model, score, &images);
            assert_eq!(found_name, name);
            for (found, image) in found.iter().zip(&pixels) {
                let expected = divergence(image);
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{name}: {found} {expected}"
                );
            }
            assert!(found[0] < 1e-3 && found[1] > 1.0, "{name}: {found:?}");
        }
    }

    /// The other terms are what they were, constants and all.
    #[test]
    fn scores_say_what_they_are() {
        let images = images(&[[0, 255, 51, 102], [255, 0, 0, 204]]);
        let squares = |image: [f64; 4]| image.map(|x| (x - 0.2).powi(2)).iter().sum::<f64>();
        let errors = [squares([0.0, 1.0, 0.2, 0.4]), squares([1.0, 0.0, 0.0, 0.8])];
        let nats =
            |error: &f64| error / (2.0 * 0.09) + 2.0 * (2.0 * std::f64::consts::PI * 0.09).ln();
        let gaussian = r#"{"likelihood": {"gaussian": {"sigma": 0.3}}}"#;
        let bound = Score::Bound { samples: 3 };
        for (family, objective, score, name, expected) in [
            (
                "undercomplete",
                "{}",
                Score::Error,
                "squared_error",
                errors.to_vec(),
            ),
            (
                "undercomplete",
                gaussian,
                Score::Error,
                "reconstruction_nats",
                errors.iter().map(nats).collect(),
            ),
            (
                "variational",
                gaussian,
                bound,
                "negative_elbo",
                errors.iter().map(nats).collect(),
            ),
        ] {
            let model = constant(family, objective, [0.2; 4]);
            let (found_name, found) = scores(&model, score, &images);
            assert_eq!(found_name, name);
            for (found, expected) in found.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{name}: {found} {expected}"
                );
            }
        }
        let binary = r#"{"likelihood": "bernoulli", "binarize": true}"#;
        let binary = constant("variational", binary, [0.0; 4]);
        let name = |score| scores(&binary, score, &images).0;
        assert_eq!(name(Score::Error), "reconstruction_nats");
        assert_eq!(name(bound), "negative_elbo");
        assert_eq!(name(Score::Distance), "mahalanobis_distance");
        assert_eq!(name(Score::Pca), "pca_squared_error");
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
