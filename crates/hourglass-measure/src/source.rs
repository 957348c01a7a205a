//! Images as models are shown them, and back.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use hourglass_data::Batch;

/// The seed of all noise in evaluation.
pub(crate) const EVALUATION_SEED: u64 = 0;

/// Called with what is being done, the images done and the images in all.
pub type Progress<'a> = &'a mut dyn FnMut(&str, usize, usize);

/// A batch's images on a device, `[batch, features]`.
pub fn images_of<B: Backend>(batch: &Batch, device: &B::Device) -> Tensor<B, 2> {
    let shape = [batch.len(), batch.images.len() / batch.len().max(1)];
    Tensor::from_data(TensorData::new(batch.images.clone(), shape), device)
}

/// The values of a tensor, on the host.
pub fn host<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
