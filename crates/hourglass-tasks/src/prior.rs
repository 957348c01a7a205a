//! A prior for the codes of families without one: a normal distribution fitted to the codes of training images.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Mat, get_global_parallelism};
use hourglass_data::Subset;
use hourglass_kernels::sum;
use hourglass_measure::{Progress, input_batches};
use hourglass_models::{Autoencoder, Model};

use crate::mixture::{Mixture, MixtureError, MixtureOptions};

/// p(z) = N(m, L L^T), with z = m + L u of u from N(0, 1).
#[derive(Debug, Clone)]
pub struct CodePrior {
    code: usize,
    mean: Vec<f32>,
    /// L^T, row by row.
    factor: Vec<f32>,
    /// L^-T, row by row.
    inverse: Vec<f32>,
    /// The factor by which the reconstruction loss must be multiplied to be -log p(x|z) up to a constant.
    pub(crate) scale: f64,
}

impl CodePrior {
    /// N(0, 1), the prior of variational families.
    pub fn standard(code: usize) -> Self {
        let identity: Vec<f32> = (0..code * code)
            .map(|place| {
                if place / code == place % code {
                    1.0
                } else {
                    0.0
                }
            })
            .collect();
        Self {
            code,
            mean: vec![0.0; code],
            factor: identity.clone(),
            inverse: identity,
            scale: 1.0,
        }
    }

    /// The normal distribution of the codes of images.
    ///
    /// Squared errors have no unit. They are treated as those of a normal distribution whose variance is that of the images
    /// about their reconstructions.
    ///
    /// # Errors
    /// When the codes are not finite.
    pub fn fit<B: Backend>(
        model: &Model<B>,
        images: &Subset,
        device: &B::Device,
        progress: Progress<'_>,
    ) -> Result<Self, MixtureError> {
        let (mut all, mut error, mut done) = (Vec::new(), 0.0, 0);
        for batch in input_batches(model, images, device) {
            let codes = model.encode(batch.images.clone()); // [batch, code]
            let means = model.likelihood().mean(model.decode(codes.clone()));
            let difference = means - batch.images; // [batch, features]
            let squares = sum(difference.clone() * difference);
            all.extend(codes.into_data().iter::<f64>());
            error += squares.into_data().iter::<f64>().sum::<f64>();
            done += batch.batch.len();
            progress("encoding training images", done, images.len());
        }
        let values = images.len() * images.dataset().features();
        let variance = (error / values as f64).max(1e-8);
        let prior = Self::of_codes(&all, all.len() / images.len().max(1))?;
        Ok(Self {
            scale: model.likelihood().factor_to_nats(variance),
            ..prior
        })
    }

    /// # Shapes
    /// - codes: `[images, code]`
    pub(crate) fn of_codes(codes: &[f64], code: usize) -> Result<Self, MixtureError> {
        let options = MixtureOptions {
            components: 1,
            ..Default::default()
        };
        let fit = Mixture::fit(codes, code, &options, &mut |_, _, _| {})?;
        let (mean, factor) = fit.mixture.component(0);
        let mut inverse = Mat::<f64>::identity(code, code);
        solve_lower_triangular_in_place(factor, inverse.as_mut(), get_global_parallelism());
        // Columns of a matrix are rows of its transpose.
        let columns = |matrix: faer::MatRef<'_, f64>| -> Vec<f32> {
            let columns = matrix.col_iter();
            columns
                .flat_map(|column| column.iter().map(|&value| value as f32).collect::<Vec<_>>())
                .collect()
        };
        Ok(Self {
            code,
            mean: mean.iter().map(|&mean| mean as f32).collect(),
            factor: columns(factor),
            inverse: columns(inverse.as_ref()),
            scale: 1.0,
        })
    }

    /// m + L u of each row.
    ///
    /// # Shapes
    /// - standard, output: `[batch, code]`
    pub(crate) fn codes<B: Backend>(&self, standard: Tensor<B, 2>) -> Tensor<B, 2> {
        let device = standard.device();
        standard.matmul(self.square(&self.factor, &device)) + self.mean(&device)
    }

    /// L^-1 (z - m) of each row.
    ///
    /// # Shapes
    /// - codes, output: `[batch, code]`
    pub(crate) fn standardised<B: Backend>(&self, codes: Tensor<B, 2>) -> Tensor<B, 2> {
        let device = codes.device();
        (codes - self.mean(&device)).matmul(self.square(&self.inverse, &device))
    }

    fn mean<B: Backend>(&self, device: &B::Device) -> Tensor<B, 2> {
        Tensor::from_data(TensorData::new(self.mean.clone(), [1, self.code]), device)
    }

    fn square<B: Backend>(&self, values: &[f32], device: &B::Device) -> Tensor<B, 2> {
        let data = TensorData::new(values.to_vec(), [self.code, self.code]);
        Tensor::from_data(data, device)
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::NdArray;

    use super::*;

    /// Codes become uncorrelated with variance 1, and come back.
    #[test]
    fn standardised_codes_have_the_covariance_of_the_prior() {
        let codes: Vec<f64> = (0..600)
            .flat_map(|image| {
                let (a, b) = (
                    f64::from(image * 37 % 101) / 50.0,
                    f64::from(image * 53 % 89) / 40.0,
                );
                [a + 3.0, 2.0 * a - b]
            })
            .collect();
        let prior = CodePrior::of_codes(&codes, 2).expect("a prior");
        let tensor =
            Tensor::<NdArray, 2>::from_data(TensorData::new(codes, [600, 2]), &Default::default());
        let standard = prior.standardised(tensor.clone());
        let covariance = standard.clone().transpose().matmul(standard.clone()) / 600.0;
        let covariance: Vec<f32> = covariance.into_data().to_vec().expect("f32");
        for (found, expected) in covariance.iter().zip([1.0, 0.0, 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-2, "{covariance:?}");
        }
        let back = (prior.codes(standard) - tensor).abs().max().into_scalar();
        assert!(back < 1e-4, "{back}");
    }
}
