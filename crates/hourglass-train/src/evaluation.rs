//! What a model does on a split: its own terms, its reconstruction error, and PCA's beside it.

use std::num::NonZeroUsize;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use hourglass_data::{Batch, Batches, Subset};
use hourglass_models::{Autoencoder, Model, Sparsity, StepContext};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::pca::{Pca, PcaError};
use crate::terms::{Terms, stacked};

/// Images a batch in evaluation. It is fixed, since the noise is drawn by the batch.
const EVALUATION_BATCH: usize = 500;

/// The seed of all noise in evaluation.
pub(crate) const EVALUATION_SEED: u64 = 0;

/// Called with the images done and the images in all.
pub type Progress<'a> = &'a mut dyn FnMut(&str, usize, usize);

/// The numbers of a model on a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Images measured.
    pub images: usize,
    /// Whether the images are binary ones, drawn from the split's, for models of such.
    pub binarized: bool,
    /// sum_i (x_i - mu_i)^2 an image, mu the mean of p(x|h) at the image's code, of the corrupted image where the family
    /// corrupts.
    pub squared_error: f64,
    /// The family's own terms, means over the images, by name.
    pub terms: Vec<(String, f64)>,
    /// The squared error of the corrupted images themselves, for families that corrupt.
    pub corrupted_squared_error: Option<f64>,
    /// The activity of the code, for sparse families.
    pub activity: Option<Activity>,
    /// The mean over the images of ||dh/dx||_F, for families that control it.
    pub jacobian_norm: Option<f64>,
    /// The same error for PCA.
    pub pca: PcaComparison,
}

/// The activity of a code's units on a split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Activity {
    /// Units active an image, in the mean.
    pub active_units: f64,
    /// Units that are active for no image.
    pub dead_units: usize,
    /// The median over units of |rho_j - rho| / rho, rho_j the unit's mean and rho the target, where there is one.
    pub median_target_deviation: Option<f64>,
}

/// PCA beside a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum PcaComparison {
    /// The squared error of PCA with as many components as the code has (active) units, on the same inputs.
    Measured {
        /// Components.
        components: usize,
        /// sum_i (x_i - reconstruction_i)^2 an image.
        squared_error: f64,
    },
    /// Why there is no such number.
    LeftOut(String),
}

