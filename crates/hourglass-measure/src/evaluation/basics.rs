//! The numbers that every model has: the terms of its objective, its error, the activity of its code, and the error of PCA.

use burn::tensor::backend::Backend;
use hourglass_data::Kind;
use hourglass_models::Autoencoder;
use serde_json::{Map, Value, json};

use super::activity::{self, Activity, Units};
use super::attempt::attempt;
use super::baseline::{self, Baseline, Cache};
use super::classification::{self, Classification};
use super::measured::{Measured, left_out};
use super::subject::{CorruptedBatch, Subject, squared_distances};
use crate::source::{Progress, host};
use crate::terms::{Terms, means, stacked};

/// The numbers of a model on a split.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// What the samples are: images, rows or vectors.
    pub kind: Kind,
    /// Samples measured.
    pub images: usize,
    /// Whether the images are binary ones drawn from the split's, as for models of binary images.
    pub binarized: bool,
    /// sum_i (x_i - mu_i)^2 per image, mu the mean of p(x|h) at the code of the image, or of the corrupted image where the
    /// family corrupts.
    pub squared_error: f64,
    /// The family's own terms, means over the images, by name.
    pub terms: Vec<(String, f64)>,
    /// The squared error of the corrupted images themselves, for families that corrupt.
    pub corrupted_squared_error: Option<f64>,
    /// The activity of the code, for sparse families.
    pub activity: Option<Activity>,
    /// The mean over the images of ||dh/dx||_F, for families that control it.
    pub jacobian_norm: Option<f64>,
    /// The errors of the classifier that was fine-tuned from the model, where there is one.
    pub classification: Option<Measured<Classification>>,
    /// The same error for PCA.
    pub pca: PcaComparison,
    /// Whether PCA or the classifier is missing because its measure failed or was interrupted.
    pub has_failed: bool,
}

/// The error of PCA, with which a model's error is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum PcaComparison {
    /// The squared error of PCA with as many components as the code has (active) units, on the same inputs.
    Measured {
        /// Components.
        components: usize,
        /// sum_i (x_i - reconstruction_i)^2 per image.
        squared_error: f64,
        /// How many training images it is fitted to, where these are a sample of very many.
        fitted_to: Option<usize>,
    },
    /// Why there is no such number.
    LeftOut(String),
}

impl Evaluation {
    /// The name and the value of the first number that is not finite.
    pub fn first_not_finite(&self) -> Option<(&str, f64)> {
        let terms = self
            .terms
            .iter()
            .map(|(name, value)| (name.as_str(), *value));
        terms
            .chain([("squared_error", self.squared_error)])
            .find(|(_, value)| !value.is_finite())
    }

    /// The numbers by name, for scripts.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("images".into(), json!(self.images));
        if self.binarized {
            map.insert("binarized".into(), json!(true));
        }
        for (name, value) in &self.terms {
            map.insert(name.clone(), json!(value));
        }
        map.insert("squared_error".into(), json!(self.squared_error));
        let term = |wanted: &str| self.terms.iter().find(|(name, _)| name == wanted);
        if let (Some((_, cross_entropy)), Some(_)) = (term("cross_entropy"), term("negative_elbo"))
        {
            map.insert("reconstruction_nats".into(), json!(cross_entropy));
        }
        if let Some(error) = self.corrupted_squared_error {
            map.insert("corrupted_squared_error".into(), json!(error));
        }
        if let Some(activity) = &self.activity {
            map.insert("activity".into(), json!(activity));
            map.insert("active_units".into(), json!(activity.active_units));
            map.insert("dead_units".into(), json!(activity.dead_units));
            if let Some(deviation) = activity.median_target_deviation {
                map.insert("median_target_deviation".into(), json!(deviation));
            }
        }
        if let Some(norm) = self.jacobian_norm {
            map.insert("jacobian_norm".into(), json!(norm));
        }
        if let Some(classification) = &self.classification {
            map.insert("classifier".into(), json!(classification));
        }
        map.insert(
            "pca".into(),
            match &self.pca {
                PcaComparison::Measured {
                    components,
                    squared_error,
                    fitted_to,
                } => {
                    let mut pca = json!({"components": components, "squared_error": squared_error});
                    if let Some(images) = fitted_to {
                        pca["fitted_to"] = json!(images);
                    }
                    pca
                }
                PcaComparison::LeftOut(reason) => json!({"left_out": reason}),
            },
        );
        if term("cross_entropy").is_some() {
            let note = "cross_entropy is Bernoulli on grey pixels: in nats, but not a likelihood";
            map.insert("note".into(), json!(note));
        }
        map
    }
}

