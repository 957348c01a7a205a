//! Brings the images of the catalog, of IDX files or of a `.npy` file to another shape, where one is asked for.

use std::path::Path;

use super::fit;
use super::kind::Request;
use crate::cache::{self, CacheJob, Images, Key, Progress, Unusable};
use crate::dataset::{Dataset, Split, Splits};
use crate::error::DataError;
use crate::options::{OnError, SourceReport};
use hourglass_samples::Shape;

/// The shape that images of the shape `found` are brought to.
pub(crate) fn wanted(found: Shape, request: &Request<'_>) -> Result<Shape, DataError> {
    match request.options.images.shape {
        Some(expected) if expected != found && request.options.images.strict => {
            Err(DataError::OtherShape {
                name: request.name.into(),
                expected,
                found,
            })
        }
        Some(shape) => Ok(shape),
        None => Ok(found),
    }
}

/// `splits` in the wanted shape; unchanged where they already have it.
pub(crate) fn open(
    splits: Splits,
    request: &Request<'_>,
    progress: Progress<'_>,
) -> Result<Splits, DataError> {
    let shape = wanted(splits.train().shape(), request)?;
    if shape == splits.train().shape() {
        return Ok(splits);
    }
    let root = Path::new(request.name);
    let datasets = [
        (Split::Train, Some(splits.train())),
        (Split::Test, splits.test().ok()),
    ];
    let images: Vec<(Split, Resized<'_>)> = datasets
        .into_iter()
        .filter_map(|(split, dataset)| {
            Some((
                split,
                Resized {
                    dataset: dataset?,
                    shape,
                },
            ))
        })
        .collect();
    let content = images
        .iter()
        .map(|(split, Resized { dataset, .. })| format!("{split} {}", dataset.sha256()));
    // A catalog name is no path, or is that of something else.
    let place = fs_err::canonicalize(root).unwrap_or_else(|_| root.into());
    let key = Key::new(&place, &request.options.images, content);
    let cached = cache::open_or_make(request.locations, &key, root, |directory| {
        let job = CacheJob {
            root,
            shape,
            splits: cache::borrowed(&images),
            on_error: OnError::Stop,
        };
        job.make(directory, progress)
    })?;
    cached.into_splits(request.name, None, SourceReport::default())
}

struct Resized<'a> {
    dataset: &'a Dataset,
    shape: Shape,
}

impl Images for Resized<'_> {
    fn count(&self) -> usize {
        self.dataset.len()
    }

    fn pixels(&self, index: usize) -> Result<Vec<u8>, Unusable> {
        let image = fit::from_planes(self.dataset.image(index), self.dataset.shape());
        Ok(fit::fit(image, self.shape, false)?)
    }

    fn id(&self, _: usize) -> Option<String> {
        None
    }

    fn label(&self, index: usize) -> Option<u8> {
        self.dataset.label(index)
    }
}
