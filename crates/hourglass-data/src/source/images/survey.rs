//! The shape that images are brought to where none is asked for.

use std::path::Path;

use hourglass_samples::Shape;
use rayon::prelude::*;

use super::decode;
use super::folder::ImageFile;
use crate::error::DataError;
use crate::options::{ImageOptions, OnError};
use crate::source::fit;

/// The shape of the first image; where that is grey, and any other image has colours, with three channels.
pub(super) fn survey(
    root: &Path,
    files: &[&ImageFile],
    options: &ImageOptions,
) -> Result<Shape, DataError> {
    let decoded = |file: &ImageFile| {
        decode::open(&root.join(&file.relative)).map(|image| fit::shape_of(&image))
    };
    let mut first_fault = None;
    for file in files {
        match (decoded(file), options.on_error) {
            (Ok(shape), _) if shape.channels == 3 || options.strict => return Ok(shape),
            (Ok(shape), _) => {
                let colour = |file: &&ImageFile| {
                    let bytes = decode::read(&root.join(&file.relative));
                    bytes.is_ok_and(|bytes| decode::has_colour(&bytes).unwrap_or(false))
                };
                let channels = if files.par_iter().any(colour) { 3 } else { 1 };
                return Ok(Shape { channels, ..shape });
            }
            (Err(fault), OnError::Stop) => {
                return Err(DataError::Image {
                    path: root.join(&file.relative),
                    reason: fault.to_string(),
                });
            }
            (Err(fault), OnError::Skip) => {
                first_fault.get_or_insert_with(|| format!("{}: {fault}", file.id()));
            }
        }
    }
    Err(DataError::NothingUsable {
        path: root.into(),
        count: files.len(),
        first: first_fault.unwrap_or_default(),
    })
}
