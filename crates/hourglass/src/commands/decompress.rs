//! `hourglass decompress`

use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::backend::AutodiffBackend;
use fs_err::File;
use hourglass_files::open_file;
use hourglass_store::{Description, SavedModel};
use hourglass_tasks::compress::{CompressedCodes, open};
use hourglass_tasks::decode::ImageWriter;
use hourglass_tasks::stream::{batch_sizes, in_batches};
use hourglass_tasks::{NotFinite, decode_images};

use super::decode::image_format;
use crate::arguments::DeviceArguments;
use crate::backend::{Chosen, SelfCheck, Task};
use crate::finished::load_for_use;
use crate::output::check_is_new;
use crate::progress::Stages;

/// Restore images that `hourglass compress` has kept
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass decompress variational digits.hgz --out digits\n  hourglass decompress runs/conv-1 photos.hgz --out photos.npy --bytes\n\nThe model must be the one that the file was made with. The whole file is checked before anything is written."
)]
pub(crate) struct Arguments {
    /// The run directory, or the published model, that the file was made with
    model: PathBuf,
    /// What `hourglass compress` has written
    #[arg(value_name = "FILE.hgz")]
    file: PathBuf,
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
    let sha256 = saved.sha256()?;
    let of_file = || arguments.file.display().to_string();
    let chosen = Chosen::from_arguments(&arguments.device)?;
    for codes in compressed(&arguments.file, &description, &sha256)? {
        codes.with_context(of_file)?;
    }
    let codes = compressed(&arguments.file, &description, &sha256)?;
    let writer = ImageWriter::create(
        &arguments.out,
        format,
        description.shape,
        codes.header().images(),
    )?;
    chosen
        .run(Restore {
            saved: &saved,
            code: description.model.code(),
            codes,
            writer,
        })
        .with_context(of_file)?;
    say!("{}", arguments.out.display())?;
    Ok(())
}

fn compressed(
    path: &Path,
    description: &Description,
    sha256: &str,
) -> Result<CompressedCodes<BufReader<File>>> {
    let file = BufReader::new(open_file(path)?);
    let code = description.model.code();
    open(file, code, description.shape, sha256).with_context(|| path.display().to_string())
}

struct Restore<'a> {
    saved: &'a SavedModel,
    code: usize,
    codes: CompressedCodes<BufReader<File>>,
    writer: ImageWriter,
}

impl Task for Restore<'_> {
    type Output = Result<()>;

    fn run<B: AutodiffBackend>(
        mut self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Result<()> {
        let total = self.codes.header().images() as usize;
        let sizes = batch_sizes(total, self.writer.shape());
        let model = load_for_use(self.saved, &sizes, self_check, device)?;
        let mut phases = Stages::new();
        let mut done = 0;
        for codes in in_batches(self.codes, self.code, self.writer.shape()) {
            let codes = codes?;
            let shape = self.writer.shape();
            let images = decode_images(&model, &codes, self.code, shape, device);
            let images = images.map_err(|error| NotFinite {
                image: done + error.image,
                ..error
            })?;
            self.writer.write(&images)?;
            done += codes.len() / self.code;
            phases.update("decoding", done, total);
        }
        phases.finish();
        Ok(self.writer.finish()?)
    }
}
