//! Finished models, checked before they are used on a GPU.

use anyhow::{Context, Result};
use burn::tensor::backend::AutodiffBackend;
use hourglass_data::Subset;
use hourglass_models::{Model, ModelConfig};
use hourglass_store::{RECIPE_FILE, SavedModel};
use hourglass_train::Recipe;
use hourglass_train::self_check::Sizes;

use crate::backend::SelfCheck;

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
pub(crate) fn check_model<B: AutodiffBackend>(
    self_check: Option<SelfCheck<B>>,
    model: impl FnOnce() -> Result<Model<B>>,
    config: &ModelConfig,
    recipe: Option<&Recipe>,
    images: &Subset,
    sizes: &Sizes,
    device: &B::Device,
) -> Result<()> {
    if let Some(check) = self_check {
        note!("checking loss and gradients against the CPU");
        let error = (check.training)(&model()?, config, recipe, images, sizes, device)?;
        note!("the largest relative difference is {error:.1e}");
    }
    Ok(())
}

/// Loads a model for use. If the backend has to be checked, the model is compared with the same on the CPU, at every size of
/// batch that it will get.
pub(crate) fn load_for_use<B: AutodiffBackend>(
    saved: &SavedModel,
    sizes: &[usize],
    self_check: Option<SelfCheck<B>>,
    device: &B::Device,
) -> Result<Model<B::InnerBackend>> {
    let model = saved.load::<B::InnerBackend>(device);
    let model = model.context("the model can't be loaded")?;
    if let Some(check) = self_check.filter(|_| sizes.iter().any(|&size| size > 0)) {
        let description = saved.description()?;
        note!("checking codes and decoded images against the CPU");
        let error = (check.in_use)(
            &model,
            &description.model,
            description.shape(),
            sizes,
            device,
        )?;
        note!("the largest relative difference is {error:.1e}");
    }
    Ok(model)
}
