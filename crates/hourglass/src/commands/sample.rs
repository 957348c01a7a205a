//! `hourglass sample`

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result};
use hourglass_store::{SavedModel, write_atomically};
use hourglass_train::samples;

use super::check_is_new;
use crate::backend::Cpu;

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
    check_is_new(&arguments.out, arguments.force)?;
    let device = Default::default();
    let model = saved.load::<Cpu>(&device)?;
    let square = f64::from(arguments.count).sqrt().ceil() as usize;
    let columns = arguments.columns.map_or(square, NonZeroUsize::get);
    let count = arguments.count as usize;
    let picture = samples(
        &description,
        &model,
        count,
        columns,
        arguments.seed,
        &device,
    )?;
    let picture = picture.with_context(|| {
        format!(
            "{}: expected a family with a prior to draw codes from, variational, found {}",
            saved.name().display(),
            description.model.family()
        )
    })?;
    write_atomically(&arguments.out, &picture)?;
    println!("{}", arguments.out.display());
    Ok(())
}
