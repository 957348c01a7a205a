//! The training loop.
//!
//! The step (`TrainStep`) and its interruption come from burn-train. The loop, the order of the data and the checkpoints are our
//! own: burn-train's loop can't resume exactly, since its checkpoints hold neither the order of the data nor the state of early
//! stopping nor the metrics.

mod error;

use std::num::NonZeroUsize;
use std::time::Instant;

use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::train::{Interrupter, ItemLazy, TrainOutput, TrainStep};
use hourglass_data::{Batch, Batches, Cursor, Dataset, Subset, catalog};
use hourglass_measure::{TermNotFinite, Terms, mean_terms, stacked};
use hourglass_models::{Classifier, Model, Shape, StepContext};
use hourglass_store::{DataIdentity, MetricsFile, MetricsLine, RunDirectory, SavedModel};
use serde_json::json;

use crate::checkpoint::{Checkpoint, FinishedPhase, State};
use crate::optimizer::{AnyOptimizer, record_from_bytes, record_to_bytes};
use crate::phases::{Examples, Phase, Plan, Trainee, classes_of, plans};
use crate::recipe::{EarlyStopping, Recipe};

pub use error::TrainError;

/// Steps between two readings of the terms, since reading waits for the device.
const READ_EVERY: u64 = 20;

/// A run, ready to be trained.
#[derive(Debug)]
pub struct Job<'a> {
    /// The resolved recipe; it must be valid.
    pub recipe: &'a Recipe,
    /// The images to train on.
    pub training: &'a Subset,
    /// The images held out for validation; may be empty.
    pub validation: &'a Subset,
    /// Where the run is kept.
    pub run: &'a RunDirectory,
    /// The name of the backend, for the checkpoints.
    pub backend: &'a str,
}

/// Where a run stands, for observers.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The phase; steps are counted anew in each.
    pub phase: Phase,
    /// Whether the run has other phases.
    pub is_one_of_many: bool,
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Steps per epoch.
    pub steps_per_epoch: u64,
    /// Images per epoch.
    pub images_per_epoch: u64,
    /// The terms of the last step that was read back.
    pub terms: &'a [(String, f64)],
}

/// An observer of a run, such as a progress bar.
pub trait Observer {
    /// The run begins or is resumed.
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
    /// The classifier, where the recipe asks for one.
    pub classifier: Option<Classifier<B>>,
    /// How the last phase ended.
    pub ending: Ending,
    /// The phases that have ended, in order.
    pub phases: Vec<FinishedPhase>,
}

impl<B: Backend> Outcome<B> {
    /// Steps done on the whole model.
    pub fn steps(&self) -> u64 {
        let whole = self.phases.iter().find(|ended| ended.phase == Phase::Whole);
        whole.map_or(0, |whole| whole.steps)
    }
}

/// The identity of the training images that is stored with a finished model; `name` is what `--data` was given.
pub fn data_identity(name: &str, training: &Dataset) -> DataIdentity {
    DataIdentity {
        name: name.to_owned(),
        sha256: training.sha256().to_owned(),
        licence: catalog::find(name).map(|entry| entry.licence.to_owned()),
    }
}

/// Checks what can be known about a run's phases before it begins: that early stopping, where a recipe asks for it, has images
/// and a term to watch, and a classifier has labels.
///
/// # Errors
/// Names what is missing.
pub fn check_phases<B: Backend>(
    recipe: &Recipe,
    training: &Subset,
    validation: &Subset,
) -> Result<(), TrainError> {
    let dataset = training.dataset();
    if recipe.classifier.is_some() && classes_of(dataset).is_none() {
        return Err(TrainError::Unlabelled {
            setting: recipe.place("classifier"),
            data: dataset.name().to_owned(),
        });
    }
    let (shape, device) = (training.shape(), B::Device::default());
    for plan in plans(recipe, shape)? {
        let Some(stopping) = &plan.config.early_stopping else {
            continue;
        };
        let Some(batch) = Batches::sequential(validation, NonZeroUsize::MIN).next() else {
            return Err(TrainError::NothingToWatch {
                setting: recipe.place(&format!("{}.early_stopping", plan.phase.section())),
                images: training.len(),
            });
        };
        let model = recipe.model.init::<B>(shape, 0, &device)?;
        let trainee = plan.trainee(&model, training, &device)?;
        let examples = plan.examples(&model, &batch, &device);
        let (names, _) = stacked(trainee.loss(examples, &StepContext::evaluate(0, 0)));
        if !names.contains(&stopping.term.as_str()) {
            return Err(TrainError::NoSuchTerm {
                setting: recipe.place(&format!("{}.early_stopping.term", plan.phase.section())),
                expected: names.join(", "),
                found: stopping.term.clone(),
            });
        }
    }
    Ok(())
}

