//! `hourglass import`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hourglass_store::{
    CONFIG_FILE, Description, RunDirectory, WEIGHTS_FILE, read_model, save_model,
    stored_description,
};
use hourglass_train::data_identity;

use crate::arguments::{LocationArguments, SampleArguments};
use crate::backend::Cpu;
use crate::images::{fitted_samples, open};
use crate::recipes;
use crate::usage::UsageError;

/// Make a model from weights that were trained elsewhere
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass import vae.safetensors --config variational --data mnist --out runs/from-pytorch\n  hourglass import exported.safetensors --out runs/back\n\nThe weights must have PyTorch's names and layouts, as `hourglass export` writes them: encoder.0.weight, encoder.0.bias and so on, in float32, float16 or bfloat16. The imported model can be evaluated and exported like a run, and `hourglass train --from` trains it further."
)]
pub(crate) struct Arguments {
    /// A safetensors file
    weights: PathBuf,
    /// What describes the network and the objective: a model's config.json, or a recipe (its name or a .toml file) [default:
    /// what `hourglass export` wrote into the weights]
    #[arg(long, value_name = "CONFIG")]
    config: Option<String>,
    /// The data that the weights were trained on, a name from the catalog or a path [default: what the file, the recipe or
    /// config.json says]
    #[arg(long)]
    data: Option<String>,
    /// Set any key of the recipe, or remove it by KEY.PATH= without a value; can be given several times
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    overrides: Vec<String>,
    /// The directory to write the model to
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
    #[command(flatten)]
    samples: SampleArguments,
    #[command(flatten)]
    locations: LocationArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let description = describe(arguments)?;
    // All is checked before anything is written.
    let validated = description.model.validate(description.shape());
    validated.with_context(|| arguments.weights.display().to_string())?;
    let shape = description.shape();
    let model = read_model::<Cpu>(
        &description.model,
        shape,
        &arguments.weights,
        &Default::default(),
    )?;
    let is_new = !arguments.out.exists();
    let (directory, files) = RunDirectory::create_for_import(&arguments.out)?;
    let saved = save_model(files.path(), &description, &model);
    // A model is one that has settings: they come last.
    let saved = saved.and_then(|()| Ok(files.finish(&[WEIGHTS_FILE, CONFIG_FILE])?));
    if let Err(error) = saved {
        if is_new {
            // What can't be removed is named by the error that matters.
            let _ = fs::remove_dir_all(directory.path());
        }
        return Err(error.into());
    }
    say!("{}", directory.path().display())
}

/// The model that the weights are of: what `--config` says, or what `hourglass export` has written beside them.
fn describe(arguments: &Arguments) -> Result<Description> {
    let stored = stored_description(&arguments.weights)?;
    let mut description = match (&arguments.config, &stored) {
        (Some(config), _) => configured(arguments, config)?,
        (None, Some(stored)) => stored.clone(),
        (None, None) => bail!(UsageError(format!(
            "--config: expected a config.json or a recipe, since {} does not say what its model is",
            arguments.weights.display()
        ))),
    };
    if let Some(stored) = stored {
        if (&stored.model, stored.shape()) != (&description.model, description.shape()) {
            bail!(
                "{}: expected the weights of the model that --config describes, found those of another: {}; leave --config \
                 out to take that one",
                arguments.weights.display(),
                serde_json::to_string(&stored.model)?
            );
        }
        description.data = stored.data;
    }
    if let Some(name) = &arguments.data {
        let options = arguments.samples.for_model(&description.input);
        let splits = open(name, &arguments.locations.locations(), &options)?;
        description.data = data_identity(name, splits.train());
    }
    Ok(description)
}

/// The model of a config.json, or of a recipe and its data.
fn configured(arguments: &Arguments, config: &str) -> Result<Description> {
    let path = Path::new(config);
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        if !arguments.overrides.is_empty() {
            bail!(UsageError(
                "--set: expected with a recipe, found with a config.json; change that file".into()
            ));
        }
        return Ok(Description::read(path)?);
    }
    let recipe = recipes::load(config, &arguments.overrides)?;
    let name = arguments.data.as_ref().unwrap_or(&recipe.data.name);
    let mut options = recipe.data.options();
    arguments.samples.change(&mut options);
    let splits = open(name, &arguments.locations.locations(), &options)?;
    let data = data_identity(name, splits.train());
    if arguments.data.is_none() {
        note!(
            "the weights are taken to be trained on {name}, the recipe's data; name others by --data"
        );
    }
    let (splits, ..) = fitted_samples(splits, &recipe)?;
    let input = (**splits.train().input()).clone();
    Ok(Description::new(recipe.model, input, data))
}
