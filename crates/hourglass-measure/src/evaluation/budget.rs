//! What a measure may cost: a number of values, so that how many images it uses depends on their number and size and on the
//! code's size, but not on the machine.

use hourglass_data::Subset;

use crate::source::EVALUATION_SEED;

/// Values that the images of a measure may have together, counted as often as a model is shown them: about a minute's work
/// for two cores. The error, PSNR, SSIM and a model's own terms are measured on all images.
const VALUES: usize = 1 << 31;

/// The images that a measure uses which shows each to the model so many times: all, or a sample of very many.
pub(super) fn sample(split: &Subset, times: usize) -> Subset {
    let most = VALUES / times.max(1) / split.dataset().features();
    split.sample(most.max(1), EVALUATION_SEED)
}

/// How many Jacobians, `[code, features]` each, a measure computes at most: they are as large as so many images, and so
/// many multiplications for each of their values decompose them.
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
