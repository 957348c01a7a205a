//! Codes that become images one after the other.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use hourglass_data::measuring_batch;
use hourglass_models::{Autoencoder, Model};

/// Codes that are decoded at a time, or fewer of large images.
const DECODED_ROWS: usize = 250;

/// The rows of a tensor on the host.
pub(super) fn rows<B: Backend>(tensor: Tensor<B, 2>, width: usize) -> Vec<Vec<f32>> {
    let values: Vec<f32> = tensor.into_data().iter::<f32>().collect();
    values
        .chunks_exact(width.max(1))
        .map(<[f32]>::to_vec)
        .collect()
}

/// What the decoder makes of codes that are given one after the other: the parameters of p(x|h), or its means.
///
/// # Shapes
/// - each of `codes`: `[code]`
/// - each given to `take`, with its place: `[features]`
pub(super) fn decode_each<B: Backend>(
    model: &Model<B>,
    codes: impl Iterator<Item = Vec<f32>>,
    as_means: bool,
    device: &B::Device,
    mut take: impl FnMut(usize, &[f32]),
) {
    let mut codes = codes.peekable();
    let mut place = 0;
    // How large an image is, the first one tells.
    let mut batch = 1;
    while let Some(code) = codes.peek().map(Vec::len) {
        let values: Vec<f32> = codes.by_ref().take(batch).flatten().collect();
        let shape = [values.len() / code.max(1), code];
        let decoded = model.decode(Tensor::from_data(TensorData::new(values, shape), device));
        let decoded = match as_means {
            true => model.likelihood().mean(decoded),
            false => decoded,
        };
        let [_, features] = decoded.dims();
        batch = measuring_batch(features).get().min(DECODED_ROWS);
        for row in rows(decoded, features) {
            take(place, &row);
            place += 1;
        }
    }
}
