//! What models make, in a file: of images a grid as a PNG, or a GIF that moves; of rows and vectors a table or an array.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use hourglass_data::Kind;
use hourglass_figures::image_grid;
use hourglass_files::write_atomically;
use hourglass_models::Shape;
use hourglass_store::Description;
use hourglass_tasks::{RowsWriter, animation};

use crate::output::check_is_new;
use crate::usage::UsageError;

/// Screen pixels that the shorter side of an image gets at least, unless told otherwise.
const VISIBLE: usize = 56;

/// How a picture is written.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PictureArguments {
    /// The width in screen pixels at which one pixel of an image is drawn [default: enough to make small images visible]
    #[arg(long, value_name = "N")]
    pub(crate) scale: Option<NonZeroUsize>,
    /// How long a GIF shows each frame, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 150, value_parser = clap::value_parser!(u32).range(10..=60_000))]
    pub(crate) delay: u32,
    /// Overwrite an existing file
    #[arg(long)]
    pub(crate) force: bool,
}

impl PictureArguments {
    /// The file to write: the one that is asked for, or one of this name. Checks, before any work is done, that it can be
    /// written.
    pub(crate) fn target(
        &self,
        asked: Option<&Path>,
        name: &str,
        description: &Description,
    ) -> Result<PathBuf> {
        let (extensions, default): (&[&str], _) = match description.input.kind() {
            Kind::Image => (&["png", "gif"], "png"),
            Kind::Table => (&["csv", "parquet", "npy"], "csv"),
            Kind::Vectors => (&["npy", "parquet", "csv"], "npy"),
        };
        let path = match asked {
            Some(path) => path.to_owned(),
            None => PathBuf::from(name).with_extension(default),
        };
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        if !extensions.iter().any(|known| extension == *known) {
            bail!(UsageError(format!(
                "--out: expected a name that ends in .{}, since the model makes {}, found {}",
                extensions.join(" or ."),
                description.input.kind().many(),
                path.display()
            )));
        }
        check_is_new(&path, self.force)?;
        Ok(path)
    }

    /// Writes a grid of rows of images, or where the path is a GIF one frame after the other. Samples of other kinds are
    /// written one after the other, in the user's units.
    ///
    /// # Shapes
    /// - rows, and each of frames: rows of `[images, features]`
    pub(crate) fn write(
        &self,
        path: &Path,
        description: &Description,
        (rows, columns): (&[Vec<f32>], usize),
        frames: impl Iterator<Item = (Vec<f32>, usize)>,
    ) -> Result<()> {
        if description.input.kind() != Kind::Image {
            let features = description.shape().features();
            let count = rows.iter().map(|row| row.len() / features).sum::<usize>();
            let mut writer = RowsWriter::create(path, &description.input, count as u64, false)?;
            rows.iter().try_for_each(|row| writer.write(&[], row))?;
            writer.finish()?;
            return say!("{}", path.display());
        }
        let shape = description.shape();
        let scale = self.scale(shape);
        let bytes = if is_animation(path) {
            let frames: Result<Vec<_>, _> = frames
                .map(|(images, columns)| image_grid(&[images], shape.to_array(), columns, scale))
                .collect();
            animation(&frames?, self.delay)?
        } else {
            image_grid(rows, shape.to_array(), columns, scale)?
        };
        write_atomically(path, &bytes)?;
        say!("{}", path.display())?;
        Ok(())
    }

    fn scale(&self, shape: Shape) -> usize {
        scale_for(self.scale, shape)
    }
}

/// The scale asked for, or one that makes images of this shape visible.
pub(crate) fn scale_for(asked: Option<NonZeroUsize>, Shape { height, width, .. }: Shape) -> usize {
    let visible = VISIBLE.div_ceil(height.max(width).max(1));
    asked.map_or(visible, NonZeroUsize::get)
}

/// Whether a path is that of a GIF.
pub(crate) fn is_animation(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    extension.eq_ignore_ascii_case("gif")
}

/// There and back again, without the ends twice, so that a GIF does not jump.
pub(crate) fn to_and_fro(steps: usize) -> impl Iterator<Item = usize> {
    (0..steps).chain((1..steps.saturating_sub(1)).rev())
}
