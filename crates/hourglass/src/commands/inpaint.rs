//! `hourglass inpaint`

use std::path::Path;

use anyhow::{Result, bail};
use clap::ValueEnum;
use hourglass_data::{ImageOptions, Kind, Shape, Split, Subset};
use hourglass_store::{Description, SavedModel};
use hourglass_tasks::{CellFiller, InpaintMethod, Inpainter, Mask};
use serde_json::json;

use crate::images::{open, require_images};
use crate::restoration::{Prepared, RestorationArguments, RestorationWords};
use crate::usage::UsageError;

/// Fill in unknown parts of images, or missing cells of tables; what is known stays as it is
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass inpaint variational mnist-mini --mask half:bottom --out halves\n  hourglass inpaint conv photographs --mask rect:8,8,12,12 --training mnist-mini --out filled\n  hourglass inpaint variational digit.png --mask scratches.png --out filled\n  hourglass inpaint runs/denoising-1 holes.csv --out filled\n\nA rectangle is X,Y,WIDTH,HEIGHT in pixels of the model's images, to whose shape images and masks are brought first. There are three methods. latent finds the most probable code given the known pixels, by the prior of a variational model or by a normal distribution fitted to the codes of training images. projection reconstructs again and again, and puts the known pixels back each time. gibbs, for variational models, draws codes and fills in by turns, and takes the mean. latent has by far the smallest errors. The images' own pixels in the unknown part are taken as the truth for the errors."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    restoration: RestorationArguments,
    /// The unknown part: rect:X,Y,WIDTH,HEIGHT, half:left (right, top, bottom), random:SHARE, or an image in which it is white. Of a table
    /// the missing cells are unknown; random:SHARE hides others, to measure how well they are filled in
    #[arg(long)]
    mask: Option<String>,
    /// How the unknown pixels are found [default: latent, or projection for sparse models and where there are no training images]
    #[arg(long, value_enum)]
    method: Option<MethodName>,
    /// The images to whose codes latent fits a distribution, if the model has no prior: a name from the catalog or a path
    /// [default: the data that the model was trained on]
    #[arg(long, value_name = "DATA")]
    training: Option<String>,
    /// How many rounds of projection or gibbs, or steps of the search for the most probable code
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// The seed of random masks and of drawn codes
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Images to whose codes a distribution is fitted.
const TRAINING_IMAGES: usize = 10_000;
/// Projection ends when no image moves by half of what a byte can tell.
const TOLERANCE: f64 = 0.5 / 255.0;
/// The same of a row, in units of its features.
const CELL_TOLERANCE: f64 = 1e-3;

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
    let prepared = arguments
        .restoration
        .prepare_as(|description| Description {
            input: description.input.allowing_missing(),
            ..description.clone()
        })?;
    let description = &prepared.description;
    match description.input.kind() {
        Kind::Image => {}
        Kind::Table => return fill_cells(arguments, &prepared),
        Kind::Vectors => {
            let instead = "every number of a vector is known";
            require_images(description, "inpaint", instead)?;
        }
    }
    let Some(mask) = &arguments.mask else {
        bail!(UsageError(
            "--mask: expected rect:X,Y,WIDTH,HEIGHT, half:left (right, top, bottom), random:SHARE or an image".into()
        ));
    };
    let mask = read_mask(mask, arguments, description)?;
    mask.check(description.shape())?;
    let (method, training) = method(arguments, &prepared.saved, description)?;
    let words = RestorationWords {
        truth: true,
        baseline: "the mean of what is known",
        settings: vec![
            ("mask", json!(arguments.mask)),
            ("method", json!(format!("{method:?}").to_lowercase())),
            ("seed", json!(arguments.seed)),
        ],
    };
    let mut how = Inpainter {
        mask,
        shape: description.shape(),
        method: method.into(),
        steps: arguments.steps as usize,
        tolerance: TOLERANCE,
        seed: arguments.seed,
        prior: None,
        training,
    };
    prepared.run(&mut how, &words)
}

/// Fills in the missing cells of a table.
fn fill_cells(arguments: &Arguments, prepared: &Prepared<'_>) -> Result<()> {
    if arguments
        .method
        .is_some_and(|method| method != MethodName::Projection)
    {
        bail!(UsageError(
            "--method: expected projection, by which the cells of tables are filled in".into()
        ));
    }
    let hidden = match arguments.mask.as_deref().map(str::parse) {
        None => 0.0,
        Some(Ok(Mask::Random(share))) => share,
        Some(_) => bail!(UsageError(
            "--mask: expected random:SHARE with a model of rows, which hides known cells to measure how well they are filled in; \
             missing cells are filled in anyway"
                .into()
        )),
    };
    let words = RestorationWords {
        truth: hidden > 0.0,
        baseline: "what stands for missing cells",
        settings: vec![
            ("mask", json!(arguments.mask)),
            ("seed", json!(arguments.seed)),
        ],
    };
    let mut how = CellFiller {
        rows: prepared.images.clone(),
        hidden,
        steps: arguments.steps as usize,
        tolerance: CELL_TOLERANCE,
        seed: arguments.seed,
    };
    prepared.run(&mut how, &words)
}

/// How unknown pixels are found, and the images to whose codes a distribution is fitted for that, where one is.
fn method(
    arguments: &Arguments,
    saved: &SavedModel,
    description: &Description,
) -> Result<(MethodName, Option<Subset>)> {
    if description.model.has_prior() {
        return Ok((arguments.method.unwrap_or(MethodName::Latent), None));
    }
    // A code of which most is 0 is not one that a normal distribution gives.
    let by_default = match description.model.is_sparse() {
        true => MethodName::Projection,
        false => MethodName::Latent,
    };
    match arguments.method.unwrap_or(by_default) {
        MethodName::Projection => return Ok((MethodName::Projection, None)),
        MethodName::Gibbs => bail!(UsageError(format!(
            "--method: expected projection or latent for the family {}, whose codes are not drawn from a distribution",
            description.model.family()
        ))),
        MethodName::Latent => {}
    }
    match (
        training_images(arguments, saved, description),
        arguments.method,
    ) {
        (Ok(images), _) => Ok((MethodName::Latent, Some(images))),
        (Err(error), None) if arguments.training.is_none() => {
            note!(
                "the most probable codes can't be found without training images, {error:#}\nhint: name others by --training; now \
                 the images are reconstructed again and again, which is less exact"
            );
            Ok((MethodName::Projection, None))
        }
        (Err(error), _) => Err(error),
    }
}

fn training_images(
    arguments: &Arguments,
    saved: &SavedModel,
    description: &Description,
) -> Result<Subset> {
    let source = &arguments.restoration.source;
    let locations = source.locations.locations();
    let opening = source.opening(saved, description, &locations);
    let samples = opening.samples(arguments.training.as_deref(), Some(Split::Train))?;
    Ok(samples.limit(TRAINING_IMAGES)?)
}

/// The mask that is asked for: in words, or in an image.
fn read_mask(text: &str, arguments: &Arguments, description: &Description) -> Result<Mask> {
    if !Path::new(text).is_file() {
        return text
            .parse()
            .map_err(|error| UsageError(format!("--{error}")).into());
    }
    let shape = Shape {
        channels: 1,
        ..description.shape()
    };
    let options = ImageOptions {
        shape: Some(shape),
        ..Default::default()
    };
    let splits = open(
        text,
        &arguments.restoration.source.locations.locations(),
        &options.into(),
    )?;
    let pixels = splits.train().image(0).iter();
    Ok(Mask::Pixels(pixels.map(|&pixel| pixel >= 128).collect()))
}
