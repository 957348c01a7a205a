//! Some of a dataset's images, in ascending order.

use std::sync::Arc;

use crate::order::split_validation;
use crate::{DataError, Dataset};

/// A dataset and the indices of the images that are meant. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Subset {
    dataset: Arc<Dataset>,
    indices: Arc<[u32]>,
}

impl Subset {
    /// All images.
    pub fn all(dataset: &Arc<Dataset>) -> Self {
        // An IDX header counts images in 32 bits.
        let indices = (0..dataset.len() as u32).collect();
        Self {
            dataset: dataset.clone(),
            indices,
        }
    }

    /// The first `count` images, or all where there are fewer.
    pub fn limit(&self, count: usize) -> Result<Self, DataError> {
        if count == 0 {
            return Err(DataError::BadSubset {
                setting: "data.limit",
                expected: "at least 1 image",
                found: "0".into(),
            });
        }
        Ok(self.with(&self.indices[..count.min(self.len())]))
    }

    /// Holds out a fraction of the images, by chance: (training, validation).
    pub fn split_validation(&self, fraction: f64, seed: u64) -> Result<(Self, Self), DataError> {
        let (training, validation) = split_validation(self.len() as u32, fraction, seed)?;
        let pick = |positions: Vec<u32>| -> Vec<u32> {
            positions
                .into_iter()
                .map(|position| self.indices[position as usize])
                .collect()
        };
        Ok((self.with(&pick(training)), self.with(&pick(validation))))
    }

    fn with(&self, indices: &[u32]) -> Self {
        Self {
            dataset: self.dataset.clone(),
            indices: indices.into(),
        }
    }

    /// The dataset that the indices point into.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// The indices of the images, ascending.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is no image, as in the validation part of a split with fraction 0.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}
