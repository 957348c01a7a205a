//! Decodes codes that are given one after the other.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use hourglass_data::measuring_batch;
use hourglass_models::{Autoencoder, Model};

/// Codes that are decoded at a time; fewer if images are large.
const DECODED: usize = 48;

/// How many codes are always decoded at a time for images of so many values.
pub(super) fn decoded_at_once(features: usize) -> usize {
    measuring_batch(features).get().min(DECODED)
}

/// The rows of a tensor on the host.
pub(super) fn rows<B: Backend>(tensor: Tensor<B, 2>, width: usize) -> Vec<Vec<f32>> {
    let values: Vec<f32> = tensor.into_data().iter::<f32>().collect();
    values
        .chunks_exact(width.max(1))
        .map(<[f32]>::to_vec)
        .collect()
}

/// What the decoder makes of codes that are given one after the other: the parameters of p(x|h), or its means. The batches
/// are all of one size, at which the model is known to be computed correctly; the last one is filled up by repeating a code.
///
/// # Shapes
/// - each of `codes`: `[code]`
/// - each given to `take`, with its place: `[features]`
pub(super) fn decode_each<B: Backend>(
    model: &Model<B>,
    codes: impl Iterator<Item = Vec<f32>>,
    features: usize,
    as_means: bool,
    device: &B::Device,
    mut take: impl FnMut(usize, &[f32]),
) {
    let size = decoded_at_once(features);
    let mut codes = codes.peekable();
    let mut place = 0;
    while let Some(filling) = codes.peek().cloned() {
        let mut batch: Vec<Vec<f32>> = codes.by_ref().take(size).collect();
        let count = batch.len();
        batch.resize(size, filling);
        let shape = [size, batch[0].len()];
        let values = TensorData::new(batch.concat(), shape);
        let decoded = model.decode(Tensor::from_data(values, device));
        let decoded = match as_means {
            true => model.likelihood().mean(decoded),
            false => decoded,
        };
        for row in rows(decoded, features).iter().take(count) {
            take(place, row);
            place += 1;
        }
    }
}
