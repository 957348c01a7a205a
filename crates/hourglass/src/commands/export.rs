//! `hourglass export`

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn::tensor::Tensor;
use clap::ValueEnum;
use hourglass_data::{Batches, Subset};
use hourglass_models::{Autoencoder, Model};
use hourglass_train::{ModelFile, images_of, load_model, save_tensors, save_weights, shape_of};

use super::open_data;
use crate::UsageError;
use crate::backend::Cpu;
use crate::cli::LocationArguments;
use crate::progress::Phases;

/// Images that are encoded at a time.
const BATCH: NonZeroUsize = NonZeroUsize::new(500).expect("500 is not 0");

/// Write a model's weights for other programs
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass export runs/variational-1 --format safetensors --out vae.safetensors\n\nThe names and layouts are PyTorch's: `encoder` and `decoder` are each a torch.nn.Sequential."
)]
pub(crate) struct Arguments {
    /// A run directory
    run: PathBuf,
    /// The format
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    format: Format,
    /// The file to write
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    /// Also write the test images with their codes and the decoder's outputs, for a check in another program
    #[arg(long, value_name = "PATH")]
    examples: Option<PathBuf>,
    #[command(flatten)]
    locations: LocationArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// float32 tensors by name
    Safetensors,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let device = Default::default();
    let (description, model) = load_model::<Cpu>(&arguments.run, &device)?;
    for path in std::iter::once(&arguments.out).chain(&arguments.examples) {
        if path.exists() && !arguments.force {
            bail!(
                "{}: expected a new file, found one that is there; use --force to write over it",
                path.display()
            );
        }
    }
    if arguments.examples.as_ref() == Some(&arguments.out) {
        bail!(UsageError(
            "--examples: expected another file than --out".into()
        ));
    }
    match arguments.format {
        Format::Safetensors => save_weights(&arguments.out, &model)?,
    }
    println!("{}", arguments.out.display());
    if let Some(path) = &arguments.examples {
        write_examples(path, &description, &model, &arguments.locations)?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Writes `images`, `codes` and `decoded`, a row an image.
fn write_examples(
    path: &Path,
    description: &ModelFile,
    model: &Model<Cpu>,
    locations: &LocationArguments,
) -> Result<()> {
    let splits = open_data(&description.data.name, &locations.locations())?;
    let split = Subset::all(splits.test()?);
    if shape_of(&split) != description.shape {
        bail!(
            "{}: expected images of {:?}, found {:?}",
            description.data.name,
            description.shape,
            shape_of(&split)
        );
    }
    let (mut images, mut codes, mut decoded) = (Vec::new(), Vec::new(), Vec::new());
    let mut phases = Phases::new();
    let mut done = 0;
    for batch in Batches::sequential(&split, BATCH) {
        let batch = images_of::<Cpu>(&batch, &Default::default());
        let code = model.encode(batch.clone());
        done += batch.dims()[0];
        decoded.push(model.decode(code.clone()));
        codes.push(code);
        images.push(batch);
        phases.update("encoding", done, split.len());
    }
    phases.finish();
    let tensors = [("images", images), ("codes", codes), ("decoded", decoded)];
    let tensors = tensors.map(|(name, parts)| (name.to_owned(), Tensor::cat(parts, 0).into_data()));
    Ok(save_tensors(path, tensors.into())?)
}
