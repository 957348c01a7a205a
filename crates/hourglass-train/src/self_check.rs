//! The self-check with which a run on a GPU starts. It compares what the GPU and the CPU compute with the actual model: the loss
//! and its gradients before training, the codes and the decoded images before use.
//!
//! GPU kernels have been found to give wrong numbers for some shapes without an error. The batch size is part of these shapes (it
//! is the inner dimension of a weight's gradient). So the check runs at every batch size that the run will use.

use std::collections::BTreeSet;

use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use hourglass_data::{Batch, Cursor, Subset};
use hourglass_models::{
    Autoencoder, Model, ModelConfig, Shape, StepContext, Stream, load_state_dict, state_dict,
};
use thiserror::Error;

use crate::phases::{Examples, Phase, Plan, Trainee, plans};
use crate::recipe::Recipe;

/// The largest ||a - b|| / ||b|| that is taken for rounding.
pub const TOLERANCE: f64 = 1e-3;

/// Gradients whose norm is below this share of the whole gradient's are measured against that share: they are rounding.
const NEGLIGIBLE: f64 = 1e-5;

/// The most batches that are tried at a size. At a kink of top-k or ReLU, rounding alone can change a gradient, whereas a wrong
/// kernel is wrong on every batch.
const ATTEMPTS: u32 = 3;

/// The quantities that are compared, by name.
type Quantities = Vec<(String, TensorData)>;

const LOSS: &str = "the loss";

/// Why a device is not trusted with a model.
#[derive(Debug, Error)]
pub enum SelfCheckError {
    /// The device does not compute what the CPU does.
    #[error(
        "this device computes other numbers than the CPU: with {images} images, {quantity} differs by {error:.1e} \
         (relative; at most {TOLERANCE:.0e} was expected); run with `--backend flex`, or use a build without \
         `fusion` and `autotune`, and please report the adapter and driver"
    )]
    Differs {
        /// Images in the batch.
        images: usize,
        /// What differs most: the loss, the gradient of a parameter, what is encoded, or what is decoded.
        quantity: String,
        /// ||a - b|| / ||b||
        error: f64,
    },

    /// The CPU's result is not finite, so there is nothing to compare with.
    #[error(
        "expected finite numbers, but {quantity} is not finite for {images} images, and not on the CPU either; the weights are \
         damaged, or the training has diverged"
    )]
    NotFinite {
        /// Images in the batch.
        images: usize,
        /// What is not finite.
        quantity: String,
    },

    /// The model can't be copied to the CPU.
    #[error("can't compare the model with itself on the CPU: {0}")]
    Model(String),
}

impl SelfCheckError {
    fn in_phase(mut self, phase: Phase) -> Self {
        if let Self::Differs { quantity, .. } | Self::NotFinite { quantity, .. } = &mut self {
            *quantity = format!("{quantity} of the {phase}");
        }
        self
    }
}

/// The batch sizes that a model is compared at.
#[derive(Debug, Clone, Default)]
pub struct Sizes {
    /// Batch sizes at which the loss and its gradients are compared, as in training.
    pub with_gradients: Vec<usize>,
    /// Batch sizes at which only the loss is compared, as in measuring.
    pub losses: Vec<usize>,
}

