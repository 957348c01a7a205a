//! Corruption of images, for denoising autoencoders (Vincent et al. 2010, section 3.3).

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::step::{StepContext, Stream};

/// How images are corrupted; each kind has a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corruption {
    /// A share `level` of the pixels is set to 0; the others are not rescaled.
    #[default]
    Masking,
    /// Normal noise of standard deviation `level` is added; the result is not clipped.
    Gaussian,
    /// A share `level` of the pixels is set to 0 or to 1, with equal probability.
    SaltAndPepper,
}

impl Corruption {
    /// The corrupted images, with the noise of `step`.
    ///
    /// # Shapes
    /// - images, output: `[batch, features]`
    pub fn apply<B: Backend>(
        &self,
        images: Tensor<B, 2>,
        level: f64,
        step: &StepContext,
    ) -> Tensor<B, 2> {
        let (shape, device) = (images.dims(), images.device());
        let uniform = || step.uniform::<B>(Stream::Corruption, shape, &device);
        match self {
            Self::Masking => images.mask_fill(uniform().lower_elem(level), 0.0),
            Self::Gaussian => images + step.normal(Stream::Corruption, shape, &device) * level,
            Self::SaltAndPepper => {
                let draws = uniform();
                images
                    .mask_fill(draws.clone().lower_elem(level), 1.0)
                    .mask_fill(draws.lower_elem(level / 2.0), 0.0)
            }
        }
    }

    /// The name of the corruption for use in a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Masking => "masking",
            Self::Gaussian => "Gaussian noise",
            Self::SaltAndPepper => "salt and pepper",
        }
    }

    /// Whether `level` is one that this kind can have.
    pub fn accepts(&self, level: f64) -> bool {
        match self {
            Self::Masking | Self::SaltAndPepper => (0.0..=1.0).contains(&level),
            Self::Gaussian => level.is_finite() && level >= 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::NdArray;

    // f64 in all unit tests: the precision of a device is set once a process.
    type B = NdArray<f64>;

    fn corrupted(corruption: Corruption, level: f64) -> Vec<f64> {
        let images = Tensor::<B, 2>::full([100, 100], 0.5, &Default::default());
        corruption
            .apply(images, level, &StepContext::train(0, 0, 1))
            .into_data()
            .to_vec()
            .expect("f32")
    }

    fn share(values: &[f64], value: f64) -> f64 {
        values.iter().filter(|&&v| v == value).count() as f64 / values.len() as f64
    }

    #[test]
    fn masking_zeroes_its_share_and_leaves_the_rest() {
        let values = corrupted(Corruption::Masking, 0.3);
        assert!((share(&values, 0.0) - 0.3).abs() < 0.02);
        assert!((share(&values, 0.5) - 0.7).abs() < 0.02);
    }

    #[test]
    fn salt_and_pepper_splits_its_share() {
        let values = corrupted(Corruption::SaltAndPepper, 0.4);
        assert!((share(&values, 0.0) - 0.2).abs() < 0.02);
        assert!((share(&values, 1.0) - 0.2).abs() < 0.02);
    }

    #[test]
    fn gaussian_has_its_standard_deviation() {
        let values = corrupted(Corruption::Gaussian, 0.2);
        let variance = values.iter().map(|v| (v - 0.5).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((variance.sqrt() - 0.2).abs() < 0.01);
    }
}
