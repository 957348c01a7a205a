//! `hourglass export`

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::tensor::{Tensor, TensorData};
use clap::ValueEnum;
use hourglass_data::{Batches, Subset};
use hourglass_models::{Autoencoder, Model};
use hourglass_train::{ModelFile, load_model, save_weights, shape_of, write_atomically};
use safetensors::tensor::{Dtype, TensorView};

use super::open_data;
use crate::backend::Cpu;
use crate::cli::LocationArguments;

/// Images that `--examples` writes.
const EXAMPLES: usize = 1000;

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
    /// Also write the first test images with their codes and the decoder's outputs, for a check in another program
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
    let images = Subset::all(splits.test()?).limit(EXAMPLES)?;
    if shape_of(&images) != description.shape {
        bail!(
            "{}: expected images of {:?}, found {:?}",
            description.data.name,
            description.shape,
            shape_of(&images)
        );
    }
    let count = NonZeroUsize::new(EXAMPLES).unwrap_or(NonZeroUsize::MIN);
    let batch = Batches::sequential(&images, count)
        .next()
        .context("there are no test images")?;
    let shape = [batch.len(), batch.images.len() / batch.len()];
    let images =
        Tensor::<Cpu, 2>::from_data(TensorData::new(batch.images, shape), &Default::default());
    let codes = model.encode(images.clone());
    let decoded = model.decode(codes.clone());
    let tensors = [("images", images), ("codes", codes), ("decoded", decoded)]
        .map(|(name, tensor)| (name, tensor.into_data().convert::<f32>()));
    let views = tensors.iter().map(|(name, data)| {
        Ok((
            *name,
            TensorView::new(Dtype::F32, data.shape.to_vec(), data.as_bytes())?,
        ))
    });
    let views: Vec<_> = views.collect::<Result<_>>()?;
    Ok(write_atomically(
        path,
        &safetensors::serialize(views, None)?,
    )?)
}
