//! `hourglass card`

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use hourglass_files::write_atomically;
use hourglass_store::{METRICS_FILE, SavedModel};
use serde_json::{Value, json};

use crate::backend::Cpu;
use crate::card::Card;

const CARD_FILE: &str = "README.md";

/// Write a model's card: its README.md for the Hugging Face hub
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass evaluate runs/variational-1 --json > runs/variational-1/metrics.json\n  hourglass card runs/variational-1 --name digits --licence mit\n\nFrom a run's directory, the hub needs config.json, model.safetensors and README.md."
)]
pub(crate) struct Arguments {
    /// A run directory with metrics.json, which is what `hourglass evaluate --json` printed
    model: PathBuf,
    /// What the model is called [default: the directory's name]
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    name: Option<String>,
    /// The licence of the weights, by its identifier on the hub
    #[arg(long, value_name = "ID")]
    licence: Option<String>,
    /// Overwrite an existing card
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let directory = &arguments.model;
    let saved = SavedModel::find(directory)?;
    if saved.directory().is_none() {
        bail!(
            "{}: expected a directory, found a published model, which has a card",
            directory.display()
        );
    }
    let path = directory.join(CARD_FILE);
    if path.exists() && !arguments.force {
        bail!(
            "{}: expected no card yet, found one; use --force to write over it",
            path.display()
        );
    }
    let metrics_path = directory.join(METRICS_FILE);
    if !saved.has(METRICS_FILE) {
        bail!(
            "{path}: expected the model's numbers, found none; write them by `hourglass evaluate {directory} --json > {path}`",
            path = metrics_path.display(),
            directory = directory.display(),
        );
    }
    let metrics: Value = serde_json::from_slice(&saved.file(METRICS_FILE)?)
        .with_context(|| metrics_path.display().to_string())?;
    let description = saved.description()?;
    if metrics["model_sha256"] != json!(saved.sha256()?) {
        bail!(
            "{}: expected the numbers of this model, found those of another; measure it again",
            metrics_path.display()
        );
    }
    let directory_name = std::path::absolute(directory)?;
    let directory_name = directory_name.file_name().unwrap_or_default();
    let name = arguments.name.clone();
    let recipe = saved.recipe()?;
    let card = Card::<Cpu> {
        name: &name.unwrap_or_else(|| directory_name.to_string_lossy().into_owned()),
        licence: arguments.licence.as_deref(),
        model: &saved.load(&Default::default())?,
        description: &description,
        metrics: &metrics,
        recipe: recipe.as_deref(),
    };
    write_atomically(&path, card.to_markdown().as_bytes())?;
    say!("{}", path.display())?;
    Ok(())
}