/// Compares loss and gradients of a model on `G` with the same model on `C`, with the same noise, at each batch size;
/// `split` has the images for it. With a recipe, the batch sizes of its training are added, and what its other phases train
/// is compared too.
/// Returns the largest relative difference.
///
/// # Errors
/// When a difference is more than rounding.
pub fn check<G: AutodiffBackend, C: AutodiffBackend>(
    model: &Model<G>,
    config: &ModelConfig,
    recipe: Option<&Recipe>,
    split: &Subset,
    sizes: &Sizes,
    device: &G::Device,
) -> Result<f64, SelfCheckError> {
    let shape = split.shape();
    let cpu_device = C::Device::default();
    let cpu =
        copy::<_, C>(&model.valid(), config, shape, &cpu_device).map_err(SelfCheckError::Model)?;
    let plans = match recipe {
        Some(recipe) => {
            plans(recipe, shape).map_err(|error| SelfCheckError::Model(error.to_string()))?
        }
        None => vec![Plan::of_whole_model()],
    };
    let mut largest: f64 = 0.0;
    for plan in &plans {
        let ours = Side::new(plan, model, split, device).map_err(SelfCheckError::Model)?;
        let expected = Side::new(plan, &cpu, split, &cpu_device).map_err(SelfCheckError::Model)?;
        let mut with_gradients: BTreeSet<usize> = sizes.with_gradients.iter().copied().collect();
        if recipe.is_some() {
            let size = plan.config.batch_size.min(split.len());
            with_gradients.extend([size, split.len() % size.max(1)]);
        }
        let losses: BTreeSet<usize> = sizes.losses.iter().copied().collect();
        for &size in with_gradients.union(&losses).filter(|&&size| size > 0) {
            let gradients = with_gradients.contains(&size);
            let error = check_size(&ours, &expected, split, size, gradients);
            largest = largest.max(error.map_err(|error| error.in_phase(plan.phase))?);
        }
    }
    Ok(largest)
}

/// Compares the codes of images of noise, and the images decoded from them, of a model on `G` with those of the same model on
/// `C`, at each batch size. Returns the largest relative difference.
///
/// # Errors
/// When a difference is more than rounding.
pub fn check_use<G: Backend, C: Backend>(
    model: &Model<G>,
    config: &ModelConfig,
    shape: Shape,
    sizes: &[usize],
    device: &G::Device,
) -> Result<f64, SelfCheckError> {
    let cpu_device = C::Device::default();
    let cpu = copy::<G, C>(model, config, shape, &cpu_device).map_err(SelfCheckError::Model)?;
    let features = shape.features();
    let mut largest: f64 = 0.0;
    let sizes: BTreeSet<usize> = sizes.iter().copied().filter(|&size| size > 0).collect();
    for size in sizes {
        let error = attempts(size, |attempt| {
            let context = StepContext::evaluate(attempt.into(), 0);
            let images = context.uniform::<C>(Stream::Corruption, [size, features], &cpu_device);
            let same_images = Tensor::from_data(images.to_data(), device);
            let codes = cpu.encode(images);
            let same_codes = Tensor::from_data(codes.to_data(), device);
            let expected = used(&cpu, codes.clone(), codes);
            let ours = used(model, model.encode(same_images), same_codes);
            (ours, expected)
        })?;
        largest = largest.max(error);
    }
    Ok(largest)
}

/// Codes, and what is decoded from others.
fn used<B: Backend>(model: &Model<B>, codes: Tensor<B, 2>, decoded: Tensor<B, 2>) -> Quantities {
    let images = model.likelihood().mean(model.decode(decoded));
    vec![
        ("what is encoded".into(), codes.into_data()),
        ("what is decoded".into(), images.into_data()),
    ]
}

/// The same model on another backend.
fn copy<G: Backend, C: Backend>(
    model: &Model<G>,
    config: &ModelConfig,
    shape: Shape,
    device: &C::Device,
) -> Result<Model<C>, String> {
    let weights = state_dict(model).map_err(|error| error.to_string())?;
    let model = config.init::<C>(shape, 0, device);
    let model = model.map_err(|error| error.to_string())?;
    load_state_dict(model, weights).map_err(|error| error.to_string())
}

/// What a phase trains, on one of the two backends.
struct Side<'a, B: AutodiffBackend> {
    plan: &'a Plan,
    trainee: Trainee<B>,
    model: Model<B::InnerBackend>,
    device: &'a B::Device,
}

impl<'a, B: AutodiffBackend> Side<'a, B> {
    fn new(
        plan: &'a Plan,
        model: &Model<B>,
        split: &Subset,
        device: &'a B::Device,
    ) -> Result<Self, String> {
        let trainee = plan.trainee(model, split, device);
        Ok(Self {
            trainee: trainee.map_err(|error| error.to_string())?,
            model: model.valid(),
            plan,
            device,
        })
    }

