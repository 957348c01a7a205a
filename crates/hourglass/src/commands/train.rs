//! `hourglass train`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use burn::tensor::backend::AutodiffBackend;
use burn::train::Interrupter;
use clap::ValueEnum;
use hourglass_data::{Shape, Split, Splits, Subset, measuring_sizes};
use hourglass_measure::{Cache, Finished, Measured, Subject, Summary, attempt, picture_sizes};
use hourglass_store::{Description, RunDirectory, SavedModel, WEIGHTS_FILE};
use hourglass_train::self_check::Sizes;
use hourglass_train::{
    Checkpoint, DataConfig, Ending, Job, Outcome, Phase, Recipe, check_phases, data_identity,
    initial_model, train,
};
use serde_json::{Map, Value, json};

use crate::arguments::{
    BackendName, DeviceArguments, LocationArguments, RowArguments, SampleArguments, parse_shape,
};
use crate::backend::{Chosen, Cpu, SelfCheck, Task};
use crate::evaluated::baselines;
use crate::finished::{check_model, recipe_of};
use crate::images::{fitted_samples, open, split_to_measure};
use crate::interrupt::listen_for_interrupts;
use crate::memory::give_back_memory;
use crate::progress::{Stages, TrainingBar};
use crate::recipes;
use crate::text::evaluation_text;
use crate::usage::UsageError;

/// TOML, in which recipes are kept, has no larger integers.
const WITHIN_TOML: std::ops::RangeInclusive<u64> = 0..=i64::MAX as u64;

fn after_help() -> String {
    let names: Vec<_> = recipes::names().collect();
    format!(
        "Examples:\n  hourglass train variational\n  hourglass train sparse --data mnist --epochs 10 --set objective.k=40\n  \
         hourglass train conv --data photographs --shape 3x32x32 --on-error skip\n  \
         hourglass train --resume --out runs/sparse-1\n  \
         hourglass train variational --from runs/variational-1 --set training.learning_rate=1e-4\n\nRecipes in the program: {}",
        names.join(", ")
    )
}

