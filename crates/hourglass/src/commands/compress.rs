//! `hourglass compress`

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use hourglass_store::SavedModel;
use hourglass_tasks::codes::{CodeRows, PendingFile};
use hourglass_tasks::compress::{CodeSpill, MOST_BITS, Steps, compress};
use serde_json::json;

use crate::arguments::DeviceArguments;
use crate::backend::Chosen;
use crate::coding::Encode;
use crate::images::SourceArguments;
use crate::output::check_is_new;

/// Keep images as quantised, entropy-coded codes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass compress variational --data mnist --bits 4 --out digits.hgz\n  hourglass compress runs/conv-1 photos --out photos.hgz --json\n\nThe file holds what the model keeps of each image, and neither its name nor its label. `hourglass decompress` restores the images from it, in the same order, and needs the very same model. docs/compression.md says how good they are."
)]
pub(crate) struct Arguments {
    /// A run directory, or a published model
    model: PathBuf,
    #[command(flatten)]
    source: SourceArguments,
    /// How many bits each number of a code is quantised to, before entropy coding
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_BITS)))]
    bits: u8,
    /// How the steps of the quantisation are chosen
    #[arg(long, value_enum, default_value_t = StepsName::Own)]
    steps: StepsName,
    /// The file to write
    #[arg(long, value_name = "FILE.hgz")]
    out: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
    /// Print the sizes as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StepsName {
    /// The same number of steps over the range of each dimension
    Own,
    /// Steps of one size in all dimensions, so that those that hardly vary take few bits
    Common,
}

impl From<StepsName> for Steps {
    fn from(name: StepsName) -> Self {
        match name {
            StepsName::Own => Self::Own,
            StepsName::Common => Self::Common,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let saved = SavedModel::find(&arguments.model)?;
    let description = saved.description()?;
    check_is_new(&arguments.out, arguments.force)?;
    let images = arguments.source.open(&saved, &description)?;
    let mut file = PendingFile::create(&arguments.out)?;
    let mut spill = CodeSpill::new(description.model.code())?;
    Chosen::from_arguments(&arguments.device)?.run(Encode {
        saved: &saved,
        images: &images,
        take: |rows: CodeRows| Ok(spill.add(&rows.codes)?),
    })?;
    let sha256 = saved.sha256()?;
    let bytes = compress(
        &mut spill,
        arguments.bits,
        arguments.steps.into(),
        description.shape(),
        &sha256,
        &mut file,
    )?;
    file.finish()?;
    let pixels: usize = description.shape().features();
    let an_image = bytes as f64 / images.len() as f64;
    if arguments.json {
        let json = json!({
            "model": arguments.model, "model_sha256": sha256, "data": images.dataset().name(),
            "images": images.len(), "bits": arguments.bits, "code": spill.code(), "bytes": bytes,
            "bytes_per_image": an_image, "pixel_bytes_per_image": pixels, "model_bytes": saved.weights_bytes()?,
        });
        say!("{json:#}")?;
        return Ok(());
    }
    note!(
        "{} images in {bytes} bytes: {an_image:.2} per image, whose pixels are {pixels}; the model that restores them has {} bytes",
        images.len(),
        saved.weights_bytes()?
    );
    say!("{}", arguments.out.display())?;
    Ok(())
}
