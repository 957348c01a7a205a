//! Training and measuring autoencoders: recipes, the training loop, run directories, checkpoints, evaluation, PCA, figures
//! and finished models.

mod checkpoint;
mod evaluation;
pub mod figures;
mod files;
mod likelihood;
mod model_files;
mod optimizer;
pub mod parity;
pub mod pca;
mod recipe;
mod results;
mod run_directory;
mod terms;
mod trainer;

pub use checkpoint::{Checkpoint, CheckpointError, State};
pub use evaluation::{
    Activity, Evaluation, PcaComparison, Progress, evaluate, evaluation_sizes, fit_pca, images_of,
};
pub use files::write_atomically;
pub use likelihood::{
    ACTIVE_VARIANCE, CodeInformation, LogLikelihood, code_information, log_likelihood,
};
pub use model_files::{
    CONFIG_FILE, DataIdentity, ModelFile, ModelFileError, WEIGHTS_FILE, load_description,
    load_model, save_model, save_tensors, save_weights,
};
pub use recipe::{
    DataConfig, EarlyStopping, OptimizerKind, Recipe, RecipeError, Schedule, TrainingConfig,
};
pub use results::{PICTURE_SIZES, ResultsError, Summary, write_results};
pub use run_directory::{MetricsLine, RunDirectory, read_metrics};
pub use terms::LOSS;
pub use trainer::{
    Ending, Job, Observer, Outcome, Standing, TrainError, check_early_stopping, lengths, shape_of,
    train, training_sizes,
};
