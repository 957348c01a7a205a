//! One batch of images, and its place among all batches.

use crate::dataset::Dataset;

/// Images in the form that models take, with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The index of each image in the dataset.
    pub indices: Vec<u32>,
    /// The pixels in [0, 1], image after image: `[batch, features]`.
    pub images: Vec<f32>,
    /// One label per image, where the dataset has labels.
    pub labels: Option<Vec<u8>>,
    /// The epoch, from 0.
    pub epoch: u64,
    /// The batch's place in its epoch, from 0.
    pub index_in_epoch: usize,
}

impl Batch {
    /// Reads the images at these indices, which form the batch at `cursor`.
    pub fn read(dataset: &Dataset, indices: &[u32], cursor: Cursor) -> Self {
        let mut images = Vec::with_capacity(indices.len() * dataset.features());
        for &index in indices {
            dataset.read(index as usize, &mut images);
        }
        let labels = indices
            .iter()
            .map(|&index| dataset.label(index as usize))
            .collect();
        Self {
            indices: indices.into(),
            images,
            labels,
            epoch: cursor.epoch,
            index_in_epoch: cursor.batch,
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Never true: a batch holds at least one image.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// A position in the endless stream of training batches, from which a resumed run continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The epoch, from 0.
    pub epoch: u64,
    /// The next batch within it, from 0.
    pub batch: usize,
}

impl Cursor {
    /// The position after `steps` batches from the start. `batches_per_epoch` must not be 0.
    pub fn after(steps: u64, batches_per_epoch: usize) -> Self {
        let per_epoch = batches_per_epoch as u64;
        Self {
            epoch: steps / per_epoch,
            batch: (steps % per_epoch) as usize,
        }
    }
}
