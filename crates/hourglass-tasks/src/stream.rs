//! Images through a model, a batch at a time.

use std::num::NonZeroUsize;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use hourglass_data::{Batch, Batches, Subset};
use hourglass_models::{Autoencoder, Model, StepContext};

/// Images a batch.
pub const BATCH: usize = 500;

/// The sizes of the batches that so many images, or codes, are taken in.
pub fn batch_sizes(images: usize) -> [usize; 2] {
    [BATCH.min(images), images % BATCH]
}

/// Called with the images done so far.
pub type Done<'a> = &'a mut dyn FnMut(usize);

/// The images in their order.
pub(crate) fn batches(images: &Subset) -> Batches {
    Batches::sequential(
        images,
        NonZeroUsize::new(BATCH).unwrap_or(NonZeroUsize::MIN),
    )
}

/// The images of a batch as the model takes them, `[batch, features]`: binary ones are drawn for models of binary images.
pub(crate) fn inputs_of<B: Backend>(
    model: &Model<B>,
    batch: &Batch,
    device: &B::Device,
) -> Tensor<B, 2> {
    let images = hourglass_train::images_of(batch, device);
    let first = batch.indices.first().copied().unwrap_or_default();
    let context = StepContext::evaluate(0, first.into());
    let drawn = model.binarize(images.clone(), &context);
    drawn.unwrap_or(images)
}

/// The codes of a batch, `[batch, code]` row-major: the means where the encoder is stochastic.
pub(crate) fn batch_codes<B: Backend>(
    model: &Model<B>,
    batch: &Batch,
    device: &B::Device,
) -> Vec<f32> {
    host(model.encode(inputs_of(model, batch, device)))
}

/// The codes of images, batch after batch.
pub fn codes<'a, B: Backend>(
    model: &'a Model<B>,
    images: &Subset,
    device: &'a B::Device,
) -> impl Iterator<Item = Vec<f32>> + use<'a, B> {
    batches(images).map(move |batch| batch_codes(model, &batch, device))
}

/// The means of p(x|h) at codes: `[batch, code]` to `[batch, features]`, row-major.
pub fn decoded<B: Backend>(
    model: &Model<B>,
    codes: Vec<f32>,
    code: usize,
    device: &B::Device,
) -> Vec<f32> {
    let rows = codes.len() / code;
    let codes = Tensor::from_data(TensorData::new(codes, [rows, code]), device);
    host(model.likelihood().mean(model.decode(codes)))
}

pub(crate) fn host<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
