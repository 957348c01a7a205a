//! The size of the batches in which models are measured or used.

use std::num::NonZeroUsize;

/// Images of a batch where models are measured or used: enough to keep a device busy.
const MEASURED_BATCH: usize = 500;

/// Values of such a batch at most, 8 MB: of large images there are fewer to a batch, which then takes well below a second.
const MEASURED_VALUES: usize = 1 << 21;

/// The images of a batch where models are measured or used. It is a function of an image's size alone, since noise is
/// drawn per batch: 500, or fewer of more than 4,194 values each.
pub fn measuring_batch(features: usize) -> NonZeroUsize {
    let images = (MEASURED_VALUES / features.max(1)).min(MEASURED_BATCH);
    NonZeroUsize::new(images).unwrap_or(NonZeroUsize::MIN)
}

/// The sizes of the batches that so many images are measured in; 0 where none is smaller.
pub fn measuring_sizes(images: usize, features: usize) -> [usize; 2] {
    let batch = measuring_batch(features).get();
    [batch.min(images), images % batch]
}
