//! Training of autoencoders: recipes, the training loop and its phases, checkpoints, and the self-check of a GPU against the CPU.

mod checkpoint;
mod optimizer;
mod phases;
mod recipe;
pub mod self_check;
pub mod throughput;
mod trainer;

pub use checkpoint::{Checkpoint, CheckpointError, FinishedPhase, State};
pub use phases::Phase;
pub use recipe::{
    DataConfig, EarlyStopping, LabelName, OptimizerKind, PretrainingConfig, Recipe, RecipeError,
    RunConfig, Schedule, SettingOrigin, TrainingConfig,
};
pub use trainer::{
    Ending, Job, Observer, Outcome, Standing, TrainError, check_phases, data_identity,
    initial_model, train,
};
