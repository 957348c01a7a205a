//! A model and the images that it is measured on.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_data::{Batches, Subset};
use hourglass_models::{Autoencoder, Classifier, Model, StepContext};

use crate::source::{
    EVALUATION_SEED, InputBatch, host, images_of, input_batches, training_batches,
};
use crate::terms::stacked;

/// What is measured, and on what.
#[derive(Debug)]
pub struct Subject<'a, B: Backend> {
    /// The model.
    pub model: &'a Model<B>,
    /// The classifier that was fine-tuned from it, where there is one.
    pub classifier: Option<&'a Classifier<B>>,
    /// The images that it is measured on.
    pub split: &'a Subset,
    /// The images that it was trained on, to which baselines are fitted; or why there are none.
    pub training: Result<&'a Subset, &'a str>,
    /// The device that the model is on.
    pub device: &'a B::Device,
}

impl<B: Backend> Clone for Subject<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for Subject<'_, B> {}

/// A batch in the form that the model gets it.
pub(super) struct CorruptedBatch<B: Backend> {
    /// The noise of the batch.
    pub(super) context: StepContext,
    /// What the images are reconstructed from: the images, or what corruption leaves of them, `[batch, features]`.
    pub(super) inputs: Tensor<B, 2>,
    /// Whether the inputs are corrupted images.
    pub(super) is_corrupted: bool,
    /// The images, `[batch, features]`.
    pub(super) images: Tensor<B, 2>,
    /// The images on the host.
    pub(super) targets: Vec<f32>,
    /// Their labels, where there are some.
    pub(super) labels: Option<Vec<u8>>,
}

/// A batch of clean images and their labels, where there are some.
pub(super) struct LabelledImages<B: Backend> {
    /// `[batch, features]`
    pub(super) images: Tensor<B, 2>,
    pub(super) labels: Option<Vec<u8>>,
}

impl<B: Backend> From<InputBatch<B>> for LabelledImages<B> {
    fn from(batch: InputBatch<B>) -> Self {
        Self {
            images: batch.images,
            labels: batch.batch.labels,
        }
    }
}

impl<B: Backend> Subject<'_, B> {
    /// The batches of the split, with their noise.
    pub(super) fn corrupted_batches(&self) -> impl Iterator<Item = CorruptedBatch<B>> {
        input_batches(self.model, self.split, self.device).map(|batch| {
            let corrupted = batch.corrupted(self.model);
            CorruptedBatch {
                is_corrupted: corrupted.is_some(),
                inputs: corrupted.unwrap_or_else(|| batch.images.clone()),
                targets: batch.targets(),
                context: batch.context,
                images: batch.images,
                labels: batch.batch.labels,
            }
        })
    }

    /// The images of the split without corruption. A model of binary images gets binary ones, the same in every measure.
    pub(super) fn clean_batches(&self) -> impl Iterator<Item = LabelledImages<B>> {
        input_batches(self.model, self.split, self.device).map(LabelledImages::from)
    }

    /// The images that baselines are fitted to: for a model of binary images, draws apart from those of the split.
    pub(super) fn trained_on(&self, training: &Subset) -> impl Iterator<Item = LabelledImages<B>> {
        training_batches(self.model, training, self.device).map(LabelledImages::from)
    }

    /// Whether the model sees binary images in place of the split's.
    pub(super) fn is_binarized(&self) -> bool {
        self.model.sees_binary_images(self.device)
    }

    /// The name and the value of a term that is not finite in the loss of the first images: weights can be finite, but too large.
    pub fn first_not_finite(&self) -> Option<(&'static str, f64)> {
        let batch = Batches::measuring(self.split).next()?;
        let images = images_of::<B>(&batch, self.device);
        let loss = self
            .model
            .loss(images, &StepContext::evaluate(EVALUATION_SEED, 0));
        let (names, values) = stacked(loss);
        let values = host(values).into_iter().map(f64::from);
        names
            .into_iter()
            .zip(values)
            .find(|(_, value)| !value.is_finite())
    }

    /// The width of the code.
    pub(super) fn code(&self) -> usize {
        let features = self.split.dataset().features();
        self.model.code_width(features, self.device)
    }

    /// The means of p(x|h) at the codes of inputs, on the host: `[batch, features]` to as many values.
    pub(super) fn reconstruct(&self, inputs: Tensor<B, 2>) -> Vec<f32> {
        host(self.model.reconstruct(inputs))
    }
}

/// ||a - b||^2 of each row.
pub(super) fn squared_distances(a: &[f32], b: &[f32], features: usize) -> Vec<f64> {
    let rows = a.chunks_exact(features).zip(b.chunks_exact(features));
    rows.map(|(a, b)| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum())
        .collect()
}
