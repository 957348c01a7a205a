//! Images to codes.

use burn::tensor::backend::Backend;
use hourglass_data::Subset;
use hourglass_models::Model;

use crate::codes::{CodeRows, CodesError, CodesWriter, image_id};
use crate::stream::{Done, batch_codes, batches};

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
    for batch in batches(images) {
        let codes = batch_codes(model, &batch, device);
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
