//! How well a fine-tuned classifier tells the classes.

use burn::tensor::backend::Backend;
use hourglass_models::Classifier;
use serde::Serialize;

use super::subject::{Progress, Shown, Subject, host};

/// A classifier's errors on a split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Classification {
    /// The classes that it tells.
    pub classes: usize,
    /// Images whose most probable class is not their own.
    pub errors: usize,
    /// Their share of the images.
    pub error: f64,
    /// The standard error of that share for other images of the same kind, sqrt(p (1 - p) / images).
    pub standard_error: f64,
}

/// Counts the errors; nothing where the images have no labels.
pub(super) fn measure<B: Backend>(
    subject: Subject<'_, B>,
    classifier: &Classifier<B>,
    progress: Progress<'_>,
) -> Option<Classification> {
    let (mut images, mut errors, mut classes) = (0, 0, 0);
    for Shown {
        images: batch,
        labels,
    } in subject.shown()
    {
        let logits = classifier.forward(batch); // [batch, classes]
        [_, classes] = logits.dims();
        let labels = labels?;
        errors += host(logits)
            .chunks_exact(classes)
            .zip(&labels)
            .filter(|(logits, label)| most_probable(logits) != usize::from(**label))
            .count();
        images += labels.len();
        progress("classifying", images, subject.split.len());
    }
    let error = errors as f64 / images.max(1) as f64;
    Some(Classification {
        classes,
        errors,
        error,
        standard_error: (error * (1.0 - error) / images.max(1) as f64).sqrt(),
    })
}

fn most_probable(logits: &[f32]) -> usize {
    let logits = logits.iter().enumerate();
    let largest = logits.max_by(|(_, a), (_, b)| a.total_cmp(b));
    largest.map_or(0, |(class, _)| class)
}