impl Evaluation {
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
        if let Some(activity) = self.activity {
            map.insert("active_units".into(), json!(activity.active_units));
            map.insert("dead_units".into(), json!(activity.dead_units));
            if let Some(deviation) = activity.median_target_deviation {
                map.insert("median_target_deviation".into(), json!(deviation));
            }
        }
        if let Some(norm) = self.jacobian_norm {
            map.insert("jacobian_norm".into(), json!(norm));
        }
        map.insert(
            "pca".into(),
            match &self.pca {
                PcaComparison::Measured {
                    components,
                    squared_error,
                } => {
                    json!({"components": components, "squared_error": squared_error})
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

/// Measures a model on a split; PCA is fitted to `training`, the images that the model was trained on, or is left out for
/// the reason given in their place.
pub fn evaluate<B: Backend>(
    model: &Model<B>,
    split: &Subset,
    training: Result<&Subset, &str>,
    device: &B::Device,
    progress: Progress<'_>,
) -> Evaluation {
    let features = split.dataset().features();
    let mut measured = measure(model, split, device, progress);
    let activity = model.sparsity().map(|sparsity| {
        let activity = std::mem::take(&mut measured.units);
        activity_of(model, split, device, sparsity, &activity, progress)
    });
    let components = match activity {
        Some(activity) => activity.active_units.round() as usize,
        None => measured.code,
    };
    Evaluation {
        pca: compare_with_pca(
            model, split, training, components, features, device, progress,
        ),
        images: split.len(),
        binarized: measured.binarized,
        squared_error: measured.squared_error,
        terms: measured.terms,
        corrupted_squared_error: measured.corrupted_squared_error,
        activity,
        jacobian_norm: measured.jacobian_norm,
    }
}

/// Every batch size that measuring a split will use.
pub fn evaluation_sizes(split: &Subset) -> Vec<usize> {
    vec![
        EVALUATION_BATCH.min(split.len()),
        split.len() % EVALUATION_BATCH,
    ]
}

/// The means over a split of the family's own terms.
pub(crate) fn mean_terms<B: Backend>(
    model: &Model<B>,
    split: &Subset,
    device: &B::Device,
) -> Vec<(String, f64)> {
    let mut terms = Terms::<B>::new(Vec::new(), 0);
    for (index, batch) in sequential(split).enumerate() {
        let context = StepContext::evaluate(EVALUATION_SEED, index as u64);
        let (names, values) = stacked(model.loss(images_of(&batch, device), &context));
        terms.push(index as u64, batch.len(), names, values);
    }
    means(terms)
}

/// The means of the terms; not-a-number where one is not finite.
fn means<B: Backend>(mut terms: Terms<B>) -> Vec<(String, f64)> {
    match terms.read() {
        Ok(()) => terms.take_means(),
        Err(fault) => vec![(fault.term.to_owned(), f64::NAN)],
    }
}

/// A batch's images on a device, `[batch, features]`.
pub fn images_of<B: Backend>(batch: &Batch, device: &B::Device) -> Tensor<B, 2> {
    let shape = [batch.len(), batch.images.len() / batch.len().max(1)];
    Tensor::from_data(TensorData::new(batch.images.clone(), shape), device)
}

/// A batch's images as the model sees them: binary ones where it is a model of such, the same in every measure of the
/// split's batch `index`.
///
/// # Shapes
/// - output: `[batch, features]`
pub(crate) fn images_as_seen<B: Backend>(
    model: &Model<B>,
    batch: &Batch,
    index: usize,
    device: &B::Device,
) -> Tensor<B, 2> {
    let context = StepContext::evaluate(EVALUATION_SEED, index as u64);
    let images = images_of(batch, device);
    model.binarize(images.clone(), &context).unwrap_or(images)
}

pub(crate) fn sequential(split: &Subset) -> Batches {
    let size = NonZeroUsize::new(EVALUATION_BATCH).unwrap_or(NonZeroUsize::MIN);
    Batches::sequential(split, size)
}

struct Measured {
    binarized: bool,
    squared_error: f64,
    corrupted_squared_error: Option<f64>,
    terms: Vec<(String, f64)>,
    jacobian_norm: Option<f64>,
    code: usize,
    units: Units,
}

/// The largest absolute value and the sum of each unit over a split.
#[derive(Default)]
struct Units {
    largest: Vec<f32>,
    sums: Vec<f64>,
}

impl Units {
    fn add(&mut self, codes: &[f32], code: usize) {
        self.largest.resize(code, 0.0);
        self.sums.resize(code, 0.0);
        for row in codes.chunks_exact(code) {
            for (unit, &value) in row.iter().enumerate() {
                self.largest[unit] = self.largest[unit].max(value.abs());
                self.sums[unit] += f64::from(value);
            }
        }
    }
}

fn host<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

fn measure<B: Backend>(
    model: &Model<B>,
    split: &Subset,
    device: &B::Device,
    progress: Progress<'_>,
) -> Measured {
    let mut terms = Terms::<B>::new(Vec::new(), 0);
    let (mut error, mut norms, mut code, mut done) = (0.0, None, 0, 0);
    let mut corrupted_error = None;
    let mut binarized = false;
    let mut units = Units::default();
    for (index, batch) in sequential(split).enumerate() {
        let context = StepContext::evaluate(EVALUATION_SEED, index as u64);
        let images = images_of::<B>(&batch, device);
        let binary = model.binarize(images.clone(), &context);
        binarized |= binary.is_some();
        let images = binary.unwrap_or(images);
        let targets = host(images.clone());
        let corrupted = model.corrupt(images.clone(), &context);
        if let Some(corrupted) = corrupted.clone() {
            *corrupted_error.get_or_insert(0.0) += squared_distance(&host(corrupted), &targets);
        }
        let codes = model.encode(corrupted.unwrap_or_else(|| images.clone()));
        [_, code] = codes.dims();
        if model.sparsity().is_some() {
            units.add(&host(codes.clone()), code);
        }
        let reconstructions = model.likelihood().mean(model.decode(codes));
        error += squared_distance(&host(reconstructions), &targets);
        if let Some(norm) = model.jacobian_norm(images.clone()) {
            *norms.get_or_insert(0.0) += host(norm).into_iter().map(f64::from).sum::<f64>();
        }
        let (names, values) = stacked(model.loss(images, &context));
        terms.push(index as u64, batch.len(), names, values);
        done += batch.len();
        progress("measuring", done, split.len());
    }
    let images = split.len().max(1) as f64;
    Measured {
        binarized,
        squared_error: error / images,
        corrupted_squared_error: corrupted_error.map(|error| error / images),
        terms: means(terms),
        jacobian_norm: norms.map(|norms| norms / images),
        code,
        units,
    }
}

fn activity_of<B: Backend>(
    model: &Model<B>,
    split: &Subset,
    device: &B::Device,
    sparsity: Sparsity,
    units: &Units,
    progress: Progress<'_>,
) -> Activity {
    let (mut active, mut done) = (0_u64, 0);
    for batch in sequential(split) {
        let codes = host(model.encode(images_of::<B>(&batch, device)));
        let values = codes.iter().zip(units.largest.iter().cycle());
        active += values
            .filter(|(value, largest)| value.abs() > sparsity.active_share * **largest)
            .count() as u64;
        done += batch.len();
        progress("counting active units", done, split.len());
    }
    let images = split.len().max(1) as f64;
    Activity {
        active_units: active as f64 / images,
        dead_units: units
            .largest
            .iter()
            .filter(|&&largest| largest == 0.0)
            .count(),
        median_target_deviation: sparsity.target_activation.map(|target| {
            let deviation = |sum: &f64| (sum / images - target).abs() / target;
            median(units.sums.iter().map(deviation).collect())
        }),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

fn compare_with_pca<B: Backend>(
    model: &Model<B>,
    split: &Subset,
    training: Result<&Subset, &str>,
    components: usize,
    features: usize,
    device: &B::Device,
    progress: Progress<'_>,
) -> PcaComparison {
    if components >= features {
        return PcaComparison::LeftOut(format!(
            "PCA with {components} components reconstructs images of {features} pixels without error"
        ));
    }
    if components == 0 {
        return PcaComparison::LeftOut("no unit of the code is active".into());
    }
    let pca = training.map_err(str::to_owned).and_then(|training| {
        // Binary images of its own for a model of such: those of training steps.
        let seen = |index: usize, batch: Batch| {
            let context = StepContext::train(EVALUATION_SEED, index as u64, 1);
            let binary = model.binarize(images_of::<B>(&batch, device), &context);
            binary.map_or(batch.images, host)
        };
        fit_pca_to(training, seen, progress).map_err(|error| error.to_string())
    });
    let pca = match pca {
        Ok(pca) => pca,
        Err(reason) => return PcaComparison::LeftOut(reason),
    };
    let (mut error, mut done) = (0.0, 0);
    for (index, batch) in sequential(split).enumerate() {
        let context = StepContext::evaluate(EVALUATION_SEED, index as u64);
        let images = images_as_seen(model, &batch, index, device);
        let inputs = model.corrupt(images.clone(), &context);
        let inputs = host(inputs.unwrap_or_else(|| images.clone()));
        error += pca.squared_error(components, &inputs, &host(images));
        done += batch.len();
        progress("measuring PCA", done, split.len());
    }
    PcaComparison::Measured {
        components,
        squared_error: error / split.len().max(1) as f64,
    }
}

/// Exact PCA of a subset's images.
///
/// # Errors
/// When there are no images.
pub fn fit_pca(training: &Subset, progress: Progress<'_>) -> Result<Pca, PcaError> {
    fit_pca_to(training, |_, batch| batch.images, progress)
}

/// PCA of what `seen` makes of each batch and its number.
fn fit_pca_to(
    training: &Subset,
    mut seen: impl FnMut(usize, Batch) -> Vec<f32>,
    progress: Progress<'_>,
) -> Result<Pca, PcaError> {
    let batches = sequential(training).enumerate();
    let batches = batches.map(|(index, batch)| seen(index, batch));
    Pca::fit(training.dataset().features(), batches, |done| {
        progress("fitting PCA", done, training.len());
    })
}