/// Train a model and write a run directory
#[derive(Debug, clap::Args)]
#[command(
    after_help = after_help()
)]
pub(crate) struct Arguments {
    /// A family, the name of another recipe in the program, or a .toml file [default with --resume: the run's own recipe]
    recipe: Option<String>,
    /// The training data: a name from the catalog, a folder of PNG and JPEG images (subfolders `train` and `test` are splits), a
    /// .csv, .parquet, .npy or .safetensors file, a folder of such arrays, or a directory of IDX files [default: the recipe's]
    #[arg(long)]
    data: Option<String>,
    /// Crop and scale the images to this shape, such as 3x32x32 [default: the shape of the first image]
    #[arg(long, value_name = "CxHxW", value_parser = parse_shape)]
    shape: Option<Shape>,
    #[command(flatten)]
    samples: SampleArguments,
    #[command(flatten)]
    rows: RowArguments,
    /// How many times to pass over the images, in place of the recipe's number of steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(WITHIN_TOML))]
    epochs: Option<u64>,
    /// The seed of the weights, the order of the images and the noise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(WITHIN_TOML))]
    seed: Option<u64>,
    /// Begin with the weights of a run, an imported model or a published model, which must have the same network
    #[arg(long, value_name = "MODEL")]
    from: Option<PathBuf>,
    /// The run directory [default: runs/FAMILY-N]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Set any key of the recipe, or remove it by KEY.PATH= without a value; can be given several times. If the kind of a section
    /// changes, as by network.kind=conv, the section starts from the defaults of that kind
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    overrides: Vec<String>,
    /// Resume the run in --out from its last checkpoint, on the backend that it began on
    #[arg(long, requires = "out")]
    resume: bool,
    /// Write the finished model without measuring it or drawing its pictures
    #[arg(long)]
    no_measure: bool,
    /// Print the final numbers as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArguments,
    #[command(flatten)]
    locations: LocationArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let existing = if arguments.resume {
        arguments.out.as_deref().map(RunDirectory::open)
    } else {
        None
    };
    let recipe = match &existing {
        Some(run) => resumed_recipe(arguments, run)?,
        None => requested_recipe(arguments)?,
    };
    let locations = arguments.locations.locations();
    let splits = open(&recipe.data.name, &locations, &recipe.data.options())?;
    let (splits, training, validation) = fitted_samples(splits, &recipe)?;
    recipe.validate(training.shape())?;
    check_phases::<Cpu>(&recipe, &training, &validation)?;
    if existing.is_none() && recipe.run.from.is_some() {
        initial_model::<Cpu>(&recipe, training.shape(), &Default::default())?;
    }
    let chosen = match &existing {
        Some(run) => resumed_backend(&arguments.device, run)?,
        None => Chosen::from_arguments(&arguments.device)?,
    };
    let run = match existing {
        Some(run) => run,
        None => RunDirectory::create(arguments.out.as_deref(), recipe.model.family())?,
    };
    let _lock = run.lock()?;
    note!(
        "training {} on {} {} of {}, on {}: {}; in {}",
        recipe.model.family(),
        training.len(),
        training.dataset().kind().many(),
        recipe.data.name,
        chosen.name(),
        chosen.adapter(),
        run.path().display()
    );
    let interrupter = Interrupter::new();
    listen_for_interrupts(&interrupter);
    let job = Job {
        recipe: &recipe,
        training: &training,
        validation: &validation,
        run: &run,
        backend: chosen.name(),
    };
    let summary = chosen.run(Run {
        job: &job,
        splits: &splits,
        chosen: &chosen,
        interrupter: &interrupter,
        cache: (!arguments.no_measure).then(|| baselines(&locations)),
    })?;
    let Some(summary) = summary else {
        note!(
            "interrupted; nothing is lost. Go on with\n  {}",
            again(&run, &arguments.locations)
        );
        return Ok(ExitCode::FAILURE);
    };
    if arguments.json {
        say!("{:#}", json!(summary.to_json()))?;
        if !is_whole(&summary) {
            note!(
                "not everything was measured and drawn; the rest by\n  {}",
                again(&run, &arguments.locations)
            );
        }
    } else {
        show(&summary, &run, &again(&run, &arguments.locations))?;
    }
    Ok(match interrupter.should_stop() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// The command that goes on with a run, or measures it again where it is finished.
fn again(run: &RunDirectory, locations: &LocationArguments) -> String {
    let data = match &locations.data_dir {
        Some(directory) => format!(" --data-dir {}", directory.display()),
        None => String::new(),
    };
    let path = run.path().display();
    format!("hourglass train --resume --out {path}{data}")
}

/// Whether everything that could be measured and drawn was.
fn is_whole(summary: &Summary) -> bool {
    let evaluation = summary.evaluation.value();
    evaluation.is_some_and(|evaluation| !evaluation.has_failed) && summary.not_drawn.is_empty()
}

/// Prints what a finished run has, and how it gets what it has not.
fn show(summary: &Summary, run: &RunDirectory, again: &str) -> Result<()> {
    let path = run.path().display();
    match &summary.evaluation {
        Measured::Value(evaluation) => {
            say!("{}", evaluation_text(evaluation, &summary.split))?;
        }
        Measured::LeftOut { left_out } => {
            say!("there are no numbers: {left_out}")?;
        }
    }
    for (file, reason) in &summary.not_drawn {
        say!("figures/{file} was left out: {reason}")?;
    }
    match is_whole(summary) {
        true => say!("model, numbers and pictures are in {path}"),
        false => {
            say!("the finished model is in {path}; measure it and draw its pictures by\n  {again}")
        }
    }
}

impl Arguments {
    /// The settings of the data that the command line has.
    fn change_data(&self, data: &mut DataConfig) {
        let SampleArguments {
            strict,
            on_error,
            kind,
            label,
            id,
            array,
        } = self.samples.clone();
        let RowArguments {
            columns,
            categorical,
            missing,
            scaling,
            test,
            test_fraction,
        } = self.rows.clone();
        data.strict |= strict;
        data.on_error = on_error.map_or(data.on_error, Into::into);
        data.kind = kind.or(data.kind);
        data.label = label.or(data.label.take());
        data.id = id.or(data.id.take());
        data.array = array.or(data.array.take());
        data.columns = columns.or(data.columns.take());
        if !categorical.is_empty() {
            data.categorical = categorical;
        }
        data.missing = missing.or(data.missing);
        data.scaling = scaling.or(data.scaling);
        data.test = test.or(data.test.take());
        data.test_fraction = test_fraction.or(data.test_fraction);
    }
}

/// The recipe asked for, with the command line's settings.
fn requested_recipe(arguments: &Arguments) -> Result<Recipe> {
    let Some(name) = &arguments.recipe else {
        let names: Vec<_> = recipes::names().collect();
        bail!(UsageError(format!(
            "expected a family or a recipe: {}, or a .toml file",
            names.join(", ")
        )));
    };
    let mut recipe = recipes::load(name, &arguments.overrides)?;
    if let Some(epochs) = arguments.epochs {
        recipe.training.epochs = Some(epochs);
        recipe.training.steps = None;
        // Where the length can't be used, `training.steps` is named.
        recipe.set_origin("training.steps", &format!("--epochs {epochs}"));
    }
    if let Some(data) = &arguments.data {
        recipe.data.name.clone_from(data);
    }
    if let Some(shape) = arguments.shape {
        recipe.data.shape = Some(shape);
    }
    arguments.change_data(&mut recipe.data);
    if let Some(seed) = arguments.seed {
        recipe.run.seed = seed;
    }
    if let Some(from) = &arguments.from {
        recipe.run.from = Some(from.clone());
        recipe.set_origin("training.from", &format!("--from {}", from.display()));
    }
    Ok(recipe)
}

/// The recipe of the run to be resumed; settings of the command line must agree with it.
fn resumed_recipe(arguments: &Arguments, run: &RunDirectory) -> Result<Recipe> {
    let Some(recipe) = recipe_of(&SavedModel::in_directory(run.path()))? else {
        bail!(
            "{}: expected a run to resume, found no config.toml there; start a run without --resume",
            run.path().display()
        );
    };
    let weights = run.path().join(WEIGHTS_FILE);
    if weights.exists() && !run.checkpoint().exists() {
        bail!(
            "{}: expected the run's checkpoint, found none beside a finished model, which would be trained anew; measure it by\n  \
             hourglass evaluate {}",
            run.checkpoint().display(),
            run.path().display()
        );
    }
    let asks = arguments.epochs.is_some() || arguments.data.is_some() || arguments.seed.is_some();
    let asks = asks || arguments.from.is_some() || arguments.shape.is_some();
    let asks = asks || arguments.samples != SampleArguments::default();
    let asks = asks || arguments.rows != RowArguments::default();
    let asks = asks || arguments.recipe.is_some() || !arguments.overrides.is_empty();
    if asks {
        let named = Arguments {
            recipe: arguments
                .recipe
                .clone()
                .or_else(|| Some(run.recipe().display().to_string())),
            overrides: arguments.overrides.clone(),
            from: arguments.from.clone(),
            data: arguments
                .data
                .clone()
                .or_else(|| Some(recipe.data.name.clone())),
            out: None,
            device: arguments.device.clone(),
            locations: arguments.locations.clone(),
            samples: arguments.samples.clone(),
            rows: arguments.rows.clone(),
            ..*arguments
        };
        if requested_recipe(&named)? != recipe {
            bail!(
                "{}: expected the settings that the run began with, found others; resume without them, or start a new \
                 run in another --out",
                run.recipe().display()
            );
        }
    }
    Ok(recipe)
}

/// The backend that the run began on, unless another is asked for.
fn resumed_backend(arguments: &DeviceArguments, run: &RunDirectory) -> Result<Chosen> {
    let Some(Checkpoint { state, .. }) = Checkpoint::read(&run.checkpoint())? else {
        return Chosen::from_arguments(arguments);
    };
    let mut arguments = arguments.clone();
    if arguments.backend == BackendName::Auto {
        arguments.backend = BackendName::from_str(&state.backend, false).map_err(|_| {
            let began = &state.backend;
            anyhow!(
                "expected a build with {began}, on which the run began; name another by --backend"
            )
        })?;
    }
    let chosen = Chosen::from_arguments(&arguments)?;
    if chosen.name() != state.backend {
        note!(
            "the run began on {}; on {} it will not end with the very numbers that it would have there",
            state.backend,
            chosen.name()
        );
    }
    Ok(chosen)
}

struct Run<'a> {
    job: &'a Job<'a>,
    splits: &'a Splits,
    chosen: &'a Chosen,
    interrupter: &'a Interrupter,
    /// Where fitted baselines are kept, if there is a place; nothing where the model is not to be measured.
    cache: Option<Option<Cache>>,
}

impl Task for Run<'_> {
    /// Nothing where the run was interrupted.
    type Output = Result<Option<Summary>>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Self::Output {
        let job = self.job;
        let (_, measured) = self.measured_split()?;
        let sizes = [
            measuring_sizes(job.validation.len(), job.validation.shape()).to_vec(),
            measuring_sizes(measured.len(), measured.shape()).to_vec(),
            picture_sizes(job.training.shape()),
        ];
        let config = &job.recipe.model;
        let (shape, seed) = (job.training.shape(), job.recipe.run.seed);
        let model = || Ok(config.init::<B>(shape, seed, device)?);
        let sizes = Sizes {
            losses: sizes.concat(),
            ..Sizes::default()
        };
        let recipe = Some(job.recipe);
        check_model(
            self_check,
            model,
            config,
            recipe,
            job.training,
            &sizes,
            device,
        )?;
        let mut progress = TrainingBar::new();
        let outcome = train::<B>(job, device, &mut progress, self.interrupter);
        progress.finish();
        let outcome = outcome?;
        if outcome.ending == Ending::Interrupted {
            return Ok(None);
        }
        self.finish(&outcome, device).map(Some)
    }
}

