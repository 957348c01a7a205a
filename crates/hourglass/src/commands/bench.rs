//! `hourglass bench`

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use burn::tensor::backend::AutodiffBackend;
use clap::ValueEnum;
use hourglass_data::Subset;
use hourglass_store::SavedModel;
use hourglass_train::throughput::{Budget, Load, Throughput, time_encoding, time_training};
use hourglass_train::{Recipe, TrainingConfig, shape_of};
use serde_json::json;

use super::{open_data, recipe_of};
use crate::backend::{BackendName, Chosen, ParityCheck, Task};
use crate::cli::{DeviceArguments, LocationArguments};
use crate::recipes;

/// Measure how fast a model trains and encodes on each backend here
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass bench variational\n  hourglass bench conv --data mnist --batch 512 --backend flex\n  hourglass bench runs/variational-1 --seconds 10 --json\n\nA training step is loss, gradients and optimiser; encoding takes images from the computer's memory and brings the codes back. Times are medians after a few steps of warming up; the images are ready beforehand. Software adapters are measured only if they are asked for by --backend wgpu."
)]
pub(crate) struct Arguments {
    /// A recipe, by name or a .toml file, or the directory of a model
    model: String,
    /// What gives the images, and their shape
    #[arg(long, default_value = "mnist-mini")]
    data: String,
    /// Images a step [default: the recipe's]
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroUsize>,
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,...", default_values_t = [Work::Training, Work::Encoding])]
    work: Vec<Work>,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// Steps of each measurement, in place of seconds
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    steps: Option<NonZeroUsize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArguments,
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
struct Measured {
    backend: Chosen,
    training: Option<Throughput>,
    encoding: Option<Throughput>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let splits = open_data(&arguments.data, &arguments.locations.locations())?;
    let images = Subset::all(splits.train());
    let subject = Subject::find(&arguments.model)?;
    let config = subject.training_config();
    let batch = NonZeroUsize::new(config.batch_size).context("the recipe's batch size is 0")?;
    let load = Load::new(&images, arguments.batch.unwrap_or(batch));
    subject.check_shape(&images, &arguments.data)?;
    let budget = match arguments.steps {
        Some(steps) => Budget::Steps(steps),
        None => Budget::Time(Duration::from_secs_f64(arguments.seconds)),
    };
    let backends = match arguments.device.backend {
        BackendName::Auto if arguments.device.device.is_none() => Chosen::all(),
        _ => vec![Chosen::from_arguments(&arguments.device)?],
    };
    let mut all = Vec::new();
    for backend in backends {
        eprintln!("measuring {}: {}", backend.name(), backend.adapter());
        let (training, encoding) = backend.run(Measure {
            subject: &subject,
            config: &config,
            images: &images,
            load: &load,
            work: &arguments.work,
            budget,
        })?;
        all.push(Measured {
            backend,
            training,
            encoding,
        });
    }
    match arguments.json {
        true => println!("{}", to_json(arguments, &load, &all)),
        false => print!("{}", to_text(arguments, &load, &all)),
    }
    Ok(())
}

/// The model that is measured.
enum Subject {
    Recipe(Box<Recipe>),
    Saved(SavedModel),
}

impl Subject {
    fn find(name: &str) -> Result<Self> {
        if Path::new(name).is_dir() {
            return Ok(Self::Saved(SavedModel::in_directory(Path::new(name))));
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

    fn check_shape(&self, images: &Subset, data: &str) -> Result<()> {
        if images.is_empty() {
            bail!("--data {data}: expected images, found none");
        }
        match self {
            Self::Recipe(recipe) => Ok(recipe.validate(shape_of(images))?),
            Self::Saved(saved) => {
                let expected = saved.description()?.shape;
                if shape_of(images) != expected {
                    bail!(
                        "--data {data}: expected images of {expected:?} (channels, height, width), found {:?}",
                        shape_of(images)
                    );
                }
                Ok(())
            }
        }
    }
}

struct Measure<'a> {
    subject: &'a Subject,
    config: &'a TrainingConfig,
    images: &'a Subset,
    load: &'a Load,
    work: &'a [Work],
    budget: Budget,
}

impl Task for Measure<'_> {
    type Output = Result<(Option<Throughput>, Option<Throughput>)>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        _parity: Option<ParityCheck<B>>,
    ) -> Self::Output {
        let model = match self.subject {
            Subject::Recipe(recipe) => {
                let shape = shape_of(self.images);
                recipe.model.init::<B>(shape, recipe.run.seed, device)?
            }
            Subject::Saved(saved) => saved.load::<B>(device)?,
        };
        let asked = |work| self.work.contains(&work);
        let encoding =
            asked(Work::Encoding).then(|| time_encoding(&model, self.load, self.budget, device));
        let training = asked(Work::Training)
            .then(|| time_training(model, self.config, self.load, self.budget, device));
        Ok((training, encoding))
    }
}

fn to_json(arguments: &Arguments, load: &Load, all: &[Measured]) -> serde_json::Value {
    let backends = all.iter().map(|measured| {
        json!({
            "backend": measured.backend.name(),
            "adapter": measured.backend.adapter(),
            "training": measured.training,
            "encoding": measured.encoding,
        })
    });
    json!({
        "model": arguments.model,
        "data": arguments.data,
        "batch": load.batch_size(),
        "backends": backends.collect::<Vec<_>>(),
    })
}

fn to_text(arguments: &Arguments, load: &Load, all: &[Measured]) -> String {
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

/// The backend to take, where there is a choice.
fn recommendation(all: &[Measured]) -> String {
    let rate = |measured: &Measured| {
        let found = measured.training.or(measured.encoding);
        found.map_or(0.0, |found| found.images_per_second)
    };
    let best = all.iter().max_by(|a, b| rate(a).total_cmp(&rate(b)));
    let Some(best) = best.filter(|_| all.len() > 1) else {
        return String::new();
    };
    let others = all.iter().map(rate).filter(|&other| other < rate(best));
    let next = others.fold(0.0, f64::max);
    let name = best.backend.name();
    match next > 0.0 {
        true => format!(
            "\nTake --backend {name}: {:.1} times the next.\n",
            rate(best) / next
        ),
        false => format!("\nTake --backend {name}.\n"),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(seconds),
        _ => Err("expected more than 0, at most 3600".into()),
    }
}
