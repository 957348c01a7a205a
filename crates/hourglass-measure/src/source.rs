//! Images in the form that models are shown them, and tensors back on the host.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use hourglass_data::{Batch, Batches, Subset};
use hourglass_models::{Autoencoder, Model, StepContext};

/// The seed of all noise in evaluation.
pub(crate) const EVALUATION_SEED: u64 = 0;

/// Called with what is being done, the number of images done and the number of all images.
pub type Progress<'a> = &'a mut dyn FnMut(&str, usize, usize);

/// A batch of images in the form that a model takes them.
#[derive(Debug)]
pub struct InputBatch<B: Backend> {
    /// The batch on the host.
    pub batch: Batch,
    /// Its noise.
    pub context: StepContext,
    /// `[batch, features]`: the batch's images or, for a model of binary images, those that were drawn from them.
    pub images: Tensor<B, 2>,
    is_drawn: bool,
}

impl<B: Backend> InputBatch<B> {
    fn new(model: &Model<B>, batch: Batch, context: StepContext, device: &B::Device) -> Self {
        let images = images_of(&batch, device);
        let drawn = model.binarize(images.clone(), &context);
        Self {
            is_drawn: drawn.is_some(),
            images: drawn.unwrap_or(images),
            batch,
            context,
        }
    }

    /// What corruption leaves of the images, `[batch, features]`, where the family corrupts.
    pub fn corrupted(&self, model: &Model<B>) -> Option<Tensor<B, 2>> {
        model.corrupt(self.images.clone(), &self.context)
    }

    /// The images on the host, `[batch, features]` row-major.
    pub fn targets(&self) -> Vec<f32> {
        match self.is_drawn {
            true => host(self.images.clone()),
            false => self.batch.images.clone(),
        }
    }
}

/// The images of a subset, batch after batch, in the form that a model takes wherever it is measured or used. So every measure
/// and every task sees the same noise and the same binary images.
pub fn input_batches<'a, B: Backend>(
    model: &'a Model<B>,
    images: &Subset,
    device: &'a B::Device,
) -> impl Iterator<Item = InputBatch<B>> + use<'a, B> {
    with_noise(model, images, device, |number| {
        StepContext::evaluate(EVALUATION_SEED, number)
    })
}

/// The same with separate noise, for the images that baselines and classifiers are fitted to.
pub(crate) fn training_batches<'a, B: Backend>(
    model: &'a Model<B>,
    images: &Subset,
    device: &'a B::Device,
) -> impl Iterator<Item = InputBatch<B>> + use<'a, B> {
    with_noise(model, images, device, |number| {
        StepContext::train(EVALUATION_SEED, number, 1)
    })
}

/// The batches, each with the noise of its number.
fn with_noise<'a, B: Backend>(
    model: &'a Model<B>,
    images: &Subset,
    device: &'a B::Device,
    noise: fn(u64) -> StepContext,
) -> impl Iterator<Item = InputBatch<B>> + use<'a, B> {
    let numbered = Batches::measuring(images).zip(0..);
    numbered.map(move |(batch, number)| InputBatch::new(model, batch, noise(number), device))
}

/// A batch's images on a device, `[batch, features]`.
pub fn images_of<B: Backend>(batch: &Batch, device: &B::Device) -> Tensor<B, 2> {
    let shape = [batch.len(), batch.images.len() / batch.len().max(1)];
    Tensor::from_data(TensorData::new(batch.images.clone(), shape), device)
}

/// The values of a tensor, on the host.
pub fn host<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
