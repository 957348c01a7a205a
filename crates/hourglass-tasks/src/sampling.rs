//! New images for families without a prior: codes are drawn from a mixture that is fitted to the codes of training images.

use burn::tensor::backend::Backend;
use hourglass_data::measuring_batch;
use hourglass_measure::Progress;
use hourglass_measure::pca::Pca;
use hourglass_models::{Model, Shape};

use crate::finite::NotFinite;
use crate::mixture::{Mixture, MixtureError, MixtureFit, MixtureOptions};
use crate::stream::decoded_sparse;

/// For codes wider than this, the mixture is fitted to so many of their principal components, since the size of a covariance is
/// the square of the dimensions.
const MOST_DIMENSIONS: usize = 64;

/// The distribution of a model's codes.
pub struct CodeMixture {
    fit: MixtureFit,
    /// The principal components, for wide codes.
    pca: Option<Pca>,
    /// The smallest and the largest value of each dimension.
    ranges: Vec<(f32, f32)>,
}

impl CodeMixture {
    /// Fits a mixture to codes.
    ///
    /// # Errors
    /// When there are too few codes, or not all are finite.
    ///
    /// # Shapes
    /// - codes: `[images, code]`
    pub fn fit(
        codes: &[f32],
        code: usize,
        options: &MixtureOptions,
        progress: Progress<'_>,
    ) -> Result<Self, MixtureError> {
        let range = |dimension: usize| {
            let values = codes.iter().skip(dimension).step_by(code);
            values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| {
                (low.min(value), high.max(value))
            })
        };
        let pca = match code > MOST_DIMENSIONS {
            true => Some(Pca::fit(code, [codes], |_| {})?),
            false => None,
        };
        let points = match &pca {
            Some(pca) => pca.codes(MOST_DIMENSIONS, codes),
            None => codes.to_vec(),
        };
        let points: Vec<f64> = points.into_iter().map(f64::from).collect();
        Ok(Self {
            fit: Mixture::fit(&points, code.min(MOST_DIMENSIONS), options, progress)?,
            pca,
            ranges: (0..code).map(range).collect(),
        })
    }

    /// How the fit went.
    pub fn fitted(&self) -> &MixtureFit {
        &self.fit
    }

    /// The principal components that stand for wide codes, and their share of the codes' variance.
    pub fn principal_components(&self) -> Option<(usize, f64)> {
        let variances = self.pca.as_ref()?.variances();
        let total: f64 = variances.iter().sum();
        let kept: f64 = variances.iter().take(MOST_DIMENSIONS).sum();
        Some((MOST_DIMENSIONS, kept / total))
    }

    /// Codes drawn from the mixture, each value within the range of those it was fitted to.
    ///
    /// # Shapes
    /// - output: `[count, code]`
    pub fn sample(&self, count: usize, seed: u64) -> Vec<f32> {
        let points = self.fit.mixture.sample(count, seed);
        let code = self.ranges.len();
        let mut codes: Vec<f32> = match &self.pca {
            None => points.iter().map(|&value| value as f32).collect(),
            Some(pca) => {
                let components = pca.components(MOST_DIMENSIONS); // [code, kept]
                let rows = points.chunks_exact(components.ncols());
                let value = |point: &[f64], row: usize| {
                    let products = point
                        .iter()
                        .enumerate()
                        .map(|(k, value)| components[(row, k)] * value);
                    (pca.mean()[row] + products.sum::<f64>()) as f32
                };
                rows.flat_map(|point| (0..code).map(move |row| value(point, row)))
                    .collect()
            }
        };
        for row in codes.chunks_exact_mut(code) {
            for (value, &(low, high)) in row.iter_mut().zip(&self.ranges) {
                *value = value.clamp(low, high);
            }
        }
        codes
    }
}

/// The means of p(x|h) at codes, which are first made sparse if the family's codes are.
///
/// # Errors
/// When what the decoder gives is not finite.
///
/// # Shapes
/// - codes: `[images, code]`
/// - output: `[images, features]`
pub fn decode_images<B: Backend>(
    model: &Model<B>,
    codes: &[f32],
    code: usize,
    shape: Shape,
    device: &B::Device,
) -> Result<Vec<f32>, NotFinite> {
    let batch_size = measuring_batch(shape.features()).get();
    let mut images = Vec::new();
    for (batch, codes) in codes.chunks(batch_size * code.max(1)).enumerate() {
        let decoded = decoded_sparse(model, codes.to_vec(), code, batch * batch_size, device);
        images.extend(decoded?); // [batch, features]
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_codes_are_drawn_from_their_principal_components() {
        // 100 dimensions, in which the codes vary in 3 directions.
        let noise: Vec<f32> = (0..900)
            .map(|place: i32| ((place * 7919 % 1013) as f32) / 1013.0)
            .collect();
        let codes: Vec<f32> = noise
            .chunks_exact(3)
            .flat_map(|values| {
                let values = values.to_vec();
                (0..100).map(move |dimension| values[dimension % 3] + 2.0)
            })
            .collect();
        let options = MixtureOptions {
            components: 2,
            ..Default::default()
        };
        let mixture = CodeMixture::fit(&codes, 100, &options, &mut |_, _, _| {}).expect("a fit");
        let (kept, share) = mixture.principal_components().expect("wide codes");
        assert!(kept == 64 && share > 0.999_999);
        let drawn = mixture.sample(50, 3);
        for code in drawn.chunks_exact(100) {
            for (dimension, value) in code.iter().enumerate() {
                assert!((2.0..=3.0).contains(value));
                assert!(
                    (value - code[dimension % 3]).abs() < 0.2,
                    "{dimension}: {value}"
                );
            }
        }
        assert_ne!(drawn[..100], drawn[100..200]);
    }
}
