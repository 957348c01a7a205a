//! The size of the batches in which models are measured or used.

use std::num::NonZeroUsize;

use hourglass_samples::Shape;

/// The most images in a batch where models are measured or used: enough to keep a device busy.
const MEASURED_BATCH: usize = 500;

/// The most values in such a batch, 8 MB. Large images come in smaller batches, each of which takes well below a second.
const MEASURED_VALUES: usize = 1 << 21;

/// How many images a batch holds where models are measured or used: 500, or fewer if each has more than 4,194 values. It
/// depends on an image's size alone, since noise is drawn per batch.
pub fn measuring_batch(features: usize) -> NonZeroUsize {
    let images = (MEASURED_VALUES / features.max(1)).min(MEASURED_BATCH);
    NonZeroUsize::new(images).unwrap_or(NonZeroUsize::MIN)
}

/// The sizes of the batches in which `images` images of a shape are measured or used: first the size of all full batches,
/// then that of the last one if it is smaller, or else 0.
pub fn measuring_sizes(images: usize, shape: Shape) -> [usize; 2] {
    let batch = measuring_batch(shape.features()).get();
    [batch.min(images), images % batch]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_images_are_taken_in_small_batches() {
        assert_eq!(measuring_sizes(1203, Shape::new(1, 28, 28)), [500, 203]);
        assert_eq!(measuring_sizes(3, Shape::new(3, 2048, 2048)), [1, 0]);
    }
}
