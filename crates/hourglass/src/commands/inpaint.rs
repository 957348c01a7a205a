//! `hourglass inpaint`

use std::path::Path;

use anyhow::{Result, bail};
use clap::ValueEnum;
use hourglass_data::{ImageOptions, ImageShape};
use hourglass_models::ModelConfig;
use hourglass_store::Description;
use hourglass_tasks::{InpaintMethod, Inpainting, Mask};
use serde_json::json;

use super::restoration::{RestorationArguments, Told};
use crate::UsageError;
use crate::images::open;

/// Fill in unknown parts of images; what is known stays as it is
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass inpaint variational mnist-mini --mask half:bottom --out halves\n  hourglass inpaint conv photographs --mask rect:8,8,12,12 --out filled\n  hourglass inpaint variational digit.png --mask scratches.png --out filled\n\nA rectangle is X,Y,WIDTH,HEIGHT in pixels of the model's images, to which images and masks are brought first. Methods: projection reconstructs again and again with the known pixels put back; latent, for variational models, finds the most probable code given the known pixels; gibbs, for variational models, draws codes and fills in, in turn, and takes the mean. The images' own unknown pixels are taken as the truth for the errors."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    restoration: RestorationArguments,
    /// What is unknown: rect:X,Y,WIDTH,HEIGHT, half:left (right, top, bottom), random:SHARE, or an image whose white pixels are
    #[arg(long)]
    mask: String,
    /// How it is found [default: latent for variational models, projection for others]
    #[arg(long, value_enum)]
    method: Option<MethodName>,
    /// Rounds of projection or gibbs, or steps to the most probable code
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// The seed of random masks and of draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Projection ends when no image moves by half of what a byte can tell.
const TOLERANCE: f64 = 0.5 / 255.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MethodName {
    /// Reconstruct again and again
    Projection,
    /// Find the most probable code
    Latent,
    /// Draw codes and fill in, in turn
    Gibbs,
}

impl From<MethodName> for InpaintMethod {
    fn from(name: MethodName) -> Self {
        match name {
            MethodName::Projection => Self::Projection,
            MethodName::Latent => Self::Latent,
            MethodName::Gibbs => Self::Gibbs,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let prepared = arguments.restoration.prepare()?;
    let description = &prepared.description;
    let mask = mask(arguments, description)?;
    mask.check(description.shape)?;
    let is_variational = matches!(description.model, ModelConfig::Variational(_));
    let method = match arguments.method {
        Some(method) if method != MethodName::Projection && !is_variational => {
            bail!(UsageError(format!(
                "--method: expected projection for the family {}, which has no distribution of codes",
                description.model.family()
            )))
        }
        Some(method) => method,
        None if is_variational => MethodName::Latent,
        None => MethodName::Projection,
    };
    let told = Told {
        truth: true,
        baseline: "the mean of what is known",
        settings: vec![
            ("mask", json!(arguments.mask)),
            ("method", json!(format!("{method:?}").to_lowercase())),
            ("seed", json!(arguments.seed)),
        ],
    };
    let how = Inpainting {
        mask,
        shape: description.shape,
        method: method.into(),
        steps: arguments.steps as usize,
        tolerance: TOLERANCE,
        seed: arguments.seed,
    };
    prepared.run(&how, &told)
}

/// The mask that is asked for: in words, or in an image.
fn mask(arguments: &Arguments, description: &Description) -> Result<Mask> {
    let text = &arguments.mask;
    if !Path::new(text).is_file() {
        return text
            .parse()
            .map_err(|error| UsageError(format!("--{error}")).into());
    }
    let [_, height, width] = description.shape;
    let shape = ImageShape {
        channels: 1,
        height,
        width,
    };
    let options = ImageOptions {
        shape: Some(shape),
        ..Default::default()
    };
    let splits = open(
        text,
        &arguments.restoration.source.locations.locations(),
        &options,
    )?;
    let pixels = splits.train().image(0).iter();
    Ok(Mask::Pixels(pixels.map(|&pixel| pixel >= 128).collect()))
}
