//! `hourglass decode`

use std::path::PathBuf;

use anyhow::{Error, Result};
use hourglass_store::SavedModel;
use hourglass_tasks::codes::CodesReader;

use crate::backend::Chosen;
use crate::coding::{Decode, DecodingArguments};

/// Make images, rows or vectors from codes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass decode variational codes.npy --out pictures\n  hourglass decode runs/conv-1 codes.csv --out images.npy\n  hourglass decode variational codes.parquet --out images.npy --bytes\n\nThe images are the means of p(x|z), in the order of the codes: either PNG files, 000000.png and so on, or an array, [images, height, width] for grey images and [images, channels, height, width] for coloured ones. The values in an array of floats are not clipped."
)]
pub(crate) struct Arguments {
    /// A run directory, or a published model
    model: PathBuf,
    /// Codes, as `hourglass encode` writes them: .npy, .csv or .parquet
    codes: PathBuf,
    #[command(flatten)]
    decoding: DecodingArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let decoding = &arguments.decoding;
    decoding.check()?;
    let saved = SavedModel::find(&arguments.model)?;
    let description = saved.description()?;
    let code = description.model.code();
    let chosen = Chosen::from_arguments(&decoding.device)?;
    let images = CodesReader::count_images(&arguments.codes, code)?;
    let codes = CodesReader::open(&arguments.codes, code)?;
    chosen.run(Decode {
        saved: &saved,
        path: &arguments.codes,
        codes: codes.map(|rows| rows.map(|rows| rows.codes).map_err(Error::from)),
        code,
        rounded: false,
        images,
        writer: decoding.writer(&description.input, images)?,
    })?;
    say!("{}", decoding.out.display())?;
    Ok(())
}
