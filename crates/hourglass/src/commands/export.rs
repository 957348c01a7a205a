//! `hourglass export`

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn::tensor::Tensor;
use clap::ValueEnum;
use hourglass_data::{Batches, Split, Subset};
use hourglass_files::write_atomically;
use hourglass_measure::images_of;
use hourglass_models::{Autoencoder, Model};
use hourglass_onnx::{OnnxFiles, Options, Part, to_onnx};
use hourglass_store::{Description, Precision, SavedModel, save_tensors, save_weights};

use crate::arguments::{LocationArguments, SampleArguments};
use crate::backend::Cpu;
use crate::images::{Opening, require_images};
use crate::output::check_is_new;
use crate::progress::Stages;
use crate::usage::UsageError;

/// Write a model's weights for other programs
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass export runs/variational-1 --format safetensors --out vae.safetensors\n  hourglass export runs/variational-1 --format onnx --part decoder --out decoder.onnx\n\nThe weights in a safetensors file have PyTorch's names and layouts: `encoder` and `decoder` are each a torch.nn.Sequential. An ONNX graph turns `images`, [batch, features] in [0, 1] (or, with --bytes, [batch, channels, height, width] from 0 to 255), into `codes`, and codes into `reconstructions`, which are the means of p(x|h). A batch may have any size."
)]
pub(crate) struct Arguments {
    /// A run directory, or a published model
    model: PathBuf,
    /// The format of the file
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    format: Format,
    /// The precision of the numbers in a safetensors file
    #[arg(long, value_enum, default_value_t = PrecisionName::Float32)]
    precision: PrecisionName,
    /// What an ONNX graph computes [default: reconstruction]
    #[arg(long, value_enum)]
    part: Option<PartName>,
    /// Write an ONNX graph that takes images as bytes, as they are in files
    #[arg(long)]
    bytes: bool,
    /// Write an ONNX graph that gives the decoder's own outputs in place of means: logits, if the likelihood is Bernoulli's
    #[arg(long)]
    logits: bool,
    /// Put the weights of an ONNX graph into a file of their own, PATH.data; weights of more than 2 GiB always are
    #[arg(long)]
    external_data: bool,
    /// The file to write
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Overwrite an existing file
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
    /// Tensors by name
    Safetensors,
    /// A graph with its weights, opset 17
    Onnx,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PrecisionName {
    /// The precision of the training
    Float32,
    /// Half the size, with about three significant digits
    Float16,
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::Float32 => Self::Float32,
            PrecisionName::Float16 => Self::Float16,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartName {
    /// From images to codes
    Encoder,
    /// From codes to reconstructions
    Decoder,
    /// From images to codes and reconstructions
    Reconstruction,
}

impl From<PartName> for Part {
    fn from(name: PartName) -> Self {
        match name {
            PartName::Encoder => Self::Encoder,
            PartName::Decoder => Self::Decoder,
            PartName::Reconstruction => Self::Reconstruction,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    check_usage(arguments)?;
    let saved = SavedModel::find(&arguments.model)?;
    let description = saved.description()?;
    if arguments.bytes {
        let instead = "leave out --bytes: the graph then takes the features of rows and vectors";
        require_images(&description, "export --bytes", instead)?;
    }
    let model = saved.load::<Cpu>(&Default::default())?;
    check_is_new(&arguments.out, arguments.force)?;
    let examples = match &arguments.examples {
        Some(path) => {
            check_is_new(path, arguments.force)?;
            Some((
                path,
                example_samples(&saved, &description, &arguments.locations)?,
            ))
        }
        None => None,
    };
    let mut written = Vec::new();
    match arguments.format {
        Format::Safetensors => {
            let precision = arguments.precision.into();
            save_weights(&arguments.out, &description, &model, precision)?;
        }
        Format::Onnx => {
            let external = external_path(&arguments.out);
            let files = onnx(arguments, &external, &description, &model)?;
            if let Some(weights) = files.external {
                check_is_new(&external, arguments.force)?;
                write_atomically(&external, &weights)?;
                written.push(external);
            }
            write_atomically(&arguments.out, &files.graph)?;
        }
    }
    written.push(arguments.out.clone());
    if let Some((path, images)) = examples {
        write_examples(path, &images, &model)?;
        written.push(path.clone());
    }
    written
        .iter()
        .try_for_each(|path| say!("{}", path.display()))
}

/// Where the weights of a graph are that has them in a file of their own.
fn external_path(graph: &Path) -> PathBuf {
    graph.with_added_extension("data")
}

fn check_usage(arguments: &Arguments) -> Result<()> {
    if arguments.format == Format::Onnx && arguments.precision != PrecisionName::Float32 {
        bail!(UsageError(
            "--precision: expected float32 with --format onnx, whose weights are computed with as they are stored".into()
        ));
    }
    let asks_for_graph =
        arguments.part.is_some() || arguments.bytes || arguments.logits || arguments.external_data;
    if arguments.format == Format::Safetensors && asks_for_graph {
        bail!(UsageError(
            "--part, --bytes, --logits, --external-data: expected with --format onnx, found with safetensors, which has no graph".into()
        ));
    }
    if arguments.bytes && arguments.part == Some(PartName::Decoder) {
        bail!(UsageError(
            "--bytes: expected with a graph that takes images, found with --part decoder".into()
        ));
    }
    if arguments.logits && arguments.part == Some(PartName::Encoder) {
        bail!(UsageError(
            "--logits: expected with a graph that gives reconstructions, found with --part encoder"
                .into()
        ));
    }
    let own = [arguments.out.clone(), external_path(&arguments.out)];
    if arguments
        .examples
        .as_ref()
        .is_some_and(|path| own.contains(path))
    {
        bail!(UsageError(
            "--examples: expected another file than --out and the weights beside it".into()
        ));
    }
    Ok(())
}

/// The ONNX files of the part that is asked for.
fn onnx(
    arguments: &Arguments,
    external: &Path,
    description: &Description,
    model: &Model<Cpu>,
) -> Result<OnnxFiles> {
    let external = external.file_name().unwrap_or_default();
    let Some(external) = external.to_str() else {
        bail!(
            "{}: expected a name in Unicode, which an ONNX file can hold",
            arguments.out.display()
        );
    };
    let options = Options {
        part: arguments.part.unwrap_or(PartName::Reconstruction).into(),
        bytes: arguments.bytes,
        logits: arguments.logits,
        external: arguments.external_data,
    };
    let settings = serde_json::to_string(&description)?;
    // As in the metadata of safetensors.
    let metadata = [("hourglass", settings.as_str())];
    let code = description.model.code();
    let shape = description.shape();
    Ok(to_onnx(model, code, shape, options, external, &metadata)?)
}

/// The test samples of the data that the model was trained on.
fn example_samples(
    saved: &SavedModel,
    description: &Description,
    locations: &LocationArguments,
) -> Result<Subset> {
    let opening = Opening {
        saved,
        description,
        locations: &locations.locations(),
        how: &SampleArguments::default(),
    };
    opening.samples(None, Some(Split::Test))
}

/// Writes `images`, `codes`, `decoded` and `reconstructions`, one row per image.
fn write_examples(path: &Path, split: &Subset, model: &Model<Cpu>) -> Result<()> {
    let names = ["images", "codes", "decoded", "reconstructions"];
    let mut parts = names.map(|_| Vec::new());
    let mut stages = Stages::new();
    let mut done = 0;
    for batch in Batches::measuring(split) {
        let images = images_of::<Cpu>(&batch, &Default::default());
        let codes = model.encode(images.clone());
        let decoded = model.decode(codes.clone());
        let means = model.likelihood().mean(decoded.clone());
        done += batch.len();
        for (part, rows) in parts.iter_mut().zip([images, codes, decoded, means]) {
            part.push(rows);
        }
        stages.update("encoding", done, split.len());
    }
    stages.finish();
    let tensors = names.into_iter().zip(parts);
    let tensors = tensors.map(|(name, rows)| (name.to_owned(), Tensor::cat(rows, 0).into_data()));
    Ok(save_tensors(path, tensors.collect())?)
}
