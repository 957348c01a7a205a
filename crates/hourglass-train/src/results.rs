//! What a finished run leaves: the model, its numbers and its pictures.

use std::collections::BTreeMap;

use burn::tensor::backend::Backend;
use fs_err as fs;
use hourglass_data::Subset;
use hourglass_models::{Autoencoder, Model, StepContext};
use hourglass_store::{Description, StoreError, save_classifier, save_model, write_atomically};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::evaluation::{Evaluation, Subject, images_of};
use crate::figures::{Curve, FigureError, curves, image_grid};
use crate::run_directory::{RunDirectory, read_metrics};

/// Images in `reconstructions.png`, and a row of them.
const RECONSTRUCTIONS: usize = 32;
const COLUMNS: usize = 16;
/// Images in `samples.png`, and a row of them.
const SAMPLES: usize = 64;
const SAMPLE_COLUMNS: usize = 8;
/// Screen pixels for a pixel of an image.
const SCALE: usize = 2;

/// Every batch size that drawing the pictures will use.
pub const PICTURE_SIZES: [usize; 2] = [RECONSTRUCTIONS, SAMPLES];

/// The final numbers of a run.
#[derive(Debug, Clone)]
pub struct Summary {
    /// What is known of the run beside its numbers: backend, adapter, versions, seconds and so on, by name.
    pub facts: Map<String, Value>,
    /// The name of the split that was measured.
    pub split: String,
    /// The numbers.
    pub evaluation: Evaluation,
}

/// Results that can't be written.
#[derive(Debug, Error)]
pub enum ResultsError {
    /// A file can't be written or read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The model can't be written.
    #[error(transparent)]
    Model(#[from] StoreError),
    /// A picture can't be drawn.
    #[error(transparent)]
    Figure(#[from] FigureError),
}

/// Writes the model, the pictures, and last `summary.json`.
///
/// # Errors
/// Names the file that can't be written.
pub fn write_results<B: Backend>(
    run: &RunDirectory,
    description: &Description,
    subject: Subject<'_, B>,
    summary: &Summary,
) -> Result<(), ResultsError> {
    let Subject {
        model,
        split,
        device,
        ..
    } = subject;
    save_model(run.path(), description, model)?;
    if let Some(classifier) = subject.classifier {
        save_classifier(run.path(), classifier)?;
    }
    let figures = run.figures();
    fs::create_dir_all(&figures)?;
    let picture = reconstructions(description, model, split, device)?;
    write_atomically(&figures.join("reconstructions.png"), &picture)?;
    let text = metrics_curves(run)?;
    write_atomically(&figures.join("curves.svg"), text.as_bytes())?;
    if let Some(picture) = samples(description, model, SAMPLES, SAMPLE_COLUMNS, 0, device)? {
        write_atomically(&figures.join("samples.png"), &picture)?;
    }
    let mut content = summary.facts.clone();
    content.insert(summary.split.clone(), json!(summary.evaluation.to_json()));
    let mut text = serde_json::to_string_pretty(&content).map_err(std::io::Error::from)?;
    text.push('\n');
    Ok(write_atomically(&run.summary(), text.as_bytes())?)
}

/// The first images of a split above their reconstructions; corrupted ones between, where the family corrupts.
fn reconstructions<B: Backend>(
    description: &Description,
    model: &Model<B>,
    split: &Subset,
    device: &B::Device,
) -> Result<Vec<u8>, ResultsError> {
    let count = RECONSTRUCTIONS.min(split.len());
    let size = std::num::NonZeroUsize::new(count.max(1)).unwrap_or(std::num::NonZeroUsize::MIN);
    let Some(batch) = hourglass_data::Batches::sequential(split, size).next() else {
        return Err(std::io::Error::other("there are no images to draw").into());
    };
    let images = images_of::<B>(&batch, device);
    let context = StepContext::evaluate(0, 0);
    let images = model.binarize(images.clone(), &context).unwrap_or(images);
    let corrupted = model.corrupt(images.clone(), &context);
    let reconstructed = model.reconstruct(corrupted.clone().unwrap_or_else(|| images.clone()));
    let rows: Vec<Vec<f32>> = [Some(images), corrupted, Some(reconstructed)]
        .into_iter()
        .flatten()
        .map(|images| images.into_data().iter::<f32>().collect())
        .collect();
    Ok(image_grid(&rows, description.shape, COLUMNS, SCALE)?)
}

/// A picture of means of p(x|h) at codes drawn from the prior, for families that have one; `columns` of them a row.
///
/// # Errors
/// When there are too many for a picture.
pub fn samples<B: Backend>(
    description: &Description,
    model: &Model<B>,
    count: usize,
    columns: usize,
    seed: u64,
    device: &B::Device,
) -> Result<Option<Vec<u8>>, FigureError> {
    let context = StepContext::evaluate(seed, 0);
    let Some(codes) = model.sample_prior(count, &context, device) else {
        return Ok(None);
    };
    let images = model.likelihood().mean(model.decode(codes));
    let row = images.into_data().iter::<f32>().collect();
    image_grid(&[row], description.shape, columns, SCALE).map(Some)
}

fn metrics_curves(run: &RunDirectory) -> Result<String, ResultsError> {
    let mut series: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
    for line in read_metrics(&run.metrics())? {
        for (term, value) in &line.terms {
            let term = match &line.phase {
                Some(phase) => format!("{term}, {phase}"),
                None => term.clone(),
            };
            let points = series.entry((term, line.split.clone())).or_default();
            points.push((line.step as f64, value.as_f64().unwrap_or(f64::NAN)));
        }
    }
    let series: Vec<Curve> = series
        .into_iter()
        .map(|((term, split), points)| Curve {
            name: format!("{split} {term}"),
            points,
        })
        .collect();
    Ok(curves(&series, "Training")?)
}
