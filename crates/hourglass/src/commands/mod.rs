//! The commands, one file each.

pub(crate) mod bench;
pub(crate) mod card;
pub(crate) mod compare;
pub(crate) mod compress;
pub(crate) mod data;
pub(crate) mod decode;
pub(crate) mod decompress;
pub(crate) mod denoise;
pub(crate) mod detect;
pub(crate) mod devices;
pub(crate) mod embed;
pub(crate) mod encode;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod inpaint;
pub(crate) mod interpolate;
pub(crate) mod models;
mod normal_images;
pub(crate) mod picture;
pub(crate) mod reconstruct;
pub(crate) mod report;
pub(crate) mod restoration;
pub(crate) mod sample;
pub(crate) mod train;
pub(crate) mod traverse;

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use burn::tensor::backend::AutodiffBackend;
use burn::train::Interrupter;
use hourglass_data::{DataError, Locations, Split, Splits, Subset};
use hourglass_files::check_target;
use hourglass_measure::Cache;
use hourglass_models::{Model, ModelConfig};
use hourglass_store::{RECIPE_FILE, SavedModel};
use hourglass_train::Recipe;
use hourglass_train::parity::Sizes;

use crate::backend::ParityCheck;

/// The images that a recipe trains on and those it holds out.
pub(crate) fn training_images(splits: &Splits, recipe: &Recipe) -> Result<(Subset, Subset)> {
    let data = &recipe.data;
    let all = Subset::all(splits.train());
    let all = match &data.labels {
        Some(labels) if labels.is_empty() => {
            bail!(
                "{}: expected at least one label, found none; leave it out for all images",
                recipe.place("data.labels")
            )
        }
        Some(labels) => {
            let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
            let some = all.of_labels(&labels);
            some.with_context(|| recipe.place("data.labels"))?
        }
        None => all,
    };
    // The data crate knows the setting's name, the recipe where it was made.
    let placed = |error| match error {
        DataError::BadSubset {
            setting,
            expected,
            found,
        } => anyhow!(
            "{}: expected {expected}, found {found}",
            recipe.place(setting)
        ),
        other => other.into(),
    };
    let all = match data.limit {
        Some(limit) => all.limit(limit).map_err(placed)?,
        None => all,
    };
    let split = all.split_validation(data.validation, recipe.run.seed);
    split.map_err(placed)
}

/// The split that a model is measured on where none is named: of those that there are, the one that it knows least of.
pub(crate) fn split_to_measure(has_test: bool, has_validation: bool) -> Split {
    match (has_test, has_validation) {
        (true, _) => Split::Test,
        (false, true) => Split::Validation,
        (false, false) => Split::Train,
    }
}

/// The first Ctrl-C asks the run to stop at the next step, or ends what is being measured; the second ends the program.
pub(crate) fn listen_for_interrupts(interrupter: &Interrupter) {
    let interrupter = interrupter.clone();
    let result = ctrlc::set_handler(move || {
        if interrupter.should_stop() {
            std::process::exit(1);
        }
        note!("stopping; once more to stop at once");
        interrupter.stop(None);
    });
    if let Err(error) = result {
        note!("warning: Ctrl-C will end the program at once: {error}");
    }
}

/// Where fitted baselines are kept, if there is a place.
pub(crate) fn baselines(locations: &Locations) -> Option<Cache> {
    let directory = locations.data_directory().ok()?;
    Some(Cache::new(&directory.join("baselines")))
}

/// Refuses to write over a file, unless it is forced to, over what is no file, and into a directory that is not there.
pub(crate) fn check_is_new(path: &Path, force: bool) -> Result<()> {
    if path.exists() && !force {
        bail!(
            "{}: expected a new file, found one that is there; use --force to write over it",
            path.display()
        );
    }
    // A directory may be meant; whoever writes a file there refuses one.
    if !path.is_dir() {
        check_target(path)?;
    }
    let directory = path.parent().filter(|path| !path.as_os_str().is_empty());
    match directory {
        Some(directory) if !directory.is_dir() => bail!(
            "{}: expected a path in a directory that is there, found that {} is none",
            path.display(),
            directory.display()
        ),
        _ => Ok(()),
    }
}

/// What a model is called in errors.
pub(crate) fn name_of(saved: &SavedModel) -> String {
    saved.name().display().to_string()
}

/// The recipe that a model was trained by, where there is one.
pub(crate) fn recipe_of(saved: &SavedModel) -> Result<Option<Recipe>> {
    let path = saved.name().join(RECIPE_FILE);
    let text = saved.recipe()?;
    Ok(text
        .map(|text| Recipe::parse(&text, &path, &[]))
        .transpose()?)
}

/// Compares the model, and what the phases of a recipe train, with the same on the CPU at every batch size, where the backend
/// is one to be checked.
pub(crate) fn check_parity<B: AutodiffBackend>(
    parity: Option<ParityCheck<B>>,
    model: impl FnOnce() -> Result<Model<B>>,
    config: &ModelConfig,
    recipe: Option<&Recipe>,
    images: &Subset,
    sizes: &Sizes,
    device: &B::Device,
) -> Result<()> {
    if let Some(check) = parity {
        note!("checking loss and gradients against the CPU");
        let error = (check.training)(&model()?, config, recipe, images, sizes, device)?;
        note!("the largest relative difference is {error:.1e}");
    }
    Ok(())
}

/// Loads a model for use: compared with the same on the CPU at every size of batch that it will get, where the backend is one
/// to be checked.
pub(crate) fn load_for_use<B: AutodiffBackend>(
    saved: &SavedModel,
    sizes: &[usize],
    parity: Option<ParityCheck<B>>,
    device: &B::Device,
) -> Result<Model<B::InnerBackend>> {
    let model = saved.load::<B::InnerBackend>(device);
    let model = model.context("the model can't be loaded")?;
    if let Some(check) = parity.filter(|_| sizes.iter().any(|&size| size > 0)) {
        let description = saved.description()?;
        note!("checking codes and decoded images against the CPU");
        let error = (check.in_use)(&model, &description.model, description.shape, sizes, device)?;
        note!("the largest relative difference is {error:.1e}");
    }
    Ok(model)
}
