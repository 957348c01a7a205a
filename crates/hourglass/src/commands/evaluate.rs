//! `hourglass evaluate`

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use burn::tensor::backend::AutodiffBackend;
use hourglass_data::{Split, Subset};
use hourglass_train::{Evaluation, RunDirectory, evaluate, load_description, load_model, shape_of};
use serde_json::json;

use super::{evaluation_text, open_data, recipe_of, training_images};
use crate::backend::{Chosen, ParityCheck, Task};
use crate::cli::{DeviceArguments, LocationArguments};
use crate::progress::Phases;

/// Measure a model on a split, with PCA beside it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass evaluate runs/variational-1\n  hourglass evaluate runs/variational-1 --data fashion-mnist --json"
)]
pub(crate) struct Arguments {
    /// A run directory
    run: PathBuf,
    /// A name of the catalog or a path [default: the data that the model was trained on]
    #[arg(long)]
    data: Option<String>,
    /// train, validation or test
    #[arg(long, default_value_t = Split::Test)]
    split: Split,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArguments,
    #[command(flatten)]
    locations: LocationArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let description = load_description(&arguments.run)?;
    let locations = arguments.locations.locations();
    let recipe = recipe_of(&RunDirectory::open(&arguments.run))?;
    let own = open_data(&description.data.name, &locations)?;
    let (training, validation) = match &recipe {
        Some(recipe) => training_images(&own, &recipe.data, recipe.training.seed)?,
        None => (
            Subset::all(own.train()),
            Subset::all(own.train()).split_validation(0.0, 0)?.1,
        ),
    };
    let name = arguments.data.as_ref().unwrap_or(&description.data.name);
    let is_own = *name == description.data.name;
    let split = match arguments.split {
        Split::Train if is_own => training.clone(),
        Split::Validation if is_own => validation,
        Split::Validation => bail!(
            "--split validation: expected with the data that the model was trained on, found with {name}"
        ),
        Split::Train => Subset::all(open_data(name, &locations)?.train()),
        Split::Test => Subset::all(open_data(name, &locations)?.test()?),
    };
    if split.is_empty() {
        bail!(
            "--split {}: expected images, found none; the model was trained with data.validation = 0",
            arguments.split
        );
    }
    if shape_of(&split) != description.shape {
        bail!(
            "--data {name}: expected images of {:?} (channels, height, width), found {:?}",
            description.shape,
            shape_of(&split)
        );
    }
    let chosen = Chosen::from_arguments(&arguments.device)?;
    let evaluation = chosen.run(Measure {
        arguments,
        split: &split,
        training: &training,
    })?;
    if arguments.json {
        let mut map = serde_json::Map::new();
        map.insert("run".into(), json!(arguments.run));
        map.insert("family".into(), json!(description.model.family()));
        map.insert("model".into(), json!(description.model));
        map.insert("data".into(), json!(name));
        map.insert("split".into(), json!(arguments.split.to_string()));
        map.insert("backend".into(), json!(chosen.name()));
        map.insert("units".into(), json!(description.units));
        map.extend(evaluation.to_json());
        println!("{:#}", json!(map));
    } else {
        println!(
            "{} on {name}, {}",
            arguments.run.display(),
            evaluation_text(&evaluation, &arguments.split.to_string())
        );
    }
    Ok(())
}

struct Measure<'a> {
    arguments: &'a Arguments,
    split: &'a Subset,
    training: &'a Subset,
}

impl Task for Measure<'_> {
    type Output = Result<Evaluation>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        _: Option<ParityCheck<B>>,
    ) -> Result<Evaluation> {
        let (_, model) = load_model::<B::InnerBackend>(&self.arguments.run, device)
            .context("the model can't be loaded")?;
        let mut phases = Phases::new();
        let evaluation = evaluate(
            &model,
            self.split,
            self.training,
            device,
            &mut |phase, done, total| {
                phases.update(phase, done, total);
            },
        );
        phases.finish();
        Ok(evaluation)
    }
}
