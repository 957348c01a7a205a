//! The training loop.
//!
//! Burn-train gives the step and its interruption. Its own loop can't resume exactly: neither the order of the data nor
//! the state of early stopping nor the metrics are in its checkpoints, so the loop, the order and the checkpoints are here.

use std::num::NonZeroUsize;
use std::time::Instant;

use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::record::RecorderError;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::train::{Interrupter, ItemLazy, TrainOutput, TrainStep};
use hourglass_data::{Batches, Cursor, DataError, Subset};
use hourglass_models::{Autoencoder, ConfigError, ImageShape, Model, StepContext};
use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError, State};
use crate::evaluation::{images_of, mean_terms};
use crate::optimizer::{AnyOptimizer, clip_by_norm, record_from_bytes, record_to_bytes};
use crate::recipe::{EarlyStopping, Recipe};
use crate::run_directory::{MetricsFile, MetricsLine, RunDirectory};
use crate::terms::{NotFinite, Terms, stacked};

/// Steps between readings of the terms: reading waits for the device.
const READ_EVERY: u64 = 20;

/// A training run that can't go on.
#[derive(Debug, Error)]
pub enum TrainError {
    /// A term of the objective is not a finite number.
    #[error("{}", not_finite_message(*.step, .term, *.value, *.checkpoint))]
    NotFinite {
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
        "`training.early_stopping`: expected validation images to watch, found none: data.validation is less than one of \
         {images} images; hold out more"
    )]
    NothingToWatch {
        /// The images to train on.
        images: usize,
    },
    /// Early stopping watches a term that the family has not.
    #[error("`training.early_stopping.term`: expected one of {expected}, found {found}")]
    NoSuchTerm {
        /// The family's terms.
        expected: String,
        /// The term asked for.
        found: String,
    },
    /// The checkpoint is of another recipe or other data.
    #[error(
        "{path}: expected a checkpoint of this {what}, found one of another; resume with the settings that the run began \
         with, or start a new run"
    )]
    OtherRun {
        /// The checkpoint.
        path: std::path::PathBuf,
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
    /// A file can't be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn not_finite_message(step: u64, term: &str, value: f64, checkpoint: Option<u64>) -> String {
    let kept = match checkpoint {
        Some(step) => format!("the last good checkpoint is of step {step}"),
        None => "there is no checkpoint yet".to_owned(),
    };
    format!(
        "step {step}: expected a finite {term}, found {value}; {kept}. Start a new run with a lower \
         training.learning_rate, or with training.clip=1.0"
    )
}

/// A run, ready to be trained.
#[derive(Debug)]
pub struct Job<'a> {
    /// The resolved recipe; it must be valid.
    pub recipe: &'a Recipe,
    /// The images to train on.
    pub training: &'a Subset,
    /// The images held out; may be empty.
    pub validation: &'a Subset,
    /// Where the run is kept.
    pub run: &'a RunDirectory,
    /// The name of the backend, for the checkpoints.
    pub backend: &'a str,
}

/// Where a run stands, for those who watch.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Steps an epoch.
    pub steps_per_epoch: u64,
    /// Images an epoch.
    pub images_per_epoch: u64,
    /// The terms of the last step that was read back.
    pub terms: &'a [(String, f64)],
}