/// Measures a model on a split; PCA is left out where it fails.
///
/// # Errors
/// The reason, in words, when what is the model's own can't be measured.
pub fn evaluate<B: Backend>(
    subject: Subject<'_, B>,
    cache: Option<&Cache>,
    progress: Progress<'_>,
) -> Result<Evaluation, String> {
    attempt(|| evaluate_beside(subject, cache, progress).0)
}

/// Measures a model. Also returns the baseline that it is compared with, or why there is none.
pub(super) fn evaluate_beside<B: Backend>(
    subject: Subject<'_, B>,
    cache: Option<&Cache>,
    progress: Progress<'_>,
) -> (Evaluation, Result<Baseline, String>) {
    let measured = measure(subject, progress);
    let sparsity = subject.model.sparsity();
    let activity =
        sparsity.map(|sparsity| activity::measure(subject, sparsity, &measured.units, progress));
    let components = match &activity {
        Some(activity) => activity.active_units.round() as usize,
        None => measured.code,
    };
    let mut has_failed = false;
    let mut failed = |reason| {
        has_failed = true;
        reason
    };
    let baseline = attempt(|| baseline::fit(subject, components, cache, progress));
    let baseline = baseline.map_err(&mut failed).and_then(|baseline| baseline);
    let compared = match &baseline {
        Ok(baseline) => {
            attempt(|| compare_with_pca(subject, baseline, progress)).map_err(&mut failed)
        }
        Err(reason) => Err(reason.clone()),
    };
    let classification = subject.classifier.map(|classifier| {
        attempt(|| classification::measure(subject, classifier, progress))
            .map_err(&mut failed)
            .unwrap_or_else(left_out)
    });
    let evaluation = Evaluation {
        pca: compared.unwrap_or_else(PcaComparison::LeftOut),
        kind: subject.split.dataset().kind(),
        images: subject.split.len(),
        binarized: subject.is_binarized(),
        squared_error: measured.squared_error,
        terms: measured.terms,
        corrupted_squared_error: measured.corrupted_squared_error,
        activity,
        jacobian_norm: measured.jacobian_norm,
        classification,
        has_failed,
    };
    (evaluation, baseline)
}

struct Basics {
    squared_error: f64,
    corrupted_squared_error: Option<f64>,
    terms: Vec<(String, f64)>,
    jacobian_norm: Option<f64>,
    code: usize,
    units: Units,
}

fn measure<B: Backend>(subject: Subject<'_, B>, progress: Progress<'_>) -> Basics {
    let model = subject.model;
    let features = subject.split.dataset().features();
    let distance = |a: &[f32], b: &[f32]| squared_distances(a, b, features).iter().sum::<f64>();
    let mut terms = Terms::<B>::new(Vec::new(), 0);
    let (mut error, mut norms, mut code, mut done) = (0.0, None, 0, 0);
    let mut corrupted_error = None;
    let mut units = Units::default();
    for (index, batch) in subject.corrupted_batches().enumerate() {
        let CorruptedBatch {
            context,
            inputs,
            is_corrupted,
            images,
            targets,
            ..
        } = batch;
        if is_corrupted {
            *corrupted_error.get_or_insert(0.0) += distance(&host(inputs.clone()), &targets);
        }
        let codes = model.encode(inputs);
        [_, code] = codes.dims();
        if model.sparsity().is_some() {
            units.add(&host(codes.clone()), code);
        }
        let reconstructions = model.likelihood().mean(model.decode(codes));
        error += distance(&host(reconstructions), &targets);
        if let Some(norm) = model.jacobian_norm(images.clone()) {
            *norms.get_or_insert(0.0) += host(norm).into_iter().map(f64::from).sum::<f64>();
        }
        let (names, values) = stacked(model.loss(images, &context));
        let count = targets.len() / features;
        terms.push(index as u64, count, names, values);
        done += count;
        progress("measuring", done, subject.split.len());
    }
    let images = subject.split.len().max(1) as f64;
    Basics {
        squared_error: error / images,
        corrupted_squared_error: corrupted_error.map(|error| error / images),
        terms: means(terms),
        jacobian_norm: norms.map(|norms| norms / images),
        code,
        units,
    }
}

fn compare_with_pca<B: Backend>(
    subject: Subject<'_, B>,
    baseline: &Baseline,
    progress: Progress<'_>,
) -> PcaComparison {
    let components = baseline.components;
    let (mut error, mut done) = (0.0, 0);
    for batch in subject.corrupted_batches() {
        let inputs = host(batch.inputs);
        error += baseline
            .pca
            .squared_error(components, &inputs, &batch.targets);
        done += batch.targets.len() / baseline.pca.features();
        progress("measuring PCA", done, subject.split.len());
    }
    PcaComparison::Measured {
        components,
        squared_error: error / subject.split.len().max(1) as f64,
        fitted_to: baseline.sampled,
    }
}
