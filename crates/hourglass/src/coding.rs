//! Samples to codes and codes to samples, as `encode`, `decode`, `compress` and `decompress` have them done.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn::tensor::backend::AutodiffBackend;
use hourglass_data::{Input, Subset, measuring_sizes};
use hourglass_models::Shape;
use hourglass_store::SavedModel;
use hourglass_tasks::codes::CodeRows;
use hourglass_tasks::decode::{ImageFormat, ImageWriter, SampleWriter, decode};
use hourglass_tasks::encode::encode;
use hourglass_tasks::{NotFinite, RowsWriter};

use crate::arguments::DeviceArguments;
use crate::backend::{SelfCheck, Task};
use crate::finished::load_for_use;
use crate::output::check_is_new;
use crate::progress::Stages;
use crate::usage::UsageError;

/// Gives the codes of images to `take`, a batch at a time.
pub(crate) struct Encode<'a, F> {
    pub(crate) saved: &'a SavedModel,
    pub(crate) images: &'a Subset,
    pub(crate) take: F,
}

impl<F: FnMut(CodeRows) -> Result<()>> Task for Encode<'_, F> {
    type Output = Result<()>;

    fn run<B: AutodiffBackend>(
        mut self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Result<()> {
        let total = self.images.len();
        let sizes = measuring_sizes(total, self.images.shape());
        let model = load_for_use(self.saved, &sizes, self_check, device)?;
        let (mut stages, mut done) = (Stages::new(), 0);
        for rows in encode(&model, self.images, device) {
            done += rows.ids.len();
            (self.take)(rows)?;
            stages.update("encoding", done, total);
        }
        stages.finish();
        Ok(())
    }
}

/// Where samples go that are made from codes, and where they are computed.
#[derive(Debug, clap::Args)]
pub(crate) struct DecodingArguments {
    /// What to write: a directory of PNG files, or an array, whose name ends in .npy; of a model of rows or vectors a .csv, .parquet
    /// or .npy file
    #[arg(long, value_name = "DIR or FILE")]
    pub(crate) out: PathBuf,
    /// Write an array of bytes from 0 to 255, in place of floats
    #[arg(long)]
    bytes: bool,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArguments,
}

impl DecodingArguments {
    /// Checks, before any work is done, that the arguments can be used.
    pub(crate) fn check(&self) -> Result<()> {
        check_is_new(&self.out, self.force)?;
        self.format().map(drop)
    }

    /// Begins to write so many samples of a model.
    pub(crate) fn writer(&self, input: &Input, samples: u64) -> Result<Writer> {
        let format = self.format()?;
        Ok(match input {
            Input::Image { shape } => {
                Writer::Images(ImageWriter::create(&self.out, format, *shape, samples)?)
            }
            Input::Table { .. } | Input::Vectors { .. } if self.bytes => bail!(UsageError(
                "--bytes: expected a model of images; rows and vectors are written in their own units".into()
            )),
            Input::Table { .. } | Input::Vectors { .. } => {
                Writer::Rows(RowsWriter::create(&self.out, input, samples, false)?)
            }
        })
    }

    /// What images become, by the name of what they are written to.
    fn format(&self) -> Result<ImageFormat> {
        let is_array = self
            .out
            .extension()
            .is_some_and(|extension| extension == "npy");
        Ok(match (is_array, self.bytes) {
            (true, true) => ImageFormat::Bytes,
            (true, false) => ImageFormat::Floats,
            (false, false) => ImageFormat::Png,
            (false, true) => bail!(UsageError(
                "--bytes: expected with an --out that ends in .npy; PNG files hold bytes anyway"
                    .into()
            )),
        })
    }
}

/// What decoded samples are written to.
pub(crate) enum Writer {
    Images(ImageWriter),
    Rows(RowsWriter),
}

impl Writer {
    fn finish(self) -> Result<()> {
        match self {
            Self::Images(writer) => writer.finish()?,
            Self::Rows(writer) => writer.finish()?,
        }
        Ok(())
    }
}

impl SampleWriter for Writer {
    fn shape(&self) -> Shape {
        match self {
            Self::Images(writer) => SampleWriter::shape(writer),
            Self::Rows(writer) => SampleWriter::shape(writer),
        }
    }

    fn write(&mut self, features: &[f32]) -> io::Result<()> {
        match self {
            Self::Images(writer) => SampleWriter::write(writer, features),
            Self::Rows(writer) => SampleWriter::write(writer, features),
        }
    }
}

/// Writes the samples that a model makes from codes, `[any, code]` row-major in each part.
pub(crate) struct Decode<'a, I> {
    pub(crate) saved: &'a SavedModel,
    /// The file that the codes come from.
    pub(crate) path: &'a Path,
    pub(crate) codes: I,
    /// Numbers in a code.
    pub(crate) code: usize,
    /// Whether the codes are not quite what the encoder gave.
    pub(crate) rounded: bool,
    pub(crate) images: u64,
    pub(crate) writer: Writer,
}

impl<I: Iterator<Item = Result<Vec<f32>>>> Task for Decode<'_, I> {
    type Output = Result<()>;

    fn run<B: AutodiffBackend>(
        mut self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Result<()> {
        let total = self.images as usize;
        let sizes = measuring_sizes(total, self.writer.shape());
        let model = load_for_use(self.saved, &sizes, self_check, device)?;
        let mut stages = Stages::new();
        let (code, writer) = ((self.code, self.rounded), &mut self.writer);
        let decoded = decode(&model, self.codes, code, device, writer, &mut |done| {
            stages.update("decoding", done, total)
        });
        stages.finish();
        decoded.map_err(|error: anyhow::Error| match error.is::<NotFinite>() {
            true => error.context(self.path.display().to_string()),
            false => error,
        })?;
        self.writer.finish()
    }
}
