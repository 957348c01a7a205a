//! `hourglass import`

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use fs_err as fs;
use hourglass_train::{
    DataIdentity, ModelFile, RunDirectory, read_description, read_model, save_model, shape_of,
};

use super::{open_data, training_images};
use crate::backend::Cpu;
use crate::cli::LocationArguments;
use crate::{UsageError, recipes};

/// Make a model of weights that were trained elsewhere
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass import vae.safetensors --config variational --data mnist --out runs/from-pytorch\n  hourglass import weights.safetensors --config runs/variational-1/config.json --out runs/changed\n\nThe names and layouts are PyTorch's, as `hourglass export` writes them: encoder.0.weight, encoder.0.bias and so on, float32, float16 or bfloat16. What is made can be evaluated and exported like a run, and trained on by `hourglass train --from`."
)]
pub(crate) struct Arguments {
    /// A safetensors file
    weights: PathBuf,
    /// A model's config.json, or a recipe (its name, or a .toml file), whose network and objective are taken
    #[arg(long, value_name = "CONFIG")]
    config: String,
    /// The data that the weights were trained on, a name of the catalog or a path [default: the recipe's, or what
    /// config.json says]
    #[arg(long)]
    data: Option<String>,
    /// A setting of the recipe
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    overrides: Vec<String>,
    /// The directory to make
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
    #[command(flatten)]
    locations: LocationArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let description = describe(arguments)?;
    // All is checked before anything is written.
    description.model.validate(description.shape)?;
    let ModelFile { model, shape, .. } = &description;
    let model = read_model::<Cpu>(model, *shape, &arguments.weights, &Default::default())?;
    let is_new = !arguments.out.exists();
    let directory = RunDirectory::create(Some(&arguments.out), description.model.family())?;
    if let Err(error) = save_model(directory.path(), &description, &model) {
        if is_new {
            // What can't be removed is named by the error that matters.
            let _ = fs::remove_dir_all(directory.path());
        }
        return Err(error.into());
    }
    println!("{}", directory.path().display());
    Ok(())
}

/// The model that the weights are of.
fn describe(arguments: &Arguments) -> Result<ModelFile> {
    let locations = arguments.locations.locations();
    let path = Path::new(&arguments.config);
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        if !arguments.overrides.is_empty() {
            bail!(UsageError(
                "--set: expected with a recipe, found with a config.json; change that file".into()
            ));
        }
        let mut description = read_description(path)?;
        if let Some(name) = &arguments.data {
            let splits = open_data(name, &locations)?;
            description.data = DataIdentity::new(name, splits.train());
        }
        return Ok(description);
    }
    let recipe = recipes::load(&arguments.config, &arguments.overrides)?;
    let name = arguments.data.as_ref().unwrap_or(&recipe.data.name);
    let splits = open_data(name, &locations)?;
    let (training, _) = training_images(&splits, &recipe.data, recipe.run.seed)?;
    let data = DataIdentity::new(name, training.dataset());
    Ok(ModelFile::new(recipe.model, shape_of(&training), data))
}
