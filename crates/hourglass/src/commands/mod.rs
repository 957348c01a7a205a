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
pub(crate) mod picture;
pub(crate) mod reconstruct;
pub(crate) mod report;
pub(crate) mod restoration;
pub(crate) mod sample;
pub(crate) mod train;
pub(crate) mod traverse;

use std::path::Path;

use anyhow::{Context, Result, bail};
use burn::tensor::backend::AutodiffBackend;
use hourglass_data::{Splits, Subset};
use hourglass_models::{Model, ModelConfig};
use hourglass_store::{RECIPE_FILE, SavedModel};
use hourglass_train::parity::Sizes;
use hourglass_train::{DataConfig, Recipe};

use crate::backend::ParityCheck;

/// The images that a recipe trains on and those it holds out.
pub(crate) fn training_images(
    splits: &Splits,
    data: &DataConfig,
    seed: u64,
) -> Result<(Subset, Subset)> {
    let all = Subset::all(splits.train());
    let all = match &data.labels {
        Some(labels) if labels.is_empty() => {
            bail!(
                "data.labels: expected at least one label, found none; leave it out for all images"
            )
        }
        Some(labels) => {
            let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
            all.of_labels(&labels).context("data.labels")?
        }
        None => all,
    };
    let all = match data.limit {
        Some(limit) => all.limit(limit)?,
        None => all,
    };
    Ok(all.split_validation(data.validation, seed)?)
}

/// Refuses to write over a file, unless it is forced to, and into a directory that is not there.
pub(crate) fn check_is_new(path: &Path, force: bool) -> Result<()> {
    if path.exists() && !force {
        bail!(
            "{}: expected a new file, found one that is there; use --force to write over it",
            path.display()
        );
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
        eprintln!("checking loss and gradients against the CPU");
        let error = (check.training)(&model()?, config, recipe, images, sizes, device)?;
        eprintln!("the largest relative difference is {error:.1e}");
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
        eprintln!("checking codes and decoded images against the CPU");
        let error = (check.in_use)(&model, &description.model, description.shape, sizes, device)?;
        eprintln!("the largest relative difference is {error:.1e}");
    }
    Ok(model)
}
