//! Checks that what a model gives is finite. The check comes before values become pixels: a sigmoid turns even infinite values
//! into 0 or 1, so that a file would hold what looks like an image.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_measure::host;
use hourglass_models::{Autoencoder, Model};

/// A model gives values that are not finite.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "image {image}: expected finite values, found {value}; the weights or the codes are damaged, or the training has diverged"
)]
pub struct NotFinite {
    /// The image, from 0.
    pub image: usize,
    /// What was found.
    pub value: f32,
}

/// # Shapes
/// - values: `[images, width]`; `first` is the number of the first one
pub(crate) fn check_finite(values: &[f32], width: usize, first: usize) -> Result<(), NotFinite> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(place) => Err(NotFinite {
            image: first + place / width.max(1),
            value: values[place],
        }),
    }
}

/// The means of p(x|h) at codes; `first` is the number of the first image.
///
/// # Shapes
/// - codes: `[images, code]`
/// - output: `[images, features]`
pub(crate) fn means<B: Backend>(
    model: &Model<B>,
    codes: Tensor<B, 2>,
    first: usize,
) -> Result<Vec<f32>, NotFinite> {
    let parameters = model.decode(codes);
    let [_, features] = parameters.dims();
    check_finite(&host(parameters.clone()), features, first)?;
    Ok(host(model.likelihood().mean(parameters)))
}

/// The means of p(x|h) at the codes of images.
///
/// # Shapes
/// - images, output: `[images, features]`
pub(crate) fn reconstruct<B: Backend>(
    model: &Model<B>,
    images: Tensor<B, 2>,
) -> Result<Vec<f32>, NotFinite> {
    let codes = model.encode(images);
    let [_, code] = codes.dims();
    check_finite(&host(codes.clone()), code, 0)?;
    means(model, codes, 0)
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, ModuleMapper, Param};
    use burn_flex::Flex;
    use hourglass_models::{ModelConfig, Shape};

    use super::*;

    /// Makes every weight so large.
    struct Scale(f32);

    impl<B: Backend> ModuleMapper<B> for Scale {
        fn map_float<const D: usize>(
            &mut self,
            parameter: Param<Tensor<B, D>>,
        ) -> Param<Tensor<B, D>> {
            parameter.map(|tensor| tensor * self.0)
        }
    }

    #[test]
    fn an_overflow_is_no_image() {
        let config: ModelConfig = serde_json::from_str(
            r#"{"family": "variational", "network": {"kind": "mlp", "hidden": [8], "code": 2}}"#,
        )
        .expect("settings");
        let device = Default::default();
        let model = config
            .init::<Flex>(Shape::new(1, 2, 2), 0, &device)
            .expect("a model");
        let images = || Tensor::<Flex, 2>::full([3, 4], 0.5, &device);
        let codes = || Tensor::<Flex, 2>::full([3, 2], 0.5, &device);
        assert_eq!(reconstruct(&model, images()).expect("images").len(), 12);
        assert_eq!(means(&model, codes(), 0).expect("images").len(), 12);
        let huge = model.map(&mut Scale(1e30));
        // The sigmoid hides it: the pixels are numbers.
        assert!(
            host(huge.likelihood().mean(huge.decode(codes())))
                .iter()
                .all(|value| value.is_finite())
        );
        let error = means(&huge, codes(), 7).expect_err("an overflow");
        assert!(error.image == 7 && !error.value.is_finite(), "{error}");
        reconstruct(&huge, images()).expect_err("an overflow");
    }
}
