//! What `reconstruct`, `denoise` and `inpaint` share: images in, images and a grid out.

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::tensor::backend::AutodiffBackend;
use fs_err as fs;
use hourglass_data::{Kind, Subset, measuring_sizes};
use hourglass_figures::image_grid;
use hourglass_files::{write_atomically, write_quickly};
use hourglass_models::Shape;
use hourglass_store::{Description, SavedModel};
use hourglass_tasks::codes::image_id;
use hourglass_tasks::{
    ErrorSummary, RestorationSummary, Restore, RowsWriter, image_file_name, png, restore_images,
};
use hourglass_train::self_check::Sizes;
use serde_json::{Value, json};

use crate::arguments::DeviceArguments;
use crate::backend::{Chosen, SelfCheck, Task};
use crate::finished::{check_model, name_of};
use crate::images::SourceArguments;
use crate::picture::scale_for;
use crate::progress::Stages;
use crate::usage::UsageError;

/// The most images per row of the grid.
const COLUMNS: usize = 16;

#[derive(Debug, clap::Args)]
pub(crate) struct RestorationArguments {
    /// A run directory, or a published model
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Use only the first N images
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// The directory to write to: images as PNG files in images/, and grid.png; rows as rows.csv; vectors as vectors.npy
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many images grid.png shows
    #[arg(long, value_name = "N", default_value = "32")]
    grid: NonZeroUsize,
    /// Write only grid.png
    #[arg(long)]
    grid_only: bool,
    /// The width in screen pixels at which grid.png shows one pixel of an image [default: enough to make small images visible]
    #[arg(long, value_name = "N")]
    scale: Option<NonZeroUsize>,
    /// Write into a directory that is not empty, and overwrite files of the same names
    #[arg(long)]
    force: bool,
    /// Print the numbers as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArguments,
}

/// The model that is used, and the images.
pub(crate) struct Prepared<'a> {
    arguments: &'a RestorationArguments,
    pub(crate) saved: SavedModel,
    pub(crate) description: Description,
    pub(crate) images: Subset,
}

/// What a command tells about its work.
pub(crate) struct RestorationWords {
    /// Whether the images are what should come out.
    pub(crate) truth: bool,
    /// What the baseline is.
    pub(crate) baseline: &'static str,
    /// Settings for `--json`, by name.
    pub(crate) settings: Vec<(&'static str, Value)>,
}

impl RestorationArguments {
    /// Checks the arguments and opens model and samples.
    pub(crate) fn prepare(&self) -> Result<Prepared<'_>> {
        self.prepare_as(Description::clone)
    }

    /// The same for samples that the model takes in another way.
    pub(crate) fn prepare_as(
        &self,
        taken: impl FnOnce(&Description) -> Description,
    ) -> Result<Prepared<'_>> {
        let saved = SavedModel::find(&self.model)?;
        let description = taken(&saved.description()?);
        let is_empty = !self.out.exists() || fs::read_dir(&self.out)?.next().is_none();
        if !(is_empty || self.force) {
            bail!(
                "{}: expected a new directory, found one that is not empty; use --force to write into it",
                self.out.display()
            );
        }
        let images = self.source.open(&saved, &description)?;
        let images = match self.limit {
            Some(limit) => images.limit(limit as usize)?,
            None => images,
        };
        Ok(Prepared {
            arguments: self,
            saved,
            description,
            images,
        })
    }
}

impl Prepared<'_> {
    /// Restores all images, writes the files and prints the numbers.
    pub(crate) fn run(&self, how: &mut impl Restore, words: &RestorationWords) -> Result<()> {
        let arguments = self.arguments;
        let chosen = Chosen::from_arguments(&arguments.device)?;
        let outcome = chosen.run(Restoring {
            prepared: self,
            how,
            truth: words.truth,
        })?;
        fs::create_dir_all(&arguments.out)?;
        if self.description.input.kind() == Kind::Image {
            let shape = self.description.shape();
            let scale = scale_for(arguments.scale, shape);
            let shown = arguments.grid.get().min(outcome.images);
            let columns = COLUMNS.min(shown);
            let grid = image_grid(&outcome.grid, shape.to_array(), columns, scale)?;
            write_atomically(&arguments.out.join("grid.png"), &grid)?;
        }
        if arguments.json {
            say!("{:#}", self.to_json(words, &outcome, &chosen))?;
        } else {
            crate::output::text(&self.text(words, &outcome))?;
            say!("{}", arguments.out.display())?;
        }
        Ok(())
    }

    fn to_json(
        &self,
        words: &RestorationWords,
        outcome: &RestorationSummary,
        chosen: &Chosen,
    ) -> Value {
        let mut value = json!({
            "model": self.arguments.model,
            "family": self.description.model.family(),
            "data": self.images.dataset().name(),
            "images": outcome.images,
            "backend": chosen.name(),
            "out": self.arguments.out,
        });
        let Value::Object(map) = &mut value else {
            return value;
        };
        for (name, setting) in &words.settings {
            map.insert((*name).into(), setting.clone());
        }
        map.insert("rounds".into(), json!(outcome.rounds));
        let errors = json!({"model": outcome.model, "baseline": outcome.baseline});
        map.insert("errors".into(), errors);
        value
    }

    fn text(&self, words: &RestorationWords, outcome: &RestorationSummary) -> String {
        let name = self.images.dataset().name();
        let kind = self.description.input.kind();
        let mut text = match outcome.images {
            1 => format!("1 {} of {name}\n", kind.one()),
            count => format!("{count} {} of {name}\n", kind.many()),
        };
        let Some(model) = &outcome.model else {
            return text;
        };
        let width = words.baseline.len().max(5);
        let unknown = match model.unknown_squared_error {
            Some(_) => "       of what is unknown",
            None => "",
        };
        let psnr = match model.psnr {
            Some(_) => "           PSNR, dB",
            None => "",
        };
        text += &format!("  {:width$}      squared error{unknown}{psnr}\n", "");
        let rows = [
            ("model", Some(model)),
            (words.baseline, outcome.baseline.as_ref()),
        ];
        for (name, errors) in rows {
            if let Some(errors) = errors {
                text += &format!("  {name:width$} {}\n", numbers(errors));
            }
        }
        text
    }
}