/// A batch on the device and its place in the run.
pub(crate) struct StepInput<B: Backend> {
    examples: Examples<B>,
    context: StepContext,
}

/// The stacked terms of a step, on the device.
pub(crate) struct StepOutput<B: Backend> {
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

    fn step(&self, StepInput { examples, context }: StepInput<B>) -> TrainOutput<Self::Output> {
        let loss = self.loss(examples, &context);
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

/// Trains a model through all its phases, from the run's checkpoint where there is one.
///
/// # Errors
/// See [`TrainError`]; what the run has written so far stays.
pub fn train<B: AutodiffBackend>(
    job: &Job<'_>,
    device: &B::Device,
    observer: &mut dyn Observer,
    interrupter: &Interrupter,
) -> Result<Outcome<B::InnerBackend>, TrainError> {
    check_phases::<B::InnerBackend>(job.recipe, job.training, job.validation)?;
    let shape = job.training.shape();
    let plans = plans(job.recipe, shape)?;
    let mut checkpoint = read_checkpoint(job)?;
    let mut model = match checkpoint {
        Some(_) => job.recipe.model.init(shape, job.recipe.run.seed, device)?,
        None => initial_model::<B>(job.recipe, shape, device)?,
    };
    let (mut first, mut finished, mut metrics_bytes) = (0, Vec::new(), 0);
    match &mut checkpoint {
        Some(Checkpoint {
            state, model: base, ..
        }) => {
            let phase = plans.iter().position(|plan| plan.phase == state.phase);
            first = phase.expect("the checkpoint is of this recipe");
            finished = std::mem::take(&mut state.finished);
            metrics_bytes = state.metrics_bytes;
            if !base.is_empty() {
                model = model.load_record(record_from_bytes::<B, _>(std::mem::take(base), device)?);
            }
        }
        None => job.run.prepare(&job.recipe.to_toml())?,
    }
    let mut journal = Journal {
        metrics: MetricsFile::open(&job.run.metrics(), metrics_bytes)?,
        finished,
    };
    let (mut classifier, mut last) = (None, Ending::Finished);
    for plan in &plans[first..] {
        let training = Training::begin(job, plan, &model, journal, checkpoint.take(), device)?;
        observer.started(training.standing());
        let (training, ending) = training.run(observer, interrupter)?;
        last = ending;
        let trainee;
        (trainee, journal) = training.end(ending)?;
        if ending == Ending::Interrupted {
            break;
        }
        if let Trainee::Classifier(trained) = &trainee {
            classifier = Some(trained.valid());
        }
        model = plan.absorb(model, trainee)?;
    }
    Ok(Outcome {
        model: model.valid(),
        classifier,
        ending: last,
        phases: journal.finished,
    })
}

/// The model that a run begins with: its weights are random, or those of the directory that the recipe names.
///
/// # Errors
/// When there are no such weights, or they belong to another network than the recipe's.
pub fn initial_model<B: Backend>(
    recipe: &Recipe,
    shape: Shape,
    device: &B::Device,
) -> Result<Model<B>, TrainError> {
    Ok(match &recipe.run.from {
        Some(name) => {
            let saved = SavedModel::find(name)?;
            let description = saved.description()?;
            let (found, expected) = (description.model.network(), recipe.model.network());
            if found != expected || description.shape() != shape {
                return Err(TrainError::OtherNetwork {
                    path: name.clone(),
                    expected: format!("{} of images of {shape}", json!(expected)),
                    found: format!("{} of images of {}", json!(found), description.shape()),
                });
            }
            saved.load_as(&recipe.model, shape, device)?
        }
        None => recipe.model.init(shape, recipe.run.seed, device)?,
    })
}

/// The run's checkpoint, which must be of this recipe and these images.
fn read_checkpoint(job: &Job<'_>) -> Result<Option<Checkpoint>, TrainError> {
    let path = job.run.checkpoint();
    let Some(checkpoint) = Checkpoint::read(&path)? else {
        return Ok(None);
    };
    let state = &checkpoint.state;
    let what = if state.recipe != job.recipe.to_toml() {
        "recipe"
    } else if state.dataset != job.training.dataset().sha256() {
        "training data"
    } else {
        return Ok(Some(checkpoint));
    };
    Err(TrainError::OtherRun { path, what })
}

/// What a run records over all its phases.
struct Journal {
    metrics: MetricsFile,
    finished: Vec<FinishedPhase>,
}

/// The state of a phase in progress.
struct Training<'a, B: AutodiffBackend> {
    job: &'a Job<'a>,
    plan: &'a Plan,
    device: &'a B::Device,
    /// The whole model as it was when the phase began.
    model: &'a Model<B>,
    /// The same, to make the inputs of a layer.
    below: Model<B::InnerBackend>,
    trainee: Trainee<B>,
    optimizer: AnyOptimizer<Trainee<B>, B>,
    terms: Terms<B::InnerBackend>,
    journal: Journal,
    steps: u64,
    steps_per_epoch: u64,
    step: u64,
    best: Option<(f64, u64)>,
    best_trainee: Vec<u8>,
    evaluations_since_best: u64,
    seconds_before: f64,
    started: Instant,
    /// The step of the phase's last checkpoint, and when it was written.
    saved: Option<(u64, Instant)>,
}

impl<'a, B: AutodiffBackend> Training<'a, B> {
    fn begin(
        job: &'a Job<'a>,
        plan: &'a Plan,
        model: &'a Model<B>,
        journal: Journal,
        checkpoint: Option<Checkpoint>,
        device: &'a B::Device,
    ) -> Result<Self, TrainError> {
        let (steps, steps_per_epoch) = plan.config.lengths(job.training.len());
        let mut trainee = plan.trainee(model, job.training, device)?;
        let mut optimizer = AnyOptimizer::new(&plan.config);
        let mut state = State::default();
        let mut best_trainee = Vec::new();
        let mut saved = None;
        if let Some(checkpoint) = checkpoint {
            state = checkpoint.state;
            trainee = trainee.load_record(record_from_bytes::<B, _>(checkpoint.trainee, device)?);
            optimizer = optimizer.load(checkpoint.optimizer, device)?;
            best_trainee = checkpoint.best_trainee;
            saved = Some((state.step, Instant::now()));
        }
        Ok(Self {
            terms: Terms::new(state.sums, state.summed_images),
            step: state.step,
            best: state.best,
            evaluations_since_best: state.evaluations_since_best,
            seconds_before: state.seconds,
            started: Instant::now(),
            below: model.valid(),
            job,
            plan,
            device,
            model,
            trainee,
            optimizer,
            journal,
            steps,
            steps_per_epoch,
            best_trainee,
            saved,
        })
    }