/// Someone who watches a run.
pub trait Observer {
    /// The run begins or goes on.
    fn started(&mut self, standing: Standing<'_>);
    /// A step was done.
    fn stepped(&mut self, standing: Standing<'_>);
    /// Terms were measured.
    fn measured(&mut self, line: &MetricsLine);
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done.
    Finished,
    /// Early stopping ended it; the weights are those of `best_step`.
    StoppedEarly {
        /// The step of the weights.
        best_step: u64,
    },
    /// It was interrupted; a checkpoint was written.
    Interrupted,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Outcome<B: Backend> {
    /// The model.
    pub model: Model<B>,
    /// How it ended.
    pub ending: Ending,
    /// Steps done.
    pub steps: u64,
    /// Seconds of training, also those before it was resumed.
    pub seconds: f64,
}

/// The shape of a subset's images.
pub fn shape_of(subset: &Subset) -> ImageShape {
    subset.dataset().shape().to_array()
}

/// Steps of a run, and of an epoch.
pub fn lengths(recipe: &Recipe, training: &Subset) -> (u64, u64) {
    let per_epoch = training.len().div_ceil(recipe.training.batch_size).max(1) as u64;
    let epochs = recipe
        .training
        .epochs
        .map(|epochs| epochs.saturating_mul(per_epoch));
    (
        recipe.training.steps.or(epochs).unwrap_or(per_epoch),
        per_epoch,
    )
}

/// Every batch size that training will use: its own, and its last partial one.
pub fn training_sizes(job: &Job<'_>) -> Vec<usize> {
    let size = job.recipe.training.batch_size.min(job.training.len());
    vec![size, job.training.len() % size.max(1)]
}

/// Checks that early stopping, where a recipe asks for it, has images and a term to watch.
///
/// # Errors
/// Names what is missing.
pub fn check_early_stopping<B: Backend>(
    recipe: &Recipe,
    training: &Subset,
    validation: &Subset,
) -> Result<(), TrainError> {
    let Some(stopping) = &recipe.training.early_stopping else {
        return Ok(());
    };
    if validation.is_empty() {
        let images = training.len();
        return Err(TrainError::NothingToWatch { images });
    }
    let (shape, device) = (shape_of(training), B::Device::default());
    let model = recipe.model.init::<B>(shape, 0, &device)?;
    let image = Tensor::zeros([1, shape.iter().product()], &device);
    let (names, _) = stacked(model.loss(image, &StepContext::evaluate(0, 0)));
    if names.contains(&stopping.term.as_str()) {
        return Ok(());
    }
    Err(TrainError::NoSuchTerm {
        expected: names.join(", "),
        found: stopping.term.clone(),
    })
}

/// A model as burn-train sees it.
#[derive(Module, Debug)]
struct Trainee<B: Backend> {
    model: Model<B>,
}

/// A batch on the device and its place in the run.
struct StepInput<B: Backend> {
    images: Tensor<B, 2>,
    context: StepContext,
}

/// The stacked terms of a step, on the device.
struct StepOutput<B: Backend> {
    names: Vec<&'static str>,
    values: Tensor<B, 1>,
}

impl<B: Backend> ItemLazy for StepOutput<B> {
    type ItemSync = Self;

    fn sync(self) -> Self {
        self
    }
}

impl<B: AutodiffBackend> TrainStep for Trainee<B> {
    type Input = StepInput<B>;
    type Output = StepOutput<B::InnerBackend>;

    fn step(&self, StepInput { images, context }: StepInput<B>) -> TrainOutput<Self::Output> {
        let loss = self.model.loss(images, &context);
        let gradients = loss.total.backward();
        let (names, values) = stacked(loss);
        TrainOutput::new(
            self,
            gradients,
            StepOutput {
                names,
                values: values.inner(),
            },
        )
    }
}

/// Trains a model, from the run's checkpoint where there is one.
///
/// # Errors
/// See [`TrainError`]; what the run has written so far stays.
pub fn train<B: AutodiffBackend>(
    job: &Job<'_>,
    device: &B::Device,
    observer: &mut dyn Observer,
    interrupter: &Interrupter,
) -> Result<Outcome<B::InnerBackend>, TrainError> {
    let training = Training::<B>::begin(job, device)?;
    observer.started(training.standing());
    let (training, ending) = training.run(observer, interrupter)?;
    let (steps, seconds) = (training.step, training.seconds());
    let mut trainee = training.trainee;
    if let Ending::StoppedEarly { .. } = ending {
        trainee = trainee.load_record(record_from_bytes::<B, _>(training.best_model, device)?);
    }
    Ok(Outcome {
        model: trainee.model.valid(),
        ending,
        steps,
        seconds,
    })
}

/// The state of a run in progress.
struct Training<'a, B: AutodiffBackend> {
    job: &'a Job<'a>,
    device: &'a B::Device,
    trainee: Trainee<B>,
    optimizer: AnyOptimizer<Trainee<B>, B>,
    terms: Terms<B::InnerBackend>,
    metrics: MetricsFile,
    steps: u64,
    steps_per_epoch: u64,
    step: u64,
    best: Option<(f64, u64)>,
    best_model: Vec<u8>,
    evaluations_since_best: u64,
    seconds_before: f64,
    started: Instant,
    /// The step of the last checkpoint, and when it was written.
    saved: Option<(u64, Instant)>,
}

impl<'a, B: AutodiffBackend> Training<'a, B> {
    fn begin(job: &'a Job<'a>, device: &'a B::Device) -> Result<Self, TrainError> {
        check_early_stopping::<B::InnerBackend>(job.recipe, job.training, job.validation)?;
        let (steps, steps_per_epoch) = lengths(job.recipe, job.training);
        let seed = job.recipe.training.seed;
        let model = job
            .recipe
            .model
            .init::<B>(shape_of(job.training), seed, device)?;
        let mut trainee = Trainee { model };
        let mut optimizer = AnyOptimizer::new(&job.recipe.training);
        let path = job.run.checkpoint();
        let checkpoint = Checkpoint::read(&path)?;
        let mut state = State::default();
        let mut best_model = Vec::new();
        let mut saved = None;
        match checkpoint {
            Some(checkpoint) => {
                state = checkpoint.state;
                let other = |what| TrainError::OtherRun {
                    path: path.clone(),
                    what,
                };
                if state.recipe != job.recipe.to_toml() {
                    return Err(other("recipe"));
                }
                if state.dataset != job.training.dataset().sha256() {
                    return Err(other("training data"));
                }
                trainee = trainee.load_record(record_from_bytes::<B, _>(checkpoint.model, device)?);
                optimizer = optimizer.load(checkpoint.optimizer, device)?;
                best_model = checkpoint.best_model;
                saved = Some((state.step, Instant::now()));
            }
            None => job.run.prepare(&job.recipe.to_toml())?,
        }
        Ok(Self {
            terms: Terms::new(state.sums, state.summed_images),
            metrics: MetricsFile::open(&job.run.metrics(), state.metrics_bytes)?,
            step: state.step,
            best: state.best,
            evaluations_since_best: state.evaluations_since_best,
            seconds_before: state.seconds,
            started: Instant::now(),
            job,
            device,
            trainee,
            optimizer,
            steps,
            steps_per_epoch,
            best_model,
            saved,
        })
    }

    fn standing(&self) -> Standing<'_> {
        Standing {
            step: self.step,
            steps: self.steps,
            steps_per_epoch: self.steps_per_epoch,
            images_per_epoch: self.job.training.len() as u64,
            terms: self.terms.latest(),
        }
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    fn run(
        mut self,
        observer: &mut dyn Observer,
        interrupter: &Interrupter,
    ) -> Result<(Self, Ending), TrainError> {
        let config = &self.job.recipe.training;
        let batch_size = NonZeroUsize::new(config.batch_size).unwrap_or(NonZeroUsize::MIN);
        let cursor = Cursor::after(self.step, self.steps_per_epoch as usize);
        let batches = Batches::training(self.job.training, batch_size, config.seed, cursor);
        if let Some(ending) = self.stopped_early() {
            return Ok((self, ending));
        }
        for batch in batches {
            if self.step >= self.steps {
                break;
            }
            if interrupter.should_stop() {
                self.read_terms()?;
                self.save()?;
                return Ok((self, Ending::Interrupted));
            }
            let images = images_of(&batch, self.device);
            self = self.train_on(images, batch.len());
            if self.step.is_multiple_of(READ_EVERY) {
                self.read_terms()?;
            }
            observer.stepped(self.standing());
            let last = self.step == self.steps;
            if last || self.step.is_multiple_of(self.steps_per_epoch) {
                self.read_terms()?;
                self.measure(observer)?;
                if let Some(ending) = self.stopped_early() {
                    self.save()?;
                    return Ok((self, ending));
                }
            }
            if last || self.is_checkpoint_due() {
                self.read_terms()?;
                self.save()?;
            }
        }
        Ok((self, Ending::Finished))
    }

    /// One step. It takes the whole run, so that the optimiser has the only reference to the weights and can reuse them.
    fn train_on(mut self, images: Tensor<B, 2>, count: usize) -> Self {
        let config = &self.job.recipe.training;
        let context = StepContext::train(config.seed, self.step, self.steps);
        let output = TrainStep::step(&self.trainee, StepInput { images, context });
        let gradients = match config.clip {
            Some(largest) => clip_by_norm(&self.trainee, output.grads, largest),
            None => output.grads,
        };
        let rate = config.learning_rate * config.schedule.factor(self.step, self.steps);
        self.trainee = self.optimizer.step(rate, self.trainee, gradients);
        let StepOutput { names, values } = output.item;
        self.terms.push(self.step, count, names, values);
        self.step += 1;
        self
    }

    fn read_terms(&mut self) -> Result<(), TrainError> {
        let checkpoint = self.saved.map(|(step, _)| step);
        self.terms
            .read()
            .map_err(|NotFinite { step, term, value }| TrainError::NotFinite {
                term: term.to_owned(),
                step,
                value,
                checkpoint,
            })
    }

    /// Logs the means of the epoch, and the terms of the validation images.
    fn measure(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let means = self.terms.take_means();
        self.log("train", means, observer)?;
        if self.job.validation.is_empty() {
            return Ok(());
        }
        let means = mean_terms(
            &self.trainee.model.valid(),
            self.job.validation,
            self.device,
        );
        if let Some((term, value)) = means.iter().find(|(_, value)| !value.is_finite()) {
            return Err(TrainError::NotFinite {
                step: self.step,
                term: format!("{term} of the validation images"),
                value: *value,
                checkpoint: self.saved.map(|(step, _)| step),
            });
        }
        if let Some(stopping) = &self.job.recipe.training.early_stopping {
            self.watch(stopping, &means)?;
        }
        self.log("validation", means, observer)
    }

    fn log(
        &mut self,
        split: &str,
        terms: Vec<(String, f64)>,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let line = MetricsLine {
            step: self.step,
            epoch: self.step as f64 / self.steps_per_epoch as f64,
            split: split.into(),
            terms: terms
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
        };
        self.metrics.append(&line)?;
        observer.measured(&line);
        Ok(())
    }

    /// Keeps the model if it is the best so far.
    fn watch(
        &mut self,
        stopping: &EarlyStopping,
        means: &[(String, f64)],
    ) -> Result<(), TrainError> {
        let value = means.iter().find(|(name, _)| *name == stopping.term);
        let (_, value) = value.expect("`check_early_stopping` has found the term");
        if self.best.is_none_or(|(best, _)| *value < best) {
            self.best = Some((*value, self.step));
            self.best_model = record_to_bytes::<B, _>(self.trainee.clone().into_record())?;
            self.evaluations_since_best = 0;
        } else {
            self.evaluations_since_best += 1;
        }
        Ok(())
    }

    /// Whether the run is over: no better for too long, or at its end but past its best.
    fn stopped_early(&self) -> Option<Ending> {
        let stopping = self.job.recipe.training.early_stopping.as_ref()?;
        let (_, best_step) = self.best?;
        let over = self.evaluations_since_best >= stopping.patience
            || (self.step >= self.steps && best_step < self.step);
        over.then_some(Ending::StoppedEarly { best_step })
    }

    fn is_checkpoint_due(&self) -> bool {
        let config = &self.job.recipe.training;
        let (step, time) = self.saved.unwrap_or((0, self.started));
        self.step - step >= config.checkpoint_steps
            || time.elapsed().as_secs_f64() >= config.checkpoint_seconds
    }

    /// Writes a checkpoint, unless the last update has broken the weights: a checkpoint is always a good one.
    fn save(&mut self) -> Result<(), TrainError> {
        let mut finite = AllFinite(true);
        self.trainee.visit(&mut finite);
        if !finite.0 {
            return Err(TrainError::NotFinite {
                step: self.step,
                term: "weight".into(),
                value: f64::NAN,
                checkpoint: self.saved.map(|(step, _)| step),
            });
        }
        self.metrics.sync()?;
        let (sums, images) = self.terms.sums();
        let checkpoint = Checkpoint {
            state: State {
                recipe: self.job.recipe.to_toml(),
                dataset: self.job.training.dataset().sha256().to_owned(),
                backend: self.job.backend.to_owned(),
                step: self.step,
                seconds: self.seconds(),
                metrics_bytes: self.metrics.bytes(),
                sums: sums.to_vec(),
                summed_images: images,
                best: self.best,
                evaluations_since_best: self.evaluations_since_best,
            },
            model: record_to_bytes::<B, _>(self.trainee.clone().into_record())?,
            optimizer: self.optimizer.to_bytes()?,
            best_model: self.best_model.clone(),
        };
        checkpoint.write(&self.job.run.checkpoint())?;
        self.saved = Some((self.step, Instant::now()));
        Ok(())
    }
}

/// Whether all weights are finite numbers.
struct AllFinite(bool);

impl<B: Backend> ModuleVisitor<B> for AllFinite {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let data = param.val().into_data();
        self.0 = self.0 && data.iter::<f32>().all(f32::is_finite);
    }
}
