//! The self-check that a training run on a GPU starts with: loss and gradients of the actual model against the CPU.
//!
//! GPU kernels have given wrong numbers for some shapes without an error, and the batch size is such a shape (it is the
//! inner dimension of a weight's gradient). So the check runs at every batch size that the run will use.

use std::collections::BTreeSet;

use burn::module::AutodiffModule;
use burn::optim::GradientsParams;
use burn::tensor::TensorData;
use burn::tensor::backend::AutodiffBackend;
use hourglass_data::{Batch, Subset};
use hourglass_models::{
    Autoencoder, Model, ModelConfig, StateDict, StepContext, gradient_model, load_state_dict,
    state_dict,
};
use thiserror::Error;

use crate::evaluation::images_of;
use crate::trainer::shape_of;

/// The largest ||a - b|| / ||b|| that is taken for rounding.
pub const TOLERANCE: f64 = 1e-3;

/// Gradients whose norm is below this share of the whole gradient's are measured against that share: they are rounding.
const NEGLIGIBLE: f64 = 1e-5;

/// Batches tried at a size. Where top-k or ReLU stand at a kink, rounding alone can change a gradient; a wrong kernel is
/// wrong on every batch.
const ATTEMPTS: u32 = 3;

/// A backend that does not compute what the CPU does.
#[derive(Debug, Error)]
#[error(
    "this device computes other numbers than the CPU: with {images} images, {quantity} differs by {error:.1e} \
     (relative; at most {TOLERANCE:.0e} was expected); train with `--backend flex`, or use a build without \
     `fusion` and `autotune`, and please report the adapter and driver"
)]
pub struct ParityError {
    /// Images in the batch.
    pub images: usize,
    /// What differs most: the loss, or the gradient of a parameter.
    pub quantity: String,
    /// ||a - b|| / ||b||
    pub error: f64,
}

/// Compares loss and gradients of a model on `G` with the same model on `C`, with the same noise, at each batch size;
/// `split` has the images for it.
/// Returns the largest relative difference.
///
/// # Errors
/// When a difference is more than rounding.
pub fn check<G: AutodiffBackend, C: AutodiffBackend>(
    model: &Model<G>,
    config: &ModelConfig,
    split: &Subset,
    sizes: &[usize],
    device: &G::Device,
) -> Result<f64, ParityError> {
    let shape = shape_of(split);
    let cpu_device = C::Device::default();
    let fault = |images, quantity: String, error| ParityError {
        images,
        quantity,
        error,
    };
    let weights = state_dict(&model.valid());
    let cpu = weights.and_then(|weights| {
        let model = config.init::<C>(shape, 0, &cpu_device);
        let model =
            model.map_err(|error| hourglass_models::StateDictError::Burn(error.to_string()))?;
        load_state_dict(model, weights)
    });
    let cpu = cpu.map_err(|error| fault(0, error.to_string(), f64::NAN))?;

    let sizes: BTreeSet<usize> = sizes.iter().copied().filter(|&size| size > 0).collect();
    let mut largest: f64 = 0.0;
    for size in sizes {
        let mut worst = ("nothing".to_owned(), f64::INFINITY);
        for attempt in 0..ATTEMPTS {
            let batch = images(split, size, attempt);
            // At the end of the run, where no schedule has a term at weight 0.
            let context = StepContext::train(u64::from(attempt), 1, 1);
            let ours = loss_and_gradients(model, &batch, &context, device);
            let expected = loss_and_gradients(&cpu, &batch, &context, &cpu_device);
            worst = match (ours, expected) {
                (Ok(ours), Ok(expected)) => most_different(&ours, &expected),
                (Err(error), _) | (_, Err(error)) => (error, f64::INFINITY),
            };
            if worst.1 <= TOLERANCE {
                break;
            }
        }
        let (quantity, error) = worst;
        if error.is_nan() || error > TOLERANCE {
            return Err(fault(size, quantity, error));
        }
        largest = largest.max(error);
    }
    Ok(largest)
}

/// `size` images, others at every attempt where there are enough.
fn images(split: &Subset, size: usize, attempt: u32) -> Batch {
    let dataset = split.dataset();
    let count = split.len().max(1);
    let indices: Vec<u32> = (0..size)
        .map(|position| split.indices()[(position + size * attempt as usize) % count])
        .collect();
    let pixels = indices
        .iter()
        .flat_map(|&index| dataset.image(index as usize));
    Batch {
        images: pixels.map(|&pixel| f32::from(pixel) / 255.0).collect(),
        indices,
        labels: None,
        epoch: 0,
        index_in_epoch: 0,
    }
}

fn loss_and_gradients<B: AutodiffBackend>(
    model: &Model<B>,
    batch: &Batch,
    context: &StepContext,
    device: &B::Device,
) -> Result<StateDict, String> {
    let loss = model.loss(images_of(batch, device), context).total;
    let value = loss.clone().inner().into_data();
    let gradients = GradientsParams::from_grads(loss.backward(), model);
    let gradients = state_dict(&gradient_model(model, &gradients));
    let mut named = gradients.map_err(|error| error.to_string())?;
    named.push(("loss".into(), value));
    Ok(named)
}

/// The quantity with the largest ||a - b|| / ||b||, and that.
fn most_different(ours: &StateDict, expected: &StateDict) -> (String, f64) {
    let norm = |data: &TensorData| data.iter::<f64>().map(|x| x * x).sum::<f64>().sqrt();
    let whole = expected
        .iter()
        .filter(|(name, _)| name != "loss")
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
            let quantity = if name == "loss" {
                "the loss".into()
            } else {
                format!("the gradient of {name}")
            };
            worst = (quantity, error);
        }
        if error.is_nan() {
            break;
        }
    }
    worst
}
