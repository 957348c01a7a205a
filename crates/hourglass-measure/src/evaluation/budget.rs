//! What a measure may cost. The cost is counted in values, so that the number of images that a measure uses depends on how many
//! images there are, on their size and on the code's size, but not on the machine.

use hourglass_data::Subset;

use crate::source::EVALUATION_SEED;

/// The most values that the images of a measure may have together, counted once for each time that a model is shown them:
/// about a minute's work for two cores. The error, PSNR, SSIM and a model's own terms are measured on all images.
const VALUES: usize = 1 << 31;

/// The images for a measure that shows each image to the model so many times: all, or a sample if there are very many.
pub(super) fn sample(split: &Subset, times: usize) -> Subset {
    let most = VALUES / times.max(1) / split.dataset().features();
    split.sample(most.max(1), EVALUATION_SEED)
}

/// The most Jacobians, `[code, features]` each, that a measure computes. A Jacobian is as large as `code` images, and its
/// decomposition takes about `2 * min(code, features)` multiplications for each of its values.
pub(super) fn jacobians(code: usize, features: usize) -> usize {
    const OPERATIONS: usize = 1 << 40;
    let values = code.saturating_mul(features);
    let operations = values.saturating_mul(2 * code.min(features));
    (VALUES / values).min(OPERATIONS / operations).max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hourglass_data::{Dataset, Shape};

    use super::*;

    #[test]
    fn large_images_and_wide_codes_are_fewer() {
        let shape = Shape::new(1, 512, 512);
        let images = vec![0; 20 * shape.features()];
        let dataset = Dataset::from_memory("large", shape, images, None).expect("images");
        let split = Subset::all(&Arc::new(dataset));
        assert_eq!(sample(&split, 1).indices(), split.indices());
        assert_eq!(sample(&split, 512).len(), 16);
        assert_eq!(sample(&split, usize::MAX).len(), 1);
        // As many as are asked for, unless told otherwise, for the codes of the recipes.
        assert!(jacobians(20, 784) >= 200 && jacobians(3000, 784) >= 200);
        assert_eq!(jacobians(32, 196_608), 341);
        assert_eq!(jacobians(100_000, 196_608), 1);
    }
}
