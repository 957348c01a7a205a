//! Measures how good a trained autoencoder is: its objective's terms, its reconstruction error and what its code is good for, each
//! compared with PCA where that is possible.
//!
//! [`evaluate`] measures what every model has; [`examine`] also measures the parts that are asked for. A [`Subject`] is a model
//! and the images that it is measured on. The module [`measures`] holds the numerics, on plain slices. [`Finished`] ends a run:
//! it first writes the model, and then measures it and draws its pictures.

mod evaluation;
pub mod measures;
pub mod pca;
mod results;
mod source;
mod terms;

pub use evaluation::*;
pub use results::{Finished, ResultsError, Summary, picture_sizes, samples};
pub use source::{InputBatch, Progress, host, images_of, input_batches};
pub use terms::{LOSS, TermNotFinite, Terms, mean_terms, stacked};
