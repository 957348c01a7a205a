//! `hourglass bench`

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use burn::tensor::backend::AutodiffBackend;
use clap::ValueEnum;
use hourglass_data::{Locations, Splits, Subset};
use hourglass_models::ModelConfig;
use hourglass_store::SavedModel;
use hourglass_train::self_check::Sizes;
use hourglass_train::throughput::{Budget, Load, Throughput, time_encoding, time_training};
use hourglass_train::{Recipe, TrainingConfig};
use serde_json::json;

use crate::arguments::{BackendName, DeviceArguments, LocationArguments, SampleArguments};
use crate::backend::{Chosen, SelfCheck, Task};
use crate::finished::{check_model, recipe_of};
use crate::images::{fitted_samples, open};
use crate::recipes;

/// Measure how fast a model trains and encodes on each backend of this machine
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass bench variational\n  hourglass bench conv --data mnist --batch 512 --backend flex\n  hourglass bench runs/variational-1 --seconds 10 --json\n\nA training step consists of the loss, its gradients and the optimiser, as at the beginning of the recipe's training of the whole model. Encoding takes images from the computer's memory and brings the codes back. Times are medians, after a few steps of warming up, and the images are ready beforehand. Software adapters are measured only if --backend wgpu asks for them."
)]
pub(crate) struct Arguments {
    /// A recipe (its name or a .toml file), or the directory of a model
    model: String,
    /// The data set that gives the images and their shape
    #[arg(long, default_value = "mnist-mini")]
    data: String,
    /// Images per step [default: the recipe's batch size]
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroUsize>,
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,...", default_values_t = [Work::Training, Work::Encoding])]
    work: Vec<Work>,
    /// How long each measurement takes, in seconds
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// How many steps each measurement takes, in place of a time
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    steps: Option<NonZeroUsize>,
    /// Print the times as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArguments,
    #[command(flatten)]
    samples: SampleArguments,
    #[command(flatten)]
    locations: LocationArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    /// Training steps
    Training,
    /// Encoding
    Encoding,
}

/// What one backend did.
struct BackendTimes {
    backend: Chosen,
    training: Option<Throughput>,
    encoding: Option<Throughput>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let subject = TimedModel::find(&arguments.model)?;
    let locations = arguments.locations.locations();
    let splits = subject.open(&arguments.data, &arguments.samples, &locations)?;
    let images = Subset::all(splits.train());
    let config = subject.training_config();
    let batch = NonZeroUsize::new(config.batch_size).context("the recipe's batch size is 0")?;
    subject.check(&images, &arguments.data)?;
    let load = Load::new(&images, arguments.batch.unwrap_or(batch));
    let budget = match arguments.steps {
        Some(steps) => Budget::Steps(steps),
        None => Budget::Time(Duration::from_secs_f64(arguments.seconds)),
    };
    let backends = match arguments.device.backend {
        BackendName::Auto if arguments.device.device.is_none() => Chosen::all(),
        _ => vec![Chosen::from_arguments(&arguments.device)?],
    };
    let several = backends.len() > 1;
    let mut all = Vec::new();
    for backend in backends {
        note!("measuring {}: {}", backend.name(), backend.adapter());
        let measured = backend.run(Time {
            subject: &subject,
            config: &config,
            images: &images,
            load: &load,
            work: &arguments.work,
            budget,
        });
        match measured {
            Ok((training, encoding)) => all.push(BackendTimes {
                backend,
                training,
                encoding,
            }),
            // The others can still be measured.
            Err(error) if several => note!("{}: {error:#}", backend.name()),
            Err(error) => return Err(error),
        }
    }
    match arguments.json {
        true => say!("{}", to_json(arguments, &load, &all)),
        false => crate::output::text(&to_text(arguments, &load, &all)),
    }
}

/// The model that is measured.
enum TimedModel {
    Recipe(Box<Recipe>),
    Saved(SavedModel),
}

impl TimedModel {
    fn find(name: &str) -> Result<Self> {
        if Path::new(name).is_dir() {
            return Ok(Self::Saved(SavedModel::find(name)?));
        }
        Ok(Self::Recipe(Box::new(recipes::load(name, &[])?)))
    }

    fn training_config(&self) -> TrainingConfig {
        let recipe = match self {
            Self::Recipe(recipe) => Some(recipe.training.clone()),
            // A model without a recipe, or with one that can't be read, is trained as most are.
            Self::Saved(saved) => recipe_of(saved)
                .ok()
                .flatten()
                .map(|recipe| recipe.training),
        };
        recipe.unwrap_or_default()
    }

    fn model_config(&self) -> Result<ModelConfig> {
        Ok(match self {
            Self::Recipe(recipe) => recipe.model.clone(),
            Self::Saved(saved) => saved.description()?.model,
        })
    }

