//! Shows what is known about trained models in a self-contained HTML page, which needs no network, no scripts and no other files.
//!
//! [`html`] makes the page from results that were measured elsewhere; only positions and colours are computed here. The templates
//! escape whatever comes from a file or a name. Where a part is missing, the page says why.

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

/// What is known about a model.
#[derive(Debug)]
pub struct ModelReport {
    /// A run directory or a published name.
    pub name: String,
    /// What the model is; none where its training has not ended.
    pub description: Option<Description>,
    /// The number of parameters that were trained.
    pub parameters: Option<usize>,
    /// The resolved recipe: values by their paths, such as `training.steps`.
    pub settings: Measured<Vec<(String, String)>>,
    /// What the run says about its training, by name.
    pub facts: Vec<(String, String)>,
    /// `metrics.jsonl`
    pub metrics: Measured<Vec<MetricsLine>>,
    /// The numbers on held-out data.
    pub measurement: Measured<Measurement>,
    /// Earlier numbers from a file, which are shown if there is no measurement.
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

/// Numbers that were read from a file.
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
