//! How well a fine-tuned classifier tells the classes apart.

use burn::tensor::backend::Backend;
use hourglass_models::Classifier;
use serde::Serialize;

use super::measured::{Measured, left_out};
use super::subject::{LabelledImages, Subject};
use crate::measures::Estimate;
use crate::source::{Progress, host};

/// A classifier's errors on a split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Classification {
    /// The number of classes that it tells apart.
    pub classes: usize,
    /// The number of images whose most probable class is not their own.
    pub errors: usize,
    /// Their share of the images.
    pub error: f64,
    /// The standard error of that share for other images of the same kind, sqrt(p (1 - p) / images).
    pub standard_error: Option<f64>,
}

/// Counts the errors.
pub(super) fn measure<B: Backend>(
    subject: Subject<'_, B>,
    classifier: &Classifier<B>,
    progress: Progress<'_>,
) -> Measured<Classification> {
    let (mut images, mut errors, mut classes) = (0, 0, 0);
    for LabelledImages {
        images: batch,
        labels,
    } in subject.clean_batches()
    {
        let logits = classifier.forward(batch); // [batch, classes]
        [_, classes] = logits.dims();
        let Some(labels) = labels else {
            return left_out("the images have no labels");
        };
        errors += host(logits)
            .chunks_exact(classes)
            .zip(&labels)
            .filter(|(logits, label)| most_probable(logits) != usize::from(**label))
            .count();
        images += labels.len();
        progress("classifying", images, subject.split.len());
    }
    match Estimate::share(errors, images) {
        Some(error) => Measured::Value(Classification {
            classes,
            errors,
            error: error.value,
            standard_error: error.standard_error,
        }),
        None => left_out("there are no images"),
    }
}

fn most_probable(logits: &[f32]) -> usize {
    let logits = logits.iter().enumerate();
    let largest = logits.max_by(|(_, a), (_, b)| a.total_cmp(b));
    largest.map_or(0, |(class, _)| class)
}
