//! Why a training run can't go on.

use std::path::PathBuf;

use burn::record::RecorderError;
use hourglass_data::DataError;
use hourglass_models::{ConfigError, StateDictError};
use hourglass_store::StoreError;
use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::phases::Phase;

/// A training run that can't go on.
#[derive(Debug, Error)]
pub enum TrainError {
    /// A term of the objective is not a finite number.
    #[error("{}", not_finite_message(*.phase, *.step, .term, *.value, *.checkpoint))]
    NotFinite {
        /// The phase.
        phase: Phase,
        /// The step, from 0.
        step: u64,
        /// The term.
        term: String,
        /// Its value.
        value: f64,
        /// The step of the last checkpoint.
        checkpoint: Option<u64>,
    },
    /// Early stopping has no images to watch.
    #[error(
        "{setting}: expected validation images to watch, found none: data.validation is less than one of {images} \
         images; hold out more"
    )]
    NothingToWatch {
        /// The setting, and where it was made.
        setting: String,
        /// The images to train on.
        images: usize,
    },
    /// Early stopping is to watch a term that the phase does not have.
    #[error("{setting}: expected one of {expected}, found {found}")]
    NoSuchTerm {
        /// The setting, and where it was made.
        setting: String,
        /// The terms of the phase.
        expected: String,
        /// The term asked for.
        found: String,
    },
    /// A classifier has no labels to learn from.
    #[error(
        "{setting}: expected training images with labels, found none in {data}; name other data, or leave the section \
         out"
    )]
    Unlabelled {
        /// The setting, and where it was made.
        setting: String,
        /// The dataset.
        data: String,
    },
    /// The checkpoint is of another recipe or other data.
    #[error(
        "{path}: expected a checkpoint of this {what}, found one of another; resume with the settings that the run began \
         with, or start a new run"
    )]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// A setting of the model can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data can't be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A checkpoint can't be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint's weights do not fit the model.
    #[error("the checkpoint's weights can't be read")]
    Record(#[from] RecorderError),
    /// The weights of a layer can't be put into the network.
    #[error(transparent)]
    Weights(#[from] StateDictError),
    /// The weights that the training should begin with can't be used.
    #[error("training.from")]
    From(#[from] StoreError),
    /// The weights that the training should begin with are of another network.
    #[error("training.from: {path}: expected the recipe's network, {expected}, found {found}")]
    OtherNetwork {
        /// The directory.
        path: PathBuf,
        /// The recipe's network.
        expected: String,
        /// The network of the directory.
        found: String,
    },
    /// A file can't be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn not_finite_message(
    phase: Phase,
    step: u64,
    term: &str,
    value: f64,
    checkpoint: Option<u64>,
) -> String {
    let kept = match checkpoint {
        Some(step) => format!("the last good checkpoint is of step {step}"),
        None => "there is no checkpoint yet".to_owned(),
    };
    let section = phase.section();
    let place = match phase {
        Phase::Whole => format!("step {step}"),
        _ => format!("{phase}, step {step}"),
    };
    format!(
        "{place}: expected a finite {term}, found {value}; {kept}. Start a new run with a lower \
         {section}.learning_rate, or with {section}.clip=1.0"
    )
}