impl Run<'_> {
    /// The split that the finished model is measured on, and its images.
    fn measured_split(&self) -> Result<(Split, Subset)> {
        let split = split_to_measure(self.splits.has_test(), !self.job.validation.is_empty());
        let images = match split {
            Split::Test => Subset::all(self.splits.test()?),
            Split::Validation => self.job.validation.clone(),
            Split::Train => self.job.training.clone(),
        };
        Ok((split, images))
    }

    /// Writes the finished model, and then measures it.
    fn finish<B: burn::tensor::backend::Backend>(
        &self,
        outcome: &Outcome<B>,
        device: &B::Device,
    ) -> Result<Summary> {
        let Job {
            recipe,
            training,
            run,
            ..
        } = self.job;
        let (split, images) = self.measured_split()?;
        let subject = Subject {
            model: &outcome.model,
            classifier: outcome.classifier.as_ref(),
            split: &images,
            training: Ok(*training),
            device,
        };
        // The last step's update is the only one that no further step has measured.
        // What fails here is left to the measuring, after the weights are safe.
        if let Ok(Some((term, value))) = attempt(|| subject.first_not_finite()) {
            bail!(
                "the model after step {}: expected a finite {term} of the {split} images, found {value}; nothing was \
                 saved. Start a new run with a lower training.learning_rate, or with training.clip=1.0",
                outcome.steps()
            );
        }
        let data = data_identity(&recipe.data.name, training.dataset());
        let input = (**training.dataset().input()).clone();
        let description = Description::new(recipe.model.clone(), input, data);
        let finished = Finished {
            run,
            facts: self.facts(outcome, &description),
            description: &description,
            subject,
            split: &split.to_string(),
        };
        // A step needs many times what comes after it, and writing the weights as much again as they take.
        give_back_memory();
        let mut summary = finished.save()?;
        give_back_memory();
        if let Some(cache) = &self.cache {
            let mut stages = Stages::new();
            finished.measure(
                &mut summary,
                cache.as_ref(),
                &mut stages.of_measures(self.interrupter),
            )?;
            stages.finish();
        }
        Ok(summary)
    }

    fn facts<B: burn::tensor::backend::Backend>(
        &self,
        outcome: &Outcome<B>,
        description: &Description,
    ) -> Map<String, Value> {
        let Job {
            recipe, training, ..
        } = self.job;
        let phases = &outcome.phases;
        let seconds: f64 = phases.iter().map(|phase| phase.seconds).sum();
        let epochs: f64 = phases.iter().map(|phase| phase.epochs).sum();
        let whole = phases.iter().find(|phase| phase.phase == Phase::Whole);
        let mut facts = Map::new();
        let mut fact = |name: &str, value: Value| facts.insert(name.into(), value);
        fact("family", json!(recipe.model.family()));
        fact("data", json!(description.data));
        fact("training_images", json!(training.len()));
        fact("units", json!(description.units));
        if let Some(whole) = whole {
            fact("steps", json!(whole.steps));
            fact("epochs", json!(whole.epochs));
            if let Some(best_step) = whole.best_step {
                fact("best_step", json!(best_step));
            }
        }
        fact("seconds", json!(seconds));
        fact(
            "images_per_second",
            json!(epochs * training.len() as f64 / seconds.max(1e-9)),
        );
        if phases.len() > 1 {
            fact("phases", json!(phases));
        }
        fact("backend", json!(self.chosen.name()));
        fact("adapter", json!(self.chosen.adapter()));
        fact("hourglass", json!(env!("CARGO_PKG_VERSION")));
        fact("burn", json!("0.21.0"));
        fact("seed", json!(recipe.run.seed));
        facts
    }
}
