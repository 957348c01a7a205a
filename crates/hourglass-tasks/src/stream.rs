//! Runs images through a model, a batch at a time.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use hourglass_data::{Subset, measuring_batch};
use hourglass_kernels::keep_largest;
use hourglass_measure::{host, input_batches};
use hourglass_models::{Autoencoder, Model, Selection, Shape, StepContext};

use crate::finite::{NotFinite, means};

/// Called with the number of images done so far.
pub type Done<'a> = &'a mut dyn FnMut(usize);

/// The codes of images, batch after batch, `[batch, code]` row-major: the means where the encoder is stochastic.
pub fn codes<'a, B: Backend>(
    model: &'a Model<B>,
    images: &Subset,
    device: &'a B::Device,
) -> impl Iterator<Item = Vec<f32>> + use<'a, B> {
    input_batches(model, images, device).map(|batch| host(model.encode(batch.images)))
}

/// The codes of images that are given one after the other: each `[features]`, the output `[images, code]` row-major.
pub fn codes_of_pixels<B: Backend>(
    model: &Model<B>,
    images: &[Vec<f32>],
    device: &B::Device,
) -> Vec<f32> {
    let features = images.first().map_or(0, Vec::len);
    let pixels = TensorData::new(images.concat(), [images.len(), features]);
    let images = Tensor::from_data(pixels, device);
    let drawn = model.binarize(images.clone(), &StepContext::evaluate(0, 0));
    host(model.encode(drawn.unwrap_or(images)))
}

/// The same codes, regrouped into the batches in which images of a shape are decoded, whatever parts they come in.
pub fn in_batches<E>(
    parts: impl Iterator<Item = Result<Vec<f32>, E>>,
    code: usize,
    shape: Shape,
) -> impl Iterator<Item = Result<Vec<f32>, E>> {
    let (mut parts, mut waiting) = (parts.fuse(), Vec::new());
    let batch = measuring_batch(shape.features()).get() * code;
    std::iter::from_fn(move || {
        while waiting.len() < batch {
            match parts.next() {
                Some(Ok(part)) => waiting.extend(part),
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            }
        }
        let rest = waiting.split_off(waiting.len().min(batch));
        let codes = std::mem::replace(&mut waiting, rest);
        (!codes.is_empty()).then_some(Ok(codes))
    })
}

/// The means of p(x|h) at codes: `[batch, code]` to `[batch, features]`, row-major; `first` is the number of the first image.
///
/// # Errors
/// When what the decoder gives is not finite.
pub fn decoded<B: Backend>(
    model: &Model<B>,
    codes: Vec<f32>,
    code: usize,
    first: usize,
    device: &B::Device,
) -> Result<Vec<f32>, NotFinite> {
    means(model, on_device::<B>(codes, code, device), first)
}

/// The same, at codes that are made sparse first where the family's are.
///
/// # Errors
/// When what the decoder gives is not finite.
pub(crate) fn decoded_sparse<B: Backend>(
    model: &Model<B>,
    codes: Vec<f32>,
    code: usize,
    first: usize,
    device: &B::Device,
) -> Result<Vec<f32>, NotFinite> {
    let codes = on_device::<B>(codes, code, device);
    let codes = match model.selection() {
        Selection::Largest(count) => keep_largest(codes, count),
        Selection::All | Selection::First(_) => codes,
    };
    means(model, codes, first)
}

/// # Shapes
/// - output: `[codes, code]`
fn on_device<B: Backend>(codes: Vec<f32>, code: usize, device: &B::Device) -> Tensor<B, 2> {
    let rows = codes.len() / code.max(1);
    Tensor::from_data(TensorData::new(codes, [rows, code]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_do_not_depend_on_the_parts_that_codes_come_in() {
        let code = 2;
        let all: Vec<f32> = (0..1203 * code).map(|number| number as f32).collect();
        for size in [1, 300, 500, 1024, 2000] {
            let parts = all
                .chunks(size * code)
                .map(|part| Ok::<_, ()>(part.to_vec()));
            let batches: Vec<Vec<f32>> = in_batches(parts, code, Shape::new(1, 28, 28))
                .map(Result::unwrap)
                .collect();
            let sizes: Vec<usize> = batches.iter().map(|batch| batch.len() / code).collect();
            assert_eq!(sizes, [500, 500, 203], "{size}");
            assert_eq!(batches.concat(), all, "{size}");
        }
        let parts = [Ok(vec![1.0; 4]), Err("damaged")].into_iter();
        assert_eq!(
            in_batches(parts, 2, Shape::new(1, 28, 28)).next(),
            Some(Err("damaged"))
        );
    }
}
