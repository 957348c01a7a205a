//! Restores images with a model, batch by batch: they are reconstructed, cleaned of noise or filled in. Where the true images are
//! known, the errors are measured.

use std::io;

use burn::module::AutodiffModule;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use hourglass_data::{Batches, Kind, Subset};
use hourglass_measure::measures::Estimate;
use hourglass_measure::measures::image_quality::psnr;
use hourglass_measure::{Progress, host};
use hourglass_models::{Corruption, Model, StepContext};
use serde::Serialize;
use thiserror::Error;

use crate::finite::{NotFinite, check_finite, reconstruct};

/// A restored batch; values are `[batch * features]`.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The input to show, if it differs from the images.
    pub given: Option<Vec<f32>>,
    /// What the model made of it.
    pub restored: Vec<f32>,
    /// The result without a model: the noisy images, or the mean of the known pixels.
    pub baseline: Option<Vec<f32>>,
    /// Which values were unknown.
    pub unknown: Option<Vec<bool>>,
    /// The number of rounds that it took.
    pub rounds: usize,
}

/// A way to restore images.
pub trait Restore {
    /// The images that the model encodes and decodes before it restores any.
    fn prepared_from(&self) -> Option<&Subset> {
        None
    }

    /// Called once, before the first batch.
    ///
    /// # Errors
    /// When what the restoration needs can't be computed.
    fn prepare<B: AutodiffBackend>(
        &mut self,
        _model: &Model<B>,
        _device: &B::Device,
        _progress: Progress<'_>,
    ) -> Result<(), RestoreError> {
        Ok(())
    }

    /// Restores the images with these indices in their dataset, batch number `batch`.
    ///
    /// # Errors
    /// When the model gives values that are not finite for an image, which is named by its place in the batch.
    ///
    /// # Shapes
    /// - images: `[batch * features]`
    fn restore<B: AutodiffBackend>(
        &self,
        model: &Model<B>,
        images: &[f32],
        indices: &[u32],
        batch: u64,
        device: &B::Device,
    ) -> Result<Restored, NotFinite>;
}

/// Reconstructs images.
#[derive(Debug, Clone, Copy)]
pub struct Reconstructor;

/// Reconstructs noisy images.
#[derive(Debug, Clone, Copy)]
pub struct Denoiser {
    /// The noise that is added first, and its level; if none, the images are noisy already.
    pub corruption: Option<(Corruption, f64)>,
    /// The seed of the noise.
    pub seed: u64,
}

impl Restore for Reconstructor {
    fn restore<B: AutodiffBackend>(
        &self,
        model: &Model<B>,
        images: &[f32],
        indices: &[u32],
        _: u64,
        device: &B::Device,
    ) -> Result<Restored, NotFinite> {
        let images = tensor::<B::InnerBackend>(images, indices.len(), device);
        Ok(Restored {
            given: None,
            restored: reconstruct(&model.valid(), images)?,
            baseline: None,
            unknown: None,
            rounds: 1,
        })
    }
}

impl Restore for Denoiser {
    fn restore<B: AutodiffBackend>(
        &self,
        model: &Model<B>,
        images: &[f32],
        indices: &[u32],
        batch: u64,
        device: &B::Device,
    ) -> Result<Restored, NotFinite> {
        let clean = tensor::<B::InnerBackend>(images, indices.len(), device);
        let noisy = self.corruption.map(|(corruption, level)| {
            corruption.apply(
                clean.clone(),
                level,
                &StepContext::evaluate(self.seed, batch),
            )
        });
        let given = noisy.clone().map(host);
        Ok(Restored {
            baseline: given.clone(),
            given,
            restored: reconstruct(&model.valid(), noisy.unwrap_or(clean))?,
            unknown: None,
            rounds: 1,
        })
    }
}

fn tensor<B: Backend>(values: &[f32], rows: usize, device: &B::Device) -> Tensor<B, 2> {
    let data = TensorData::new(values.to_vec(), [rows, values.len() / rows.max(1)]);
    Tensor::from_data(data, device)
}

/// The errors of images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ErrorSummary {
    /// The squared error of an image, summed over its values.
    pub squared_error: Estimate,
    /// The same over the unknown values alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_squared_error: Option<Estimate>,
    /// The peak signal-to-noise ratio in decibels, its mean over the images; rows and vectors have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psnr: Option<Estimate>,
}

/// The result for all images.
#[derive(Debug)]
pub struct RestorationSummary {
    /// The number of images.
    pub images: usize,
    /// The model's errors.
    pub model: Option<ErrorSummary>,
    /// The errors without a model.
    pub baseline: Option<ErrorSummary>,
    /// The most rounds that a batch took.
    pub rounds: usize,
    /// Rows for a grid of the first images: the images, what was given, and what was made of it.
    pub grid: Vec<Vec<f32>>,
}

