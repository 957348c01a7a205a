//! What a trained autoencoder is worth: its own terms, its reconstruction error, what its code is good for, and PCA beside it.
//!
//! [`evaluate`] measures what every model has; [`examine`] adds what it is asked for. `measures` is numerics on plain slices;
//! a [`Subject`] is a model and the images that it is measured on. [`Finished`] is the end of a run: it writes the model first,
//! and then measures it and draws its pictures.

mod evaluation;
pub mod measures;
pub mod pca;
mod results;
mod source;
mod terms;

pub use evaluation::*;
pub use results::{Finished, ResultsError, Summary, picture_sizes, samples};
pub use source::{InputBatch, Progress, host, images_of, input_batches};
pub use terms::{LOSS, NotFinite, Terms, mean_terms, stacked};