    /// Opens data as the model takes them.
    fn open(&self, name: &str, how: &SampleArguments, locations: &Locations) -> Result<Splits> {
        Ok(match self {
            Self::Recipe(recipe) => {
                let mut options = recipe.data.options();
                how.change(&mut options);
                let splits = open(name, locations, &options)?;
                fitted_samples(splits, recipe)?.0
            }
            Self::Saved(saved) => {
                let options = how.for_model(&saved.description()?.input);
                open(name, locations, &options)?
            }
        })
    }

    /// Checks that the model fits the images.
    fn check(&self, images: &Subset, data: &str) -> Result<()> {
        if images.is_empty() {
            bail!("--data {data}: expected images, found none");
        }
        match self {
            Self::Recipe(recipe) => Ok(recipe.validate(images.shape())?),
            Self::Saved(_) => Ok(()),
        }
    }
}

struct Time<'a> {
    subject: &'a TimedModel,
    config: &'a TrainingConfig,
    images: &'a Subset,
    load: &'a Load,
    work: &'a [Work],
    budget: Budget,
}

impl Task for Time<'_> {
    type Output = Result<(Option<Throughput>, Option<Throughput>)>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Self::Output {
        let load = || match self.subject {
            TimedModel::Recipe(recipe) => {
                let shape = self.images.shape();
                Ok(recipe.model.init::<B>(shape, recipe.run.seed, device)?)
            }
            TimedModel::Saved(saved) => Ok(saved.load::<B>(device)?),
        };
        let config = self.subject.model_config()?;
        let sizes = Sizes {
            with_gradients: vec![self.load.batch_size()],
            ..Sizes::default()
        };
        check_model(self_check, load, &config, None, self.images, &sizes, device)?;
        let model = load()?;
        let asked = |work| self.work.contains(&work);
        let encoding =
            asked(Work::Encoding).then(|| time_encoding(&model, self.load, self.budget, device));
        let training = asked(Work::Training)
            .then(|| time_training(model, self.config, self.load, self.budget, device));
        Ok((training, encoding))
    }
}

fn to_json(arguments: &Arguments, load: &Load, all: &[BackendTimes]) -> serde_json::Value {
    let backends = all.iter().map(|measured| {
        json!({
            "backend": measured.backend.name(),
            "adapter": measured.backend.adapter(),
            "training": measured.training,
            "encoding": measured.encoding,
        })
    });
    let name = |work| fastest(all, work).map(|(name, _)| name);
    json!({
        "fastest": {"training": name(Work::Training), "encoding": name(Work::Encoding)},
        "model": arguments.model,
        "data": arguments.data,
        "batch": load.batch_size(),
        "backends": backends.collect::<Vec<_>>(),
    })
}

fn to_text(arguments: &Arguments, load: &Load, all: &[BackendTimes]) -> String {
    let mut text = format!(
        "{} on images of {}, {} a step\n\n{:<10}{:<10}{:>12}{:>12}{:>12}{:>14}\n",
        arguments.model,
        arguments.data,
        load.batch_size(),
        "backend",
        "work",
        "ms a step",
        "fastest",
        "slowest",
        "images/s"
    );
    for measured in all {
        let works = [
            ("training", measured.training),
            ("encoding", measured.encoding),
        ];
        for (work, found) in works {
            let Some(found) = found else { continue };
            text += &format!(
                "{:<10}{work:<10}{:>12.3}{:>12.3}{:>12.3}{:>14.0}\n",
                measured.backend.name(),
                found.step_ms,
                found.fastest_ms,
                found.slowest_ms,
                found.images_per_second
            );
        }
    }
    text + &recommendation(all)
}

/// The fastest backend of a work, and how many times as fast as the next it is; none where there is no choice.
fn fastest(all: &[BackendTimes], work: Work) -> Option<(&'static str, f64)> {
    let found = all.iter().filter_map(|measured| {
        let found = match work {
            Work::Training => measured.training,
            Work::Encoding => measured.encoding,
        };
        Some((measured.backend.name(), found?.images_per_second))
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    let [(name, rate), (_, next), ..] = found[..] else {
        return None;
    };
    Some((name, rate / next))
}

/// The backends to take, where there is a choice.
fn recommendation(all: &[BackendTimes]) -> String {
    let mut text = String::new();
    for (work, what) in [(Work::Training, "training"), (Work::Encoding, "encoding")] {
        if let Some((name, times)) = fastest(all, work) {
            text += &format!("\nFor {what} take --backend {name}: {times:.2} times the next.");
        }
    }
    match text.is_empty() {
        true => text,
        false => text + "\n",
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(seconds),
        _ => Err("expected more than 0, at most 3600".into()),
    }
}
