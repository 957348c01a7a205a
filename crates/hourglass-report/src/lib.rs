//! What is known of trained models as one HTML page that needs nothing else: no network, no scripts, no other files.
//!
//! [`html`] makes the page from results that others have measured; nothing is computed here but places and colours. Whatever
//! comes from a file or a name is escaped by the templates. A part that is not there says why.

mod charts;
mod comparison;
mod images;
mod numbers;
mod page;
mod sections;

use hourglass_figures::FigureError;
use hourglass_measure::{Measured, Report};
use hourglass_store::{Description, MetricsLine};
use hourglass_tasks::Portrait;

pub use page::html;

/// Everything on a page.
#[derive(Debug)]
pub struct Page {
    /// The program that makes it, and its version.
    pub program: String,
    /// The models, in the order in which they were named.
    pub models: Vec<ModelReport>,
}

/// What is known of a model.
#[derive(Debug)]
pub struct ModelReport {
    /// A run directory or a published name.
    pub name: String,
    /// What the model is; nothing where its training has not ended.
    pub description: Option<Description>,
    /// The numbers that training found.
    pub parameters: Option<usize>,
    /// The resolved recipe: values by their paths, such as `training.steps`.
    pub settings: Measured<Vec<(String, String)>>,
    /// What the run says of its training, by name.
    pub facts: Vec<(String, String)>,
    /// `metrics.jsonl`
    pub metrics: Measured<Vec<MetricsLine>>,
    /// The numbers on held-out data.
    pub measurement: Measured<Measurement>,
    /// Numbers from before, in place of a measurement that is not there.
    pub stored: Option<Stored>,
    /// What can be seen of the model.
    pub portrait: Measured<Portrait>,
}

/// Numbers, and the images that they were measured on.
#[derive(Debug)]
pub struct Measurement {
    /// The data set.
    pub data: String,
    /// SHA-256 of the pixels of the split's data.
    pub data_sha256: String,
    /// The split's name.
    pub split: String,
    /// The names of the labels, where they have some.
    pub label_names: Option<Vec<String>>,
    /// The numbers.
    pub report: Report,
}

/// Numbers that a file has.
#[derive(Debug)]
pub struct Stored {
    /// The file.
    pub source: String,
    /// The numbers by name.
    pub numbers: Vec<(String, f64)>,
}

/// A page that can't be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A chart can't be drawn.
    #[error(transparent)]
    Figure(#[from] FigureError),
    /// An image can't be encoded.
    #[error("can't encode an image as PNG: {0}")]
    Png(#[from] png::EncodingError),
}
