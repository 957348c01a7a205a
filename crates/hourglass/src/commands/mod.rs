//! The commands, one file each.

pub(crate) mod data;
pub(crate) mod devices;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod train;

use anyhow::Result;
use burn::tensor::backend::AutodiffBackend;
use hourglass_data::{Locations, Splits, Subset};
use hourglass_models::{Model, ModelConfig};
use hourglass_train::{DataConfig, Evaluation, PcaComparison, Recipe, RunDirectory};

use crate::backend::ParityCheck;

/// The images that a recipe trains on and those it holds out.
pub(crate) fn training_images(
    splits: &Splits,
    data: &DataConfig,
    seed: u64,
) -> Result<(Subset, Subset)> {
    let all = Subset::all(splits.train());
    let all = match data.limit {
        Some(limit) => all.limit(limit)?,
        None => all,
    };
    Ok(all.split_validation(data.validation, seed)?)
}

/// Opens the data of a recipe.
pub(crate) fn open_data(name: &str, locations: &Locations) -> Result<Splits> {
    Ok(hourglass_data::open(name, locations)?)
}

/// The recipe that a run was trained by, where there is one.
pub(crate) fn recipe_of(run: &RunDirectory) -> Result<Option<Recipe>> {
    let path = run.recipe();
    if !path.exists() {
        return Ok(None);
    }
    let text = fs_err::read_to_string(&path)?;
    Ok(Some(Recipe::parse(&text, &path, &[])?))
}

/// Compares the model with the same one on the CPU at every batch size, where the backend is one to be checked.
pub(crate) fn check_parity<B: AutodiffBackend>(
    parity: Option<ParityCheck<B>>,
    model: impl FnOnce() -> Result<Model<B>>,
    config: &ModelConfig,
    images: &Subset,
    sizes: &[usize],
    device: &B::Device,
) -> Result<()> {
    if let Some(check) = parity {
        eprintln!("checking loss and gradients against the CPU");
        let error = check(&model()?, config, images, sizes, device)?;
        eprintln!("the largest relative difference is {error:.1e}");
    }
    Ok(())
}

/// The numbers of an evaluation, a line each.
pub(crate) fn evaluation_text(evaluation: &Evaluation, split: &str) -> String {
    let binarized = if evaluation.binarized {
        ", made binary by chance"
    } else {
        ""
    };
    let mut lines = vec![format!("{} {split} images{binarized}", evaluation.images)];
    let pca = match &evaluation.pca {
        PcaComparison::Measured {
            components,
            squared_error,
        } => {
            format!("PCA with {components} components: {squared_error:.2}")
        }
        PcaComparison::LeftOut(reason) => format!("no PCA beside it: {reason}"),
    };
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<26} {text}"));
    line(
        "squared_error",
        format!("{:.2} an image ({pca})", evaluation.squared_error),
    );
    if let Some(error) = evaluation.corrupted_squared_error {
        line("corrupted_squared_error", format!("{error:.2} an image"));
    }
    // The error above is the same number where it is also the family's own term.
    for (name, value) in evaluation
        .terms
        .iter()
        .filter(|(name, _)| name != "squared_error")
    {
        line(name, format!("{value:.3}{}", unit(name)));
    }
    if let Some(activity) = evaluation.activity {
        line(
            "active_units",
            format!("{:.1} an image", activity.active_units),
        );
        line("dead_units", activity.dead_units.to_string());
        if let Some(deviation) = activity.median_target_deviation {
            line("median_target_deviation", format!("{deviation:.3}"));
        }
    }
    if let Some(norm) = evaluation.jacobian_norm {
        line("jacobian_norm", format!("{norm:.4}, mean of ||dh/dx||_F"));
    }
    lines.join("\n")
}

fn unit(term: &str) -> &'static str {
    match term {
        "cross_entropy" => " nats (Bernoulli on grey pixels: not a likelihood)",
        "negative_elbo" => " nats, at beta 1",
        _ if term.ends_with("_nats") => " nats",
        _ => "",
    }
}