/// Why images can't be restored.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// A restored image can't be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The distribution of codes can't be fitted.
    #[error(transparent)]
    Prior(#[from] crate::MixtureError),
    /// The model gives values that are not finite.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// The squared errors of images, one after the other.
#[derive(Default)]
struct ErrorSums {
    all: Vec<f64>,
    unknown: Vec<f64>,
}

impl ErrorSums {
    fn add(&mut self, truth: &[f32], images: &[f32], unknown: Option<&[bool]>, features: usize) {
        let squares = |first: &[f32], second: &[f32]| -> Vec<f64> {
            let pairs = first.iter().zip(second);
            pairs
                .map(|(&first, &second)| f64::from(first - second).powi(2))
                .collect()
        };
        let rows = truth
            .chunks_exact(features)
            .zip(images.chunks_exact(features));
        for (row, (truth, image)) in rows.enumerate() {
            let squares = squares(truth, image);
            self.all.push(squares.iter().sum());
            if let Some(unknown) = unknown {
                let unknown = &unknown[row * features..][..features];
                let squares = squares.iter().zip(unknown).filter(|(_, unknown)| **unknown);
                self.unknown.push(squares.map(|(square, _)| square).sum());
            }
        }
    }

    fn summary(&self, features: usize, are_images: bool) -> Option<ErrorSummary> {
        let means: Vec<f64> = self
            .all
            .iter()
            .map(|error| error / features as f64)
            .collect();
        Some(ErrorSummary {
            squared_error: Estimate::mean(&self.all)?,
            unknown_squared_error: Estimate::mean(&self.unknown),
            psnr: match are_images {
                true => Some(psnr(&means).ok()?.decibels),
                false => None,
            },
        })
    }
}

/// Restores all images, a batch at a time. `keep` is given the index of each image and its values, `[features]`; the first
/// `shown` make the grid. `truth` says whether the images are what should come out.
///
/// # Errors
/// When `keep` fails, or what comes out is not finite.
pub fn restore_images<B: AutodiffBackend>(
    model: &Model<B>,
    images: &Subset,
    how: &mut impl Restore,
    device: &B::Device,
    (truth, shown): (bool, usize),
    keep: &mut dyn FnMut(u32, &[f32]) -> io::Result<()>,
    progress: Progress<'_>,
) -> Result<RestorationSummary, RestoreError> {
    how.prepare(model, device, progress)?;
    let features = images.dataset().features();
    let [mut model_errors, mut baseline_errors] = [ErrorSums::default(), ErrorSums::default()];
    let mut outcome = RestorationSummary {
        images: 0,
        model: None,
        baseline: None,
        rounds: 0,
        grid: Vec::new(),
    };
    for (number, batch) in Batches::measuring(images).enumerate() {
        let made = how.restore(model, &batch.images, &batch.indices, number as u64, device);
        let made = made.and_then(|made| {
            check_finite(&made.restored, features, 0)?;
            Ok(made)
        });
        let made = made.map_err(|NotFinite { image, value }| NotFinite {
            image: batch.indices[image] as usize,
            value,
        })?;
        let rows = batch
            .indices
            .iter()
            .zip(made.restored.chunks_exact(features));
        for (&image, row) in rows {
            keep(image, row)?;
        }
        if truth {
            let unknown = made.unknown.as_deref();
            model_errors.add(&batch.images, &made.restored, unknown, features);
            if let Some(baseline) = &made.baseline {
                baseline_errors.add(&batch.images, baseline, unknown, features);
            }
        }
        let left = shown.saturating_sub(outcome.images).min(batch.len()) * features;
        let rows = [
            Some(&batch.images),
            made.given.as_ref(),
            Some(&made.restored),
        ];
        outcome
            .grid
            .resize(rows.iter().flatten().count(), Vec::new());
        for (row, values) in outcome.grid.iter_mut().zip(rows.into_iter().flatten()) {
            row.extend(&values[..left]);
        }
        outcome.rounds = outcome.rounds.max(made.rounds);
        outcome.images += batch.len();
        progress("restoring", outcome.images, images.len());
    }
    let are_images = images.dataset().kind() == Kind::Image;
    outcome.model = model_errors.summary(features, are_images);
    outcome.baseline = baseline_errors.summary(features, are_images);
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sums_over_all_and_over_unknown_values() {
        let mut errors = ErrorSums::default();
        let unknown = [true, false, false, true];
        errors.add(
            &[0.0, 0.0, 1.0, 1.0],
            &[0.5, 1.0, 1.0, 0.0],
            Some(&unknown),
            2,
        );
        let summary = errors.summary(2, true).expect("errors");
        assert_eq!(summary.squared_error.value, (1.25 + 1.0) / 2.0);
        assert_eq!(
            summary.unknown_squared_error.expect("unknown").value,
            (0.25 + 1.0) / 2.0
        );
        // -10 log10 of the mean squared errors 0.625 and 0.5.
        let expected = -5.0 * (0.625_f64.log10() + 0.5_f64.log10());
        assert!((summary.psnr.expect("images").value - expected).abs() < 1e-12);
        assert!(ErrorSums::default().summary(2, true).is_none());
    }
}
