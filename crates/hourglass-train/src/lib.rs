//! Training and measuring autoencoders: recipes, the training loop, run directories, checkpoints, evaluation, PCA, figures
//! and finished models.

mod checkpoint;
mod evaluation;
pub mod figures;
pub mod measures;
mod optimizer;
pub mod parity;
pub mod pca;
mod phases;
mod recipe;
mod results;
mod run_directory;
mod terms;
pub mod throughput;
mod trainer;

pub use checkpoint::{Checkpoint, CheckpointError, FinishedPhase, State};
pub use evaluation::{
    ACTIVE_VARIANCE, Activity, Cache, Class, Classification, CodeInformation, Contraction, Density,
    EstimateDirectory, Evaluation, EvidenceLowerBound, Fidelity, FinishedEstimate, LogLikelihood,
    Measure, Measured, Origin, Outliers, PcaComparison, Progress, Readout, Reconstructed,
    Reconstruction, Report, Representation, Request, Robustness, Subject, attempt,
    code_information, evaluate, evaluation_sizes, evidence_lower_bound, examine, fit_pca,
    images_of, interrupt, log_likelihood,
};
pub use phases::Phase;
pub use recipe::{
    DataConfig, EarlyStopping, LabelName, OptimizerKind, PretrainingConfig, Recipe, RecipeError,
    RunConfig, Schedule, SettingOrigin, TrainingConfig,
};
pub use results::{Finished, ResultsError, Summary, picture_sizes, samples};
pub use run_directory::{MetricsLine, RunDirectory, read_metrics};
pub use terms::LOSS;
pub use trainer::{
    Ending, Job, Observer, Outcome, Standing, TrainError, check_phases, data_identity,
    initial_model, shape_of, train,
};
