//! Some of a dataset's images, in ascending order.

use std::sync::Arc;

use hourglass_samples::Shape;

use super::dataset::Dataset;
use super::order::{permutation, split_validation};
use crate::error::DataError;

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

    /// Samples by their indices, which ascend.
    pub(super) fn chosen(dataset: &Arc<Dataset>, indices: &[u32]) -> Self {
        Self {
            dataset: dataset.clone(),
            indices: indices.into(),
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

    /// `count` of the images, drawn at random, or all where there are not more.
    pub fn sample(&self, count: usize, seed: u64) -> Self {
        // The indices are 32 bits wide.
        let mut chosen = permutation(self.len() as u32, seed, 0);
        chosen.truncate(count);
        chosen.sort_unstable();
        let indices = chosen.iter().map(|&place| self.indices[place as usize]);
        self.with(&indices.collect::<Vec<u32>>())
    }

    /// The images that have one of some labels, each given by its name or its number.
    ///
    /// # Errors
    /// When there are no labels, or none of that name.
    pub fn of_labels<Text: AsRef<str>>(&self, labels: &[Text]) -> Result<Self, DataError> {
        let wanted = labels
            .iter()
            .map(|label| self.dataset.find_label(label.as_ref()))
            .collect::<Result<Vec<u8>, _>>()?;
        let has_one = |&&index: &&u32| {
            let label = self.dataset.label(index as usize);
            label.is_some_and(|label| wanted.contains(&label))
        };
        let indices: Vec<u32> = self.indices.iter().filter(has_one).copied().collect();
        Ok(self.with(&indices))
    }

    /// Holds out a fraction of the images, drawn at random: (training, validation).
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

    /// The shape of each image.
    pub fn shape(&self) -> Shape {
        self.dataset.shape()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_choose_images_and_unknown_ones_are_refused() {
        let shape = Shape::new(1, 1, 1);
        let dataset = |labels| Dataset::from_memory("six", shape, vec![0; 6], labels);
        let all = Subset::all(&Arc::new(dataset(Some(vec![3, 1, 3, 0, 1, 7])).unwrap()));
        assert_eq!(all.of_labels(&["3"]).unwrap().indices(), [0, 2]);
        assert_eq!(all.of_labels(&["7", "1"]).unwrap().indices(), [1, 4, 5]);
        let of_some = all.limit(2).unwrap().of_labels(&["3"]).unwrap();
        assert_eq!(of_some.indices(), [0]);
        for label in ["2", "-1", "cat", "256"] {
            let error = all.of_labels(&[label]).unwrap_err().to_string();
            assert!(
                error.contains("0, 1, 3, 7") && error.contains(label),
                "{error}"
            );
        }
        let unlabelled = Subset::all(&Arc::new(dataset(None).unwrap()));
        let error = unlabelled.of_labels(&["3"]).unwrap_err().to_string();
        assert!(error.contains("six has no labels"), "{error}");
    }
}