fn numbers(errors: &ErrorSummary) -> String {
    let columns = [
        Some(errors.squared_error),
        errors.unknown_squared_error,
        errors.psnr,
    ];
    let widths = [18, 24, 18];
    let texts = columns
        .into_iter()
        .zip(widths)
        .filter_map(|(estimate, width)| {
            let estimate = estimate?;
            let text = match estimate.standard_error {
                Some(error) => format!("{:.3} ± {error:.3}", estimate.value),
                None => format!("{:.3}", estimate.value),
            };
            Some(format!("{text:>width$}"))
        });
    texts.collect::<Vec<_>>().join(" ")
}

struct Restoring<'a, R> {
    prepared: &'a Prepared<'a>,
    how: &'a mut R,
    truth: bool,
}

impl<R: Restore> Task for Restoring<'_, R> {
    type Output = Result<RestorationSummary>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Result<RestorationSummary> {
        let Prepared {
            arguments,
            saved,
            description,
            images,
        } = self.prepared;
        let load = || saved.load::<B>(device).context("the model can't be loaded");
        let sizes = Sizes {
            with_gradients: measuring_sizes(images.len(), images.shape()).to_vec(),
            losses: match self.how.prepared_from() {
                Some(images) => measuring_sizes(images.len(), images.shape()).to_vec(),
                None => Vec::new(),
            },
        };
        check_model(
            self_check,
            load,
            &description.model,
            None,
            images,
            &sizes,
            device,
        )?;
        let model = load()?;
        let written = !arguments.grid_only;
        let mut files = match description.input.kind() {
            Kind::Image => Target::Images(Files {
                directory: written.then(|| arguments.out.join("images")),
                last: None,
            }),
            _ if !written => bail!(UsageError(
                "--grid-only: expected a model of images, of which alone there is a grid; leave it out".into()
            )),
            kind => Target::Rows(rows_writer(&arguments.out, kind, description, images)?),
        };
        let mut stages = Stages::new();
        let outcome = restore_images(
            &model,
            images,
            self.how,
            device,
            (self.truth, arguments.grid.get()),
            &mut |index, values| match &mut files {
                Target::Images(files) => {
                    let name = || image_file_name(images.dataset(), index as usize);
                    files.write(name, values, description.shape())
                }
                Target::Rows(rows) => rows
                    .write(&[image_id(images.dataset(), index)], values)
                    .map_err(io::Error::other),
            },
            &mut |phase, done, total| stages.update(phase, done, total),
        );
        stages.finish();
        let outcome = outcome.with_context(|| name_of(saved))?;
        if let Target::Rows(rows) = files {
            rows.finish()?;
        }
        Ok(outcome)
    }
}

/// What restored samples are written to.
enum Target {
    Images(Files),
    Rows(RowsWriter),
}

/// A file of rows in the directory, in the user's units: `rows.csv`, or `vectors.npy`.
fn rows_writer(
    directory: &Path,
    kind: Kind,
    description: &Description,
    samples: &Subset,
) -> Result<RowsWriter> {
    fs::create_dir_all(directory)?;
    let name = match kind {
        Kind::Vectors => "vectors.npy",
        _ => "rows.csv",
    };
    let rows = samples.len() as u64;
    Ok(RowsWriter::create(
        &directory.join(name),
        &description.input,
        rows,
        true,
    )?)
}

/// Image files, in a directory where there is one.
struct Files {
    directory: Option<PathBuf>,
    /// The directory that was made last.
    last: Option<PathBuf>,
}

impl Files {
    fn write(
        &mut self,
        name: impl FnOnce() -> PathBuf,
        values: &[f32],
        shape: Shape,
    ) -> io::Result<()> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let path = directory.join(name());
        let parent = path.parent().unwrap_or(Path::new(""));
        if self.last.as_deref() != Some(parent) {
            fs::create_dir_all(parent)?;
            self.last = Some(parent.into());
        }
        let png = png(values, shape).map_err(io::Error::other)?;
        // There may be thousands.
        write_quickly(&path, &png)
    }
}
