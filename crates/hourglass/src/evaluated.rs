//! The images that a model is evaluated on, and what is kept of its evaluations.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use hourglass_data::{Locations, Split, Splits, Subset};
use hourglass_measure::Cache;
use hourglass_store::{DataIdentity, Description, RunDirectory, SavedModel};

use crate::arguments::ImageArguments;
use crate::finished::recipe_of;
use crate::images::{open, split_to_measure, training_images};

/// What the model is measured on.
pub(crate) struct Images {
    pub(crate) name: Split,
    pub(crate) split: Subset,
    /// The images that it was trained on; without them everything but PCA can be measured.
    pub(crate) training: Result<Subset, String>,
    /// Images of the split's data set, to which classifiers are fitted.
    pub(crate) labelled: Subset,
}

/// Where fitted baselines are kept, if there is a place.
pub(crate) fn baselines(locations: &Locations) -> Option<Cache> {
    let directory = locations.data_directory().ok()?;
    Some(Cache::new(&directory.join("baselines")))
}

/// Where the estimates of a model's log-likelihood are kept: in its run, or for a published one in the data directory.
pub(crate) fn estimates_of(saved: &SavedModel, locations: &Locations) -> Option<PathBuf> {
    if let Some(run) = saved.directory() {
        return Some(RunDirectory::open(run).log_likelihoods());
    }
    let directory = locations.data_directory().ok()?.join("log-likelihood");
    Some(directory.join(saved.name()))
}

/// The images of the split, and those beside which it is measured.
pub(crate) fn images(
    asked: Option<Split>,
    how: ImageArguments,
    saved: &SavedModel,
    description: &Description,
    name: &str,
    locations: &Locations,
) -> Result<Images> {
    let own = own_images(saved, description, how, locations);
    let (splits, labelled, training, validation) = if *name == description.data.name {
        let (splits, training, validation) = own?;
        (splits, training.clone(), Ok(training), Some(validation))
    } else {
        let options = how.options(Some(description.shape));
        let splits = open(name, locations, &options)?;
        let labelled = Subset::all(splits.train());
        (splits, labelled, own.map(|(_, training, _)| training), None)
    };
    let chosen = asked.unwrap_or_else(|| {
        let has_validation = validation.as_ref().is_some_and(|images| !images.is_empty());
        let chosen = split_to_measure(splits.has_test(), has_validation);
        if chosen != Split::Test {
            note!("{name} has no test images: its {chosen} images are measured; choose by --split");
        }
        chosen
    });
    let split = match chosen {
        Split::Train => labelled.clone(),
        Split::Validation => validation.with_context(|| {
            format!("--split validation: expected with the data that the model was trained on, found with {name}")
        })?,
        Split::Test => Subset::all(splits.test()?),
    };
    if split.is_empty() {
        bail!(
            "--split {chosen}: expected images, found none; the model was trained with data.validation = 0"
        );
    }
    Ok(Images {
        name: chosen,
        split,
        training: training.map_err(|error| format!("{error:#}")),
        labelled,
    })
}

/// The model's data, of it the images that it was trained on, and those that it was validated on.
pub(crate) fn own_images(
    saved: &SavedModel,
    description: &Description,
    how: ImageArguments,
    locations: &Locations,
) -> Result<(Splits, Subset, Subset)> {
    let DataIdentity { name, sha256, .. } = &description.data;
    let recipe = recipe_of(saved)?;
    let given = how.options(Some(description.shape));
    // As for the training, where nothing else is asked for: then what was decoded for it is there.
    let options = match &recipe {
        Some(recipe) if how == ImageArguments::default() => recipe.data.image_options(),
        _ => given,
    };
    let splits = open(name, locations, &options)?;
    let found = splits.train().sha256();
    if found != sha256 {
        bail!(
            "{name}: expected the images that the model was trained on, SHA-256 {sha256}, found others, {found}; measure \
             on other images by --data"
        );
    }
    let (training, validation) = match recipe {
        Some(recipe) => training_images(&splits, &recipe)?,
        None => Subset::all(splits.train()).split_validation(0.0, 0)?,
    };
    Ok((splits, training, validation))
}
