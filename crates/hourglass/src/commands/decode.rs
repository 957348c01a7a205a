//! `hourglass decode`

use std::path::PathBuf;

use anyhow::{Result, bail};
use burn::tensor::backend::AutodiffBackend;
use hourglass_store::SavedModel;
use hourglass_tasks::codes::CodesReader;
use hourglass_tasks::decode::{ImageFormat, ImageWriter, decode};
use hourglass_tasks::stream::batch_sizes;

use crate::arguments::DeviceArguments;
use crate::backend::{Chosen, SelfCheck, Task};
use crate::finished::load_for_use;
use crate::output::check_is_new;
use crate::progress::Stages;
use crate::usage::UsageError;

/// Make images from codes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass decode variational codes.npy --out pictures\n  hourglass decode runs/conv-1 codes.csv --out images.npy\n  hourglass decode variational codes.parquet --out images.npy --bytes\n\nThe images are the means of p(x|z), in the order of the codes: either PNG files, 000000.png and so on, or an array, [images, height, width] for grey images and [images, channels, height, width] for coloured ones. The values in an array of floats are not clipped."
)]
pub(crate) struct Arguments {
    /// A run directory, or a published model
    model: PathBuf,
    /// Codes, as `hourglass encode` writes them: .npy, .csv or .parquet
    codes: PathBuf,
    /// What to write: a directory of PNG files, or an array, whose name ends in .npy
    #[arg(long, value_name = "DIR or FILE.npy")]
    out: PathBuf,
    /// Write an array of bytes from 0 to 255, in place of floats
    #[arg(long)]
    bytes: bool,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let format = image_format(&arguments.out, arguments.bytes)?;
    let saved = SavedModel::find(&arguments.model)?;
    let description = saved.description()?;
    check_is_new(&arguments.out, arguments.force)?;
    let code = description.model.code();
    let chosen = Chosen::from_arguments(&arguments.device)?;
    let images = CodesReader::count_images(&arguments.codes, code)?;
    let codes = CodesReader::open(&arguments.codes, code)?;
    let writer = ImageWriter::create(&arguments.out, format, description.shape, images)?;
    chosen.run(Decode {
        saved: &saved,
        code,
        images,
        codes,
        writer,
    })?;
    say!("{}", arguments.out.display())?;
    Ok(())
}

/// What images become, by the name of what they are written to.
pub(crate) fn image_format(out: &std::path::Path, bytes: bool) -> Result<ImageFormat> {
    let is_array = out.extension().is_some_and(|extension| extension == "npy");
    Ok(match (is_array, bytes) {
        (true, true) => ImageFormat::Bytes,
        (true, false) => ImageFormat::Floats,
        (false, false) => ImageFormat::Png,
        (false, true) => bail!(UsageError(
            "--bytes: expected with an --out that ends in .npy; PNG files hold bytes anyway".into()
        )),
    })
}

struct Decode<'a> {
    saved: &'a SavedModel,
    code: usize,
    images: u64,
    codes: CodesReader,
    writer: ImageWriter,
}

impl Task for Decode<'_> {
    type Output = Result<()>;

    fn run<B: AutodiffBackend>(
        mut self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Result<()> {
        let total = self.images as usize;
        let sizes = batch_sizes(total, self.writer.shape());
        let model = load_for_use(self.saved, &sizes, self_check, device)?;
        let mut phases = Stages::new();
        let decoded = decode(
            &model,
            self.codes,
            self.code,
            device,
            &mut self.writer,
            &mut |done| phases.update("decoding", done, total),
        );
        phases.finish();
        decoded?;
        Ok(self.writer.finish()?)
    }
}
