//! `hourglass sample`

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use hourglass_models::{Autoencoder, StepContext};
use hourglass_store::{SavedModel, write_atomically};
use hourglass_train::figures::image_grid;

use crate::backend::Cpu;

/// Screen pixels for a pixel of an image.
const SCALE: usize = 2;

/// Draw new images from a variational model
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass sample variational\n  hourglass sample runs/variational-1 --count 100 --seed 7 --out digits.png\n\nThe codes are drawn from the prior, N(0, 1); the pictures are the means of p(x|z)."
)]
pub(crate) struct Arguments {
    /// A run directory, or a published model
    model: PathBuf,
    /// Images to draw
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// Images a row [default: as many as there are rows]
    #[arg(long, value_name = "N")]
    columns: Option<NonZeroUsize>,
    /// The seed of the codes
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The picture to write, a PNG
    #[arg(long, value_name = "PATH", default_value = "samples.png")]
    out: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let saved = SavedModel::find(&arguments.model)?;
    let description = saved.description()?;
    if arguments.out.exists() && !arguments.force {
        bail!(
            "{}: expected a new file, found one that is there; use --force to write over it",
            arguments.out.display()
        );
    }
    let images = draw(arguments, &saved, description.model.family())?;
    let columns = arguments.columns.map(NonZeroUsize::get);
    let square = f64::from(arguments.count).sqrt().ceil() as usize;
    let columns = columns.unwrap_or(square);
    let picture = image_grid(&[images], description.shape, columns, SCALE)?;
    write_atomically(&arguments.out, &picture)?;
    println!("{}", arguments.out.display());
    Ok(())
}

/// Images one after the other.
fn draw(arguments: &Arguments, saved: &SavedModel, family: &str) -> Result<Vec<f32>> {
    let device = Default::default();
    let model = saved.load::<Cpu>(&device)?;
    let context = StepContext::evaluate(arguments.seed, 0);
    let codes = model.sample_prior(arguments.count as usize, &context, &device);
    let codes = codes.with_context(|| {
        format!(
            "{}: expected a family with a prior to draw codes from, variational, found {family}",
            saved.name().display(),
        )
    })?;
    let images = model.likelihood().mean(model.decode(codes));
    Ok(images.into_data().iter::<f32>().collect())
}
