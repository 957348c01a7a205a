//! `hourglass evaluate`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use hourglass_data::{Locations, Split, Subset};
use hourglass_train::{
    DataIdentity, Evaluation, ModelFile, RunDirectory, evaluate, evaluation_sizes,
    load_description, load_model, shape_of,
};
use serde_json::json;

use super::{check_parity, evaluation_text, open_data, recipe_of, training_images};
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
    let name = arguments.data.as_ref().unwrap_or(&description.data.name);
    let own = own_images(&arguments.run, &description, &locations);
    let (training, split) = if *name == description.data.name {
        let (training, validation) = own?;
        let split = match arguments.split {
            Split::Train => training.clone(),
            Split::Validation => validation,
            Split::Test => Subset::all(open_data(name, &locations)?.test()?),
        };
        (Ok(training), split)
    } else {
        let splits = open_data(name, &locations)?;
        let split = match arguments.split {
            Split::Train => Subset::all(splits.train()),
            Split::Validation => bail!(
                "--split validation: expected with the data that the model was trained on, found with {name}"
            ),
            Split::Test => Subset::all(splits.test()?),
        };
        (own.map(|(training, _)| training), split)
    };
    // Without the training images everything but PCA can be measured.
    let training = training.map_err(|error| format!("{error:#}"));
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
        description: &description,
        split: &split,
        training: training.as_ref().map_err(String::as_str),
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

/// The images that the model was trained on, and those that it was validated on.
fn own_images(
    run: &Path,
    description: &ModelFile,
    locations: &Locations,
) -> Result<(Subset, Subset)> {
    let DataIdentity { name, sha256 } = &description.data;
    let splits = open_data(name, locations)?;
    let found = splits.train().sha256();
    if found != sha256 {
        bail!(
            "{name}: expected the images that the model was trained on, SHA-256 {sha256}, found others, {found}; measure \
             on other images by --data"
        );
    }
    match recipe_of(&RunDirectory::open(run))? {
        Some(recipe) => training_images(&splits, &recipe.data, recipe.training.seed),
        None => Ok(Subset::all(splits.train()).split_validation(0.0, 0)?),
    }
}

struct Measure<'a> {
    arguments: &'a Arguments,
    description: &'a ModelFile,
    split: &'a Subset,
    training: Result<&'a Subset, &'a str>,
}

impl Task for Measure<'_> {
    type Output = Result<Evaluation>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        parity: Option<ParityCheck<B>>,
    ) -> Result<Evaluation> {
        let load = || {
            Ok(load_model::<B>(&self.arguments.run, device)
                .context("the model can't be loaded")?
                .1)
        };
        let (config, sizes) = (&self.description.model, evaluation_sizes(self.split));
        check_parity(parity, load, config, self.split, &sizes, device)?;
        let model = load()?.valid();
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
