//! Images to codes.

use burn::tensor::backend::Backend;
use hourglass_data::Subset;
use hourglass_measure::{host, input_batches};
use hourglass_models::{Autoencoder, Model};

use crate::codes::{CodeRows, CodesError, CodesWriter, image_id};
use crate::stream::Done;

/// Writes the code of each image: the mean where the encoder is stochastic.
///
/// # Errors
/// When a code is not finite, or the file can't be written.
pub fn encode<B: Backend>(
    model: &Model<B>,
    images: &Subset,
    device: &B::Device,
    writer: &mut CodesWriter,
    done: Done<'_>,
) -> Result<(), CodesError> {
    let mut encoded = 0;
    for batch in input_batches(model, images, device) {
        let codes = host(model.encode(batch.images));
        let batch = batch.batch;
        let indices = batch.indices.iter();
        let rows = CodeRows {
            ids: indices
                .map(|&index| image_id(images.dataset(), index))
                .collect(),
            labels: batch.labels.unwrap_or_default(),
            codes,
        };
        writer.write(&rows)?;
        encoded += rows.ids.len();
        done(encoded);
    }
    Ok(())
}
