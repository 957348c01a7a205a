//! The results of a finished run: the model, its numbers and its pictures.

use std::collections::BTreeMap;

use burn::tensor::backend::Backend;
use fs_err as fs;
use hourglass_data::{Kind, Subset, measuring_batch, measuring_sizes};
use hourglass_figures::{Curve, FigureError, curves, image_grid};
use hourglass_files::write_atomically;
use hourglass_models::{Autoencoder, Model, Shape, StepContext};
use hourglass_store::{
    Description, RunDirectory, SavedModel, StoreError, read_metrics, save_classifier, save_model,
};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::evaluation::{Cache, Evaluation, Measured, Subject, attempt, evaluate};
use crate::source::{Progress, host, input_batches};

/// Images in `reconstructions.png`, and the most in a row of it, if they are small.
const RECONSTRUCTIONS: usize = 32;
const COLUMNS: usize = 16;
/// Images in `samples.png`, and the most in a row of it, if they are small.
const SAMPLES: usize = 64;
const SAMPLE_COLUMNS: usize = 8;
/// The largest width of a picture, in pixels of the screen, unless a single image is wider.
const WIDTH: usize = 2048;
/// Larger images than this are not magnified.
const SMALL: usize = 64;

/// The pictures of a run, at most.
const PICTURES: usize = 3;

/// The reason that is written to `summary.json` until the model is measured.
const NOT_MEASURED: &str = "it has not been measured yet";

/// Every batch size that drawing the pictures will use.
pub fn picture_sizes(shape: Shape) -> Vec<usize> {
    let [shown, drawn] = [RECONSTRUCTIONS, SAMPLES].map(|most| shown(shape, most));
    [measuring_sizes(shown, shape), measuring_sizes(drawn, shape)].concat()
}

/// Screen pixels for a pixel of an image.
fn scale(shape: Shape) -> usize {
    let Shape { height, width, .. } = shape;
    if height.max(width) > SMALL { 1 } else { 2 }
}

/// How many columns of images of this shape are shown: so many, or fewer where a picture would be too wide.
fn columns(shape: Shape, most: usize) -> usize {
    (WIDTH / shape.width / scale(shape)).clamp(1, most)
}

/// How many images of this shape are shown: so many, or fewer where their picture would be too wide or too high.
fn shown(shape: Shape, most: usize) -> usize {
    let Shape { height, width, .. } = shape;
    let side = height.max(width) * scale(shape);
    (WIDTH / side).pow(2).clamp(1, most)
}

/// A finished model and where its results go.
#[derive(Debug)]
pub struct Finished<'a, B: Backend> {
    /// The run.
    pub run: &'a RunDirectory,
    /// The settings of the model.
    pub description: &'a Description,
    /// The model, and what it is measured on.
    pub subject: Subject<'a, B>,
    /// The name of the split that it is measured on.
    pub split: &'a str,
    /// What is known about the run besides its numbers: backend, adapter, versions, seconds and so on, by name.
    pub facts: Map<String, Value>,
}

/// The final numbers of a run.
#[derive(Debug, Clone)]
pub struct Summary {
    /// What is known about the run besides its numbers.
    pub facts: Map<String, Value>,
    /// The name of the split that was measured.
    pub split: String,
    /// The numbers, or why there are none.
    pub evaluation: Measured<Evaluation>,
    /// The pictures that could not be drawn, by the names of their files, and why.
    pub not_drawn: Vec<(&'static str, String)>,
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
}

impl Summary {
    /// The numbers by name, for scripts.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut content = self.facts.clone();
        let numbers = match &self.evaluation {
            Measured::Value(evaluation) => json!(evaluation.to_json()),
            Measured::LeftOut { left_out } => json!({ "left_out": left_out }),
        };
        content.insert(self.split.clone(), numbers);
        if !self.not_drawn.is_empty() {
            let reasons = self.not_drawn.iter().cloned();
            let reasons = reasons.map(|(file, reason)| (file.to_owned(), json!(reason)));
            content.insert("not_drawn".into(), Value::Object(reasons.collect()));
        }
        content
    }

    fn write(&self, run: &RunDirectory) -> Result<(), ResultsError> {
        let text = serde_json::to_string_pretty(&self.to_json()).map_err(std::io::Error::from)?;
        Ok(write_atomically(
            &run.summary(),
            format!("{text}\n").as_bytes(),
        )?)
    }
}