    /// The loss and, if asked for, the gradients under the paths of their weights.
    fn measure(&self, batch: &Batch, context: &StepContext, gradients: bool) -> Quantities {
        let examples = self.plan.examples(&self.model, batch, self.device);
        let loss = self
            .trainee
            .loss(Examples::constant(examples), context)
            .total;
        let value = loss.clone().inner().into_data();
        if !gradients {
            return vec![(LOSS.into(), value)];
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &self.trainee);
        let mut named = Named {
            path: Vec::new(),
            gradients: &gradients,
            found: vec![(LOSS.into(), value)],
        };
        self.trainee.visit(&mut named);
        named.found
    }
}

/// Collects gradients under the paths of their weights.
struct Named<'a> {
    path: Vec<String>,
    gradients: &'a GradientsParams,
    found: Quantities,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Named<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.gradients.get::<B::InnerBackend, D>(param.id) {
            let name = format!("the gradient of {}", self.path.join("."));
            self.found.push((name, gradient.into_data()));
        }
    }
}

/// The largest relative difference at a batch size.
fn check_size<G: AutodiffBackend, C: AutodiffBackend>(
    ours: &Side<'_, G>,
    expected: &Side<'_, C>,
    split: &Subset,
    size: usize,
    gradients: bool,
) -> Result<f64, SelfCheckError> {
    attempts(size, |attempt| {
        let batch = images(split, size, attempt);
        // The end of the run, where no schedule gives a term the weight 0.
        let context = StepContext::train(u64::from(attempt), 1, 1);
        (
            ours.measure(&batch, &context, gradients),
            expected.measure(&batch, &context, gradients),
        )
    })
}

/// The largest relative difference, from the first attempt in which it is no more than rounding.
fn attempts(
    images: usize,
    mut attempt: impl FnMut(u32) -> (Quantities, Quantities),
) -> Result<f64, SelfCheckError> {
    let mut worst = (String::new(), 0.0);
    for number in 0..ATTEMPTS {
        let (ours, expected) = attempt(number);
        let is_finite = |data: &TensorData| data.iter::<f64>().all(f64::is_finite);
        if let Some((name, _)) = expected.iter().find(|(_, data)| !is_finite(data)) {
            let quantity = name.clone();
            return Err(SelfCheckError::NotFinite { images, quantity });
        }
        worst = most_different(&ours, &expected);
        if worst.1 <= TOLERANCE {
            return Ok(worst.1);
        }
    }
    let (quantity, error) = worst;
    Err(SelfCheckError::Differs {
        images,
        quantity,
        error,
    })
}

/// `size` images, different ones at every attempt if there are enough.
fn images(split: &Subset, size: usize, attempt: u32) -> Batch {
    let count = split.len().max(1);
    let indices: Vec<u32> = (0..size)
        .map(|position| split.indices()[(position + size * attempt as usize) % count])
        .collect();
    Batch::read(split.dataset(), &indices, Cursor::default())
}

/// The quantity with the largest ||a - b|| / ||b||, and that value.
fn most_different(ours: &Quantities, expected: &Quantities) -> (String, f64) {
    let norm = |data: &TensorData| data.iter::<f64>().map(|x| x * x).sum::<f64>().sqrt();
    let whole = expected
        .iter()
        .filter(|(name, _)| name != LOSS)
        .map(|(_, data)| norm(data).powi(2))
        .sum::<f64>()
        .sqrt();
    let mut worst = (String::new(), 0.0);
    for ((name, a), (_, b)) in ours.iter().zip(expected) {
        let difference = a
            .iter::<f64>()
            .zip(b.iter::<f64>())
            .map(|(a, b)| (a - b).powi(2));
        let error = difference.sum::<f64>().sqrt() / norm(b).max(NEGLIGIBLE * whole);
        if error.is_nan() || error > worst.1 {
            worst = (name.clone(), error);
        }
        if error.is_nan() {
            break;
        }
    }
    worst
}