    /// What was trained, the best of it where the phase stops early.
    fn end(self, ending: Ending) -> Result<(Trainee<B>, Journal), TrainError> {
        let (seconds, mut journal) = (self.seconds(), self.journal);
        let mut trainee = self.trainee;
        let mut best_step = None;
        if let Ending::StoppedEarly { best_step: best } = ending {
            let record = record_from_bytes::<B, _>(self.best_trainee, self.device)?;
            trainee = trainee.load_record(record);
            best_step = Some(best);
        }
        if ending != Ending::Interrupted {
            journal.finished.push(FinishedPhase {
                phase: self.plan.phase,
                steps: self.step,
                epochs: self.step as f64 / self.steps_per_epoch as f64,
                best_step,
                seconds,
            });
        }
        Ok((trainee, journal))
    }

    fn standing(&self) -> Standing<'_> {
        Standing {
            phase: self.plan.phase,
            is_one_of_many: self.is_one_of_many(),
            step: self.step,
            steps: self.steps,
            steps_per_epoch: self.steps_per_epoch,
            images_per_epoch: self.job.training.len() as u64,
            terms: self.terms.latest(),
        }
    }

    fn is_one_of_many(&self) -> bool {
        self.job.recipe.pretraining.is_some() || self.job.recipe.classifier.is_some()
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    fn run(
        mut self,
        observer: &mut dyn Observer,
        interrupter: &Interrupter,
    ) -> Result<(Self, Ending), TrainError> {
        let batch_size = self.plan.config.batch_size;
        let batch_size = NonZeroUsize::new(batch_size).unwrap_or(NonZeroUsize::MIN);
        let cursor = Cursor::after(self.step, self.steps_per_epoch as usize);
        let batches = Batches::training(self.job.training, batch_size, self.plan.seed, cursor);
        if let Some(ending) = self.stopped_early() {
            return Ok((self, ending));
        }
        // The initial weights are part of the run, since the directory that they are from may change.
        if self.job.recipe.run.from.is_some() && self.saved.is_none() {
            self.save()?;
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
            self = self.train_on(&batch);
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
    fn train_on(mut self, batch: &Batch) -> Self {
        let config = &self.plan.config;
        let context = StepContext::train(self.plan.seed, self.step, self.steps);
        let examples = self.plan.examples(&self.below, batch, self.device);
        let examples = Examples::constant(examples);
        let output = TrainStep::step(&self.trainee, StepInput { examples, context });
        let rate = config.learning_rate * config.schedule.factor(self.step, self.steps);
        let (optimizer, trainee) = (&mut self.optimizer, self.trainee);
        self.trainee = optimizer.step(config, rate, trainee, output.grads);
        let StepOutput { names, values } = output.item;
        self.terms.push(self.step, batch.len(), names, values);
        self.step += 1;
        self
    }

    fn read_terms(&mut self) -> Result<(), TrainError> {
        let checkpoint = self.saved.map(|(step, _)| step);
        self.terms.read().map_err(
            |TermNotFinite { step, term, value }| TrainError::NotFinite {
                phase: self.plan.phase,
                term: term.to_owned(),
                step,
                value,
                checkpoint,
            },
        )
    }

    fn not_finite(&self, term: String, value: f64) -> TrainError {
        TrainError::NotFinite {
            phase: self.plan.phase,
            step: self.step,
            term,
            value,
            checkpoint: self.saved.map(|(step, _)| step),
        }
    }

    /// Logs the means of the epoch, and the terms of the validation images.
    fn measure(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let means = self.terms.take_means();
        self.log("train", means, observer)?;
        if self.job.validation.is_empty() {
            return Ok(());
        }
        let trainee = self.trainee.valid();
        let means = mean_terms(self.job.validation, |batch, context| {
            trainee.loss(self.plan.examples(&self.below, batch, self.device), context)
        });
        if let Some((term, value)) = means.iter().find(|(_, value)| !value.is_finite()) {
            return Err(self.not_finite(format!("{term} of the validation images"), *value));
        }
        if let Some(stopping) = &self.plan.config.early_stopping {
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
            phase: self.is_one_of_many().then(|| self.plan.phase.to_string()),
            step: self.step,
            epoch: self.step as f64 / self.steps_per_epoch as f64,
            split: split.into(),
            terms: terms
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
        };
        self.journal.metrics.append(&line)?;
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
        let (_, value) = value.expect("`check_phases` has found the term");
        if self.best.is_none_or(|(best, _)| *value < best) {
            self.best = Some((*value, self.step));
            self.best_trainee = record_to_bytes::<B, _>(self.trainee.clone().into_record())?;
            self.evaluations_since_best = 0;
        } else {
            self.evaluations_since_best += 1;
        }
        Ok(())
    }

    /// Whether early stopping applies: there was no better value for too long, or the run is at its end but past its best.
    fn stopped_early(&self) -> Option<Ending> {
        let stopping = self.plan.config.early_stopping.as_ref()?;
        let (_, best_step) = self.best?;
        let over = self.evaluations_since_best >= stopping.patience
            || (self.step >= self.steps && best_step < self.step);
        over.then_some(Ending::StoppedEarly { best_step })
    }

    fn is_checkpoint_due(&self) -> bool {
        let config = &self.job.recipe.run;
        let (step, time) = self.saved.unwrap_or((0, self.started));
        self.step - step >= config.checkpoint_steps
            || time.elapsed().as_secs_f64() >= config.checkpoint_seconds
    }

    /// Writes a checkpoint, unless the last update has made weights infinite or NaN, so that a checkpoint is always usable.
    fn save(&mut self) -> Result<(), TrainError> {
        let mut finite = AllFinite(true);
        self.trainee.visit(&mut finite);
        if !finite.0 {
            return Err(self.not_finite("weight".into(), f64::NAN));
        }
        let metrics = &self.journal.metrics;
        metrics.sync()?;
        let (sums, images) = self.terms.sums();
        let checkpoint = Checkpoint {
            state: State {
                recipe: self.job.recipe.to_toml(),
                dataset: self.job.training.dataset().sha256().to_owned(),
                backend: self.job.backend.to_owned(),
                finished: self.journal.finished.clone(),
                phase: self.plan.phase,
                step: self.step,
                seconds: self.seconds(),
                metrics_bytes: metrics.bytes(),
                sums: sums.to_vec(),
                summed_images: images,
                best: self.best,
                evaluations_since_best: self.evaluations_since_best,
            },
            trainee: record_to_bytes::<B, _>(self.trainee.clone().into_record())?,
            optimizer: self.optimizer.to_bytes()?,
            best_trainee: self.best_trainee.clone(),
            model: match self.plan.phase {
                // It is the trainee.
                Phase::Whole => Vec::new(),
                _ => record_to_bytes::<B, _>(self.model.clone().into_record())?,
            },
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