impl<B: Backend> Finished<'_, B> {
    /// Writes the weights, the settings and a summary without numbers: the run is finished from here on.
    ///
    /// # Errors
    /// Names the file that can't be written.
    pub fn save(&self) -> Result<Summary, ResultsError> {
        let weights = || SavedModel::in_directory(self.run.path()).sha256().ok();
        let before = weights();
        save_model(self.run.path(), self.description, self.subject.model)?;
        if let Some(classifier) = self.subject.classifier {
            save_classifier(self.run.path(), classifier)?;
        }
        let summary = Summary {
            facts: self.facts.clone(),
            split: self.split.into(),
            evaluation: Measured::LeftOut {
                left_out: NOT_MEASURED.into(),
            },
            not_drawn: Vec::new(),
        };
        // A finished run that is resumed keeps its numbers until there are new ones.
        if before.is_none() || before != weights() || !self.has_numbers() {
            summary.write(self.run)?;
        }
        Ok(summary)
    }

    /// Whether the summary on disk has numbers.
    fn has_numbers(&self) -> bool {
        let summary = fs::read(self.run.summary()).ok();
        let summary = summary.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        summary.is_some_and(|summary| summary[self.split]["squared_error"].is_number())
    }

    /// Measures the model and draws its pictures; what fails is left out with its reason.
    ///
    /// # Errors
    /// Names the file that can't be written.
    pub fn measure(
        &self,
        summary: &mut Summary,
        cache: Option<&Cache>,
        progress: Progress<'_>,
    ) -> Result<(), ResultsError> {
        let evaluation = evaluate(self.subject, cache, progress);
        summary.evaluation = evaluation.and_then(all_finite).into();
        // Earlier numbers are worth more than none.
        let is_kept = summary.evaluation.value().is_none() && self.has_numbers();
        if !is_kept {
            summary.write(self.run)?;
        }
        let mut drawn = 0;
        let mut draw = |file: &'static str, picture: &dyn Fn() -> Drawn| {
            let attempted = attempt(|| {
                progress("drawing pictures", drawn, PICTURES);
                if let Some(bytes) = picture()? {
                    fs::create_dir_all(self.run.figures())?;
                    write_atomically(&self.run.figures().join(file), &bytes)?;
                }
                Ok::<(), Box<dyn std::error::Error>>(())
            });
            drawn += 1;
            let attempted = attempted.and_then(|drawn| drawn.map_err(|error| error.to_string()));
            if let Err(reason) = attempted {
                summary.not_drawn.push((file, reason));
            }
        };
        let Subject {
            model,
            split,
            device,
            ..
        } = self.subject;
        let description = self.description;
        let are_images = description.input.kind() == Kind::Image;
        if are_images {
            draw("reconstructions.png", &|| {
                reconstructions(description, model, split, device).map(Some)
            });
        }
        draw("curves.svg", &|| metrics_curves(self.run).map(Some));
        if are_images && description.model.has_prior() {
            draw("samples.png", &|| {
                let count = shown(description.shape(), SAMPLES);
                let columns = columns(description.shape(), SAMPLE_COLUMNS);
                Ok(samples(description, model, count, columns, 0, device)?)
            });
        }
        match is_kept {
            true => Ok(()),
            false => summary.write(self.run),
        }
    }
}

/// The evaluation, or a message about a number in it that is not finite.
fn all_finite(evaluation: Evaluation) -> Result<Evaluation, String> {
    match evaluation.first_not_finite() {
        Some((term, value)) => Err(format!(
            "expected a finite {term}, found {value}; the training has diverged"
        )),
        None => Ok(evaluation),
    }
}

/// A picture's bytes; none where the family has no such picture.
type Drawn = Result<Option<Vec<u8>>, Box<dyn std::error::Error>>;

/// The first images of a split above their reconstructions, with the corrupted images in between where the family corrupts.
fn reconstructions<B: Backend>(
    description: &Description,
    model: &Model<B>,
    split: &Subset,
    device: &B::Device,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut rows: [Vec<f32>; 3] = Default::default();
    let first = split.limit(shown(description.shape(), RECONSTRUCTIONS))?;
    for batch in input_batches(model, &first, device) {
        let corrupted = batch.corrupted(model);
        let images = batch.images;
        let reconstructed = model.reconstruct(corrupted.clone().unwrap_or_else(|| images.clone()));
        for (row, images) in rows
            .iter_mut()
            .zip([Some(images), corrupted, Some(reconstructed)])
        {
            row.extend(images.into_iter().flat_map(host));
        }
    }
    let rows: Vec<Vec<f32>> = rows.into_iter().filter(|row| !row.is_empty()).collect();
    let shape = description.shape();
    Ok(image_grid(
        &rows,
        shape.to_array(),
        columns(shape, COLUMNS),
        scale(shape),
    )?)
}

/// A picture of means of p(x|h) at codes drawn from the prior, for families that have one; `columns` images per row.
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
    let features: usize = description.shape().features();
    let parts = codes.split(measuring_batch(features).get(), 0).into_iter();
    let row = parts.flat_map(|codes| host(model.likelihood().mean(model.decode(codes))));
    let shape = description.shape();
    image_grid(&[row.collect()], shape.to_array(), columns, scale(shape)).map(Some)
}

fn metrics_curves(run: &RunDirectory) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut series: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
    for line in read_metrics(&run.metrics())? {
        for (term, value) in &line.terms {
            let points = series
                .entry((line.title(term), line.split.clone()))
                .or_default();
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
    Ok(curves(&series, "Training")?.into_bytes())
}
