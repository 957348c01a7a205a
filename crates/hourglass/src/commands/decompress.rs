//! `hourglass decompress`

use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err::File;
use hourglass_files::open_file;
use hourglass_store::{Description, SavedModel};
use hourglass_tasks::compress::{CompressedCodes, open};

use crate::backend::Chosen;
use crate::coding::{Decode, DecodingArguments};

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
    #[command(flatten)]
    decoding: DecodingArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (decoding, path) = (&arguments.decoding, &arguments.file);
    decoding.check()?;
    let saved = SavedModel::find(&arguments.model)?;
    let description = saved.description()?;
    let sha256 = saved.sha256()?;
    let of_file = || path.display().to_string();
    let chosen = Chosen::from_arguments(&decoding.device)?;
    for codes in compressed(path, &description, &sha256)? {
        codes.with_context(of_file)?;
    }
    let codes = compressed(path, &description, &sha256)?;
    let images = codes.header().images();
    chosen.run(Decode {
        saved: &saved,
        path,
        codes: codes.map(|codes| codes.with_context(of_file)),
        code: description.model.code(),
        rounded: true,
        images,
        writer: decoding.writer(&description.input, images)?,
    })?;
    say!("{}", decoding.out.display())?;
    Ok(())
}

fn compressed(
    path: &Path,
    description: &Description,
    sha256: &str,
) -> Result<CompressedCodes<BufReader<File>>> {
    let file = BufReader::new(open_file(path)?);
    let code = description.model.code();
    open(file, code, description.shape(), sha256).with_context(|| path.display().to_string())
}
