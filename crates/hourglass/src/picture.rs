//! Pictures of many images: a grid as a PNG, or a GIF that moves.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Result, bail};
use hourglass_figures::image_grid;
use hourglass_files::write_atomically;
use hourglass_models::Shape;
use hourglass_store::Description;
use hourglass_tasks::animation;

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
    /// Checks, before any work is done, that the picture can be written.
    pub(crate) fn check(&self, path: &Path) -> Result<()> {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        if extension != "png" && extension != "gif" {
            bail!(UsageError(format!(
                "--out: expected a name that ends in .png or .gif, found {}",
                path.display()
            )));
        }
        check_is_new(path, self.force)
    }

    /// Writes a grid of rows of images, or where the path is a GIF one frame after the other.
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
        let shape = description.shape;
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
