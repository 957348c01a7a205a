//! Run directories and finished models on disk. The files of a finished model are laid out as on the Hugging Face hub. With the
//! feature `published`, the published models are part of the program.
//!
//! ```no_run
//! use burn::tensor::Tensor;
//! use burn_flex::Flex;
//! use hourglass_models::Autoencoder;
//! use hourglass_store::SavedModel;
//!
//! let model = SavedModel::find("runs/variational-1")?.load::<Flex>(&Default::default())?;
//! let images = Tensor::<Flex, 2>::zeros([2, 784], &Default::default());
//! println!("{}", model.encode(images));
//! # Ok::<(), hourglass_store::StoreError>(())
//! ```

mod description;
mod error;
mod files;
mod published;
mod run_directory;
mod saved;
mod weights;

pub use description::{DataIdentity, Description};
pub use error::StoreError;
pub use files::{CLASSIFIER_FILE, CONFIG_FILE, METRICS_FILE, RECIPE_FILE, WEIGHTS_FILE};
pub use published::{PublishedModel, published_models};
pub use run_directory::{MetricsFile, MetricsLine, RunDirectory, read_metrics};
pub use saved::{SavedModel, save_classifier, save_model};
pub use weights::{Precision, read_model, save_tensors, save_weights, stored_description};
