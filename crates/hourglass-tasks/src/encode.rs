//! Encodes images as codes.

use burn::tensor::backend::Backend;
use hourglass_data::Subset;
use hourglass_measure::{host, input_batches};
use hourglass_models::{Autoencoder, Model};

use crate::codes::{CodeRows, image_id};

/// The code of each image with its id and label, a batch at a time: the mean where the encoder is stochastic.
pub fn encode<'a, B: Backend>(
    model: &'a Model<B>,
    images: &'a Subset,
    device: &'a B::Device,
) -> impl Iterator<Item = CodeRows> + use<'a, B> {
    input_batches(model, images, device).map(|batch| {
        let codes = host(model.encode(batch.images));
        let batch = batch.batch;
        let ids = batch
            .indices
            .iter()
            .map(|&index| image_id(images.dataset(), index));
        CodeRows {
            ids: ids.collect(),
            labels: batch.labels.unwrap_or_default(),
            codes,
        }
    })
}
