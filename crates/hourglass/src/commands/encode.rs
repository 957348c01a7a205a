//! `hourglass encode`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hourglass_data::Subset;
use hourglass_store::SavedModel;
use hourglass_tasks::codes::{
    CodeRows, CodesFormat, CodesLayout, CodesWriter, LabelKind, PendingFile, write_header,
};

use crate::arguments::DeviceArguments;
use crate::backend::Chosen;
use crate::coding::Encode;
use crate::images::SourceArguments;
use crate::output::check_is_new;
use crate::usage::UsageError;

/// Write the codes of images to a .npy, .csv or .parquet file
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass encode variational --data mnist --out codes.npy --labels labels.npy\n  hourglass encode runs/conv-1 photos --out codes.csv\n  hourglass encode variational --data mnist --split train --out codes.parquet\n\nCodes are float32; those of variational models are the means. A table has the columns id (the path below the folder, or the image's number from 0), label (where there are labels) and z0, z1 and so on; an array is [images, code]. `hourglass decode` makes images from them again."
)]
pub(crate) struct Arguments {
    /// A run directory, or a published model
    model: PathBuf,
    #[command(flatten)]
    source: SourceArguments,
    /// The file to write; its name ends in .npy, .csv or .parquet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write the labels to this file too, an array of bytes in the order of the codes
    #[arg(long, value_name = "FILE.npy")]
    labels: Option<PathBuf>,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    CodesFormat::of(&arguments.out).map_err(|error| UsageError(format!("--out {error}")))?;
    let saved = SavedModel::find(&arguments.model)?;
    let description = saved.description()?;
    for path in [Some(&arguments.out), arguments.labels.as_ref()] {
        path.map_or(Ok(()), |path| check_is_new(path, arguments.force))?;
    }
    if arguments.labels.as_ref() == Some(&arguments.out) {
        bail!(UsageError(
            "--labels: expected another file than --out, found the same".into()
        ));
    }
    let images = arguments.source.open(&saved, &description)?;
    let labels = arguments.labels.as_ref();
    let labels = labels.map(|path| labels_file(path, &images)).transpose()?;
    let layout = CodesLayout {
        images: images.len(),
        code: description.model.code(),
        labels: LabelKind::of(images.dataset()),
    };
    let mut writer = CodesWriter::create(&arguments.out, layout)?;
    Chosen::from_arguments(&arguments.device)?.run(Encode {
        saved: &saved,
        images: &images,
        take: |rows: CodeRows| Ok(writer.write(&rows)?),
    })?;
    writer.finish()?;
    labels.map_or(Ok(()), PendingFile::finish)?;
    say!("{}", arguments.out.display())?;
    Ok(())
}

fn labels_file(path: &Path, images: &Subset) -> Result<PendingFile> {
    if path.extension().is_none_or(|extension| extension != "npy") {
        bail!(UsageError(format!(
            "--labels {}: expected a name that ends in .npy",
            path.display()
        )));
    }
    let dataset = images.dataset();
    let labels = dataset.labels().with_context(|| {
        format!(
            "--labels: expected images with labels, found none in {}",
            dataset.name()
        )
    })?;
    let indices = images.indices().iter();
    let labels: Vec<u8> = indices.map(|&index| labels[index as usize]).collect();
    let mut file = PendingFile::create(path)?;
    write_header::<u8>(&mut file, &[labels.len() as u64])?;
    std::io::Write::write_all(&mut file, &labels)?;
    Ok(file)
}
