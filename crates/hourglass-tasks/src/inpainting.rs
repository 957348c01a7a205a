//! Filling in the unknown pixels of images; the known ones stay as they are.
//!
//! - Projection: starting with the unknown pixels at the mean of the known ones, x <- known x + unknown g(f(x)) is repeated until
//!   nothing changes any more. It only needs reconstructions, so it works for every family.
//! - Latent: searches for the code that is the most probable given the known pixels, by Adam (Kingma & Ba 2015) on
//!   -log p(x_known|z) - log p(z). p(z) is the prior N(0, 1) of variational families; for other families, a normal distribution is
//!   fitted to the codes of training images.
//! - Gibbs: z is drawn from q(z|x), and x_unknown set to the means of p(x|z), in turn (after Rezende et al. 2014, appendix F). The
//!   result is the mean over the second half of the rounds. This is for variational families only.

use burn::module::{AutodiffModule, Module};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Bool, Tensor, TensorData};
use hourglass_data::Subset;
use hourglass_kernels::{sum, sum_dim};
use hourglass_measure::Progress;
use hourglass_models::{Autoencoder, Model, Shape, StepContext, Stream};

use crate::finite::{NotFinite, reconstruct};
use crate::mask::Mask;
use crate::prior::CodePrior;
use crate::restoration::{Restore, RestoreError, Restored};

/// Adam's step in each dimension of the code, in units of the prior's standard deviation.
const STEP_SIZE: f64 = 0.1;
/// Adam's decay rates of both moments, those of the paper.
const DECAY: [f64; 2] = [0.9, 0.999];
/// Rounds of projection before the most probable code is searched for.
const FIRST_ROUNDS: usize = 10;

/// How unknown pixels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InpaintMethod {
    /// Reconstructing again and again.
    Projection,
    /// The most probable code.
    Latent,
    /// Draws of the code, and the pixels given it, in turn.
    Gibbs,
}

/// Hides pixels of images and fills them in.
#[derive(Debug, Clone)]
pub struct Inpainter {
    /// Which pixels are unknown.
    pub mask: Mask,
    /// The shape of the images.
    pub shape: Shape,
    /// How they are filled in.
    pub method: InpaintMethod,
    /// The most rounds or steps.
    pub steps: usize,
    /// Projection ends when no image's unknown pixels change by more than this (root mean square).
    pub tolerance: f64,
    /// The seed of random masks and of draws.
    pub seed: u64,
    /// p(z), for [`InpaintMethod::Latent`]. If it is not given, it is fitted to the codes of the training images; if there
    /// are none, it is N(0, 1).
    pub prior: Option<CodePrior>,
    /// The images that the model was trained on, or similar ones.
    pub training: Option<Subset>,
}

impl Restore for Inpainter {
    fn prepared_from(&self) -> Option<&Subset> {
        let is_fitted = self.method == InpaintMethod::Latent && self.prior.is_none();
        self.training.as_ref().filter(|_| is_fitted)
    }

    fn prepare<B: AutodiffBackend>(
        &mut self,
        model: &Model<B>,
        device: &B::Device,
        progress: Progress<'_>,
    ) -> Result<(), RestoreError> {
        if let Some(images) = self.prepared_from() {
            self.prior = Some(CodePrior::fit(&model.valid(), images, device, progress)?);
        }
        Ok(())
    }

    fn restore<B: AutodiffBackend>(
        &self,
        model: &Model<B>,
        images: &[f32],
        indices: &[u32],
        batch: u64,
        device: &B::Device,
    ) -> Result<Restored, NotFinite> {
        let features = self.shape.features();
        let unknown: Vec<bool> = indices
            .iter()
            .flat_map(|&index| self.mask.unknown(self.shape, self.seed, u64::from(index)))
            .collect();
        let filled = fill_with_means(images, &unknown, self.shape);
        let shape = [indices.len(), features];
        let unknowns = Unknowns::<B::InnerBackend> {
            filled: Tensor::from_data(TensorData::new(filled.clone(), shape), device),
            unknown: Tensor::from_data(TensorData::new(unknown.clone(), shape), device),
        };
        // What is filled in is clipped to [0, 1], which would hide that the model gives values that are not finite.
        reconstruct(&model.valid(), unknowns.filled.clone())?;
        let (restored, rounds) = match self.method {
            InpaintMethod::Projection => {
                unknowns.project(&model.valid(), self.steps, self.tolerance)
            }
            InpaintMethod::Latent => {
                let inferred = unknowns.infer::<B>(model, self.prior.as_ref(), self.steps);
                (inferred, self.steps)
            }
            InpaintMethod::Gibbs => {
                // The rounds of each batch have noise of their own.
                let first = batch * self.steps as u64;
                let drawn = unknowns.sample(&model.valid(), self.steps, self.seed, first);
                (drawn, self.steps)
            }
        };
        let mut restored: Vec<f32> = restored.into_data().iter::<f32>().collect();
        let values = restored.iter_mut().zip(images).zip(&unknown);
        for ((restored, &image), &unknown) in values {
            *restored = if unknown {
                restored.clamp(0.0, 1.0)
            } else {
                image
            };
        }
        let shown = images.iter().zip(&unknown);
        Ok(Restored {
            given: Some(
                shown
                    .map(|(&image, &unknown)| if unknown { 0.5 } else { image })
                    .collect(),
            ),
            baseline: Some(filled),
            unknown: Some(unknown),
            restored,
            rounds,
        })
    }
}

/// Images whose unknown values are set to the mean of the known values in the same channel, or to 1/2 if none is known.
///
/// # Shapes
/// - images, unknown, output: `[batch * channels * height * width]`
fn fill_with_means(images: &[f32], unknown: &[bool], shape: Shape) -> Vec<f32> {
    let plane = (shape.height * shape.width).max(1);
    let planes = images.chunks(plane).zip(unknown.chunks(plane));
    let filled = planes.flat_map(|(values, unknown)| {
        let known = || values.iter().zip(unknown).filter(|(_, unknown)| !**unknown);
        let sum: f64 = known().map(|(&value, _)| f64::from(value)).sum();
        let mean = match known().count() {
            0 => 0.5,
            count => (sum / count as f64) as f32,
        };
        let values = values.iter().zip(unknown);
        values.map(move |(&value, &unknown)| if unknown { mean } else { value })
    });
    filled.collect()
}

/// A batch, `[batch, features]` each.
struct Unknowns<B: Backend> {
    /// The images with something in place of what is unknown.
    filled: Tensor<B, 2>,
    unknown: Tensor<B, 2, Bool>,
}

impl<B: Backend> Unknowns<B> {
    /// The images with their unknown pixels taken from others.
    fn with_unknown_of(&self, others: Tensor<B, 2>) -> Tensor<B, 2> {
        self.filled
            .clone()
            .mask_where(self.unknown.clone(), others.clamp(0.0, 1.0))
    }

    /// Reconstructs until nothing changes; returns the images and the number of rounds that it took.
    fn project(&self, model: &Model<B>, rounds: usize, tolerance: f64) -> (Tensor<B, 2>, usize) {
        let unknown = sum_dim(self.unknown.clone().float(), 1).clamp_min(1.0); // [batch, 1]
        let mut images = self.filled.clone();
        for round in 1..=rounds {
            let next = self.with_unknown_of(model.reconstruct(images.clone()));
            let change = next.clone() - images;
            images = next;
            let moved = sum_dim(change.clone() * change, 1) / unknown.clone();
            let largest: f64 = moved.max().into_data().iter::<f64>().next().unwrap_or(0.0);
            if largest.sqrt() <= tolerance {
                return (images, round);
            }
        }
        (images, rounds)
    }

    /// Draws codes and unknown pixels in turn.
    fn sample(&self, model: &Model<B>, rounds: usize, seed: u64, offset: u64) -> Tensor<B, 2> {
        let mut images = self.filled.clone();
        let mut sum = images.zeros_like();
        let first = rounds / 2;
        for round in 0..rounds {
            let Some(posterior) = model.posterior(images.clone()) else {
                return self.project(model, rounds, 0.0).0;
            };
            let context = StepContext::evaluate(seed, offset + round as u64);
            let (shape, device) = (posterior.mean.dims(), images.device());
            let codes = posterior.sample(context.normal(Stream::Epsilon, shape, &device));
            let means = model.likelihood().mean(model.decode(codes));
            if round >= first {
                sum = sum + means.clone();
            }
            images = self.with_unknown_of(means);
        }
        self.with_unknown_of(sum / (rounds - first).max(1) as f64)
    }

    /// The means of p(x|z) at the most probable z.
    fn infer<A: AutodiffBackend<InnerBackend = B>>(
        &self,
        model: &Model<A>,
        prior: Option<&CodePrior>,
        steps: usize,
    ) -> Tensor<B, 2> {
        let (start, _) = self.project(&model.valid(), FIRST_ROUNDS, 0.0);
        let start = model.valid().encode(start); // [batch, code]
        let [_, code] = start.dims();
        let standard = CodePrior::standard(code);
        let prior = prior.unwrap_or(&standard);
        // The search is in units of the prior, in which all dimensions are alike.
        let mut codes = prior.standardised(start);
        let model = model.clone().no_grad();
        let known = Tensor::<A, 2>::from_inner(self.unknown.clone().bool_not().float());
        let images = Tensor::<A, 2>::from_inner(self.filled.clone()) * known.clone();
        let [mut first, mut second] = [codes.zeros_like(), codes.zeros_like()];
        for step in 1..=steps {
            let latents = Tensor::<A, 2>::from_inner(codes.clone()).require_grad();
            // Where a pixel is unknown both are 0: a constant, without a gradient.
            let parameters = model.decode(prior.codes(latents.clone())) * known.clone();
            let likelihood = model.likelihood();
            let misfit = sum(likelihood.loss_per_image(parameters, images.clone()));
            let objective = misfit * prior.scale + sum(latents.clone() * latents.clone()) * 0.5;
            let Some(gradient) = latents.grad(&objective.backward()) else {
                break;
            };
            first = first * DECAY[0] + gradient.clone() * (1.0 - DECAY[0]);
            second = second * DECAY[1] + gradient.clone() * gradient * (1.0 - DECAY[1]);
            let power = i32::try_from(step).unwrap_or(i32::MAX);
            let [bias, second_bias] = DECAY.map(|decay| 1.0 - decay.powi(power));
            // The steps shrink to 0, so that the end does not depend on where the last one happened to lead.
            let size = STEP_SIZE * (1.0 - (step - 1) as f64 / steps as f64);
            let scale = (second.clone() / second_bias).sqrt() + 1e-8;
            codes = codes - first.clone() / bias / scale * size;
        }
        let model = model.valid();
        model.likelihood().mean(model.decode(prior.codes(codes)))
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::{Autodiff, NdArray};
    use hourglass_models::ModelConfig;

    use super::*;

    type B = Autodiff<NdArray>;

    fn model(family: &str, shape: Shape) -> Model<B> {
        let config = format!(
            r#"{{"family": "{family}", "network": {{"kind": "mlp", "hidden": [8], "code": 2}}}}"#
        );
        let config: ModelConfig = serde_json::from_str(&config).expect("a config");
        config.init(shape, 3, &Default::default()).expect("a model")
    }

    fn images(shape: Shape, count: usize) -> Vec<f32> {
        let values = (0..count * shape.features()).map(|place| (place * 37 % 256) as f32);
        values.map(|value| value / 255.0).collect()
    }

    #[test]
    fn known_pixels_are_never_touched() {
        for shape in [Shape::new(1, 4, 4), Shape::new(3, 4, 4)] {
            let images = images(shape, 3);
            for (family, method) in [
                ("undercomplete", InpaintMethod::Projection),
                ("undercomplete", InpaintMethod::Latent),
                ("variational", InpaintMethod::Projection),
                ("variational", InpaintMethod::Latent),
                ("variational", InpaintMethod::Gibbs),
            ] {
                let inpainting = Inpainter {
                    mask: "random:0.5".parse().expect("a mask"),
                    shape,
                    method,
                    steps: 7,
                    tolerance: 1e-4,
                    seed: 1,
                    prior: None,
                    training: None,
                };
                let model = model(family, shape);
                let restored =
                    inpainting.restore(&model, &images, &[0, 1, 2], 0, &Default::default());
                let restored = restored.expect("numbers");
                let unknown = restored.unknown.expect("a mask");
                let mut changed = 0;
                for ((restored, image), unknown) in
                    restored.restored.iter().zip(&images).zip(unknown)
                {
                    assert!(unknown || restored.to_bits() == image.to_bits());
                    changed += usize::from(restored != image);
                }
                assert!(changed > 10, "{family} {method:?}: {changed}");
            }
        }
    }

    /// Against a search of the whole plane of codes, with the objective written out.
    #[test]
    fn the_most_probable_code_is_found() {
        let shape = Shape::new(1, 4, 4);
        let device = Default::default();
        let unknown: Vec<bool> = (0..16).map(|pixel| pixel % 3 == 0).collect();
        let filled = images(shape, 1);
        let data = TensorData::new(filled.clone(), [1, 16]);
        let unknowns = Unknowns::<NdArray> {
            filled: Tensor::from_data(data, &device),
            unknown: Tensor::from_data(TensorData::new(unknown.clone(), [1, 16]), &device),
        };
        // Mean (0.5, -1), deviations 2 and 0.5, and no correlation.
        let points = [[2.5, -1.0], [-1.5, -1.0], [0.5, -0.5], [0.5, -1.5]];
        let spread: Vec<f64> = points.iter().flatten().copied().collect();
        let fitted = CodePrior::of_codes(&spread, 2).expect("a prior");
        // The variances of these four points are half of the squares.
        let fitted_moments = ([0.5, -1.0], [2.0, 0.125]);
        for (family, prior, (mean, variance)) in [
            ("variational", None, ([0.0, 0.0], [1.0, 1.0])),
            ("variational", Some(&fitted), fitted_moments),
            ("undercomplete", Some(&fitted), fitted_moments),
        ] {
            let model = model(family, shape);
            let restored = unknowns.infer::<B>(&model, prior, 400).into_data();
            let restored = restored.to_vec::<f32>().expect("f32");
            let model = model.valid();
            let objective = |code: [f32; 2]| {
                let codes = Tensor::<NdArray, 2>::from_data([code], &device);
                let means = model.likelihood().mean(model.decode(codes)).into_data();
                let means = means.to_vec::<f32>().expect("f32");
                let pixels = filled.iter().zip(&means).zip(&unknown);
                let pixels = pixels.filter(|(_, unknown)| !**unknown);
                let misfit = pixels.map(|((&x, &p), _)| match family {
                    "variational" => -f64::from(x * p.ln() + (1.0 - x) * (1.0 - p).ln()),
                    _ => f64::from(x - p).powi(2),
                });
                let prior = code.iter().zip(mean).zip(variance);
                let prior = prior.map(|((code, mean), variance): ((&f32, f64), f64)| {
                    0.5 * (f64::from(*code) - mean).powi(2) / variance
                });
                (misfit.sum::<f64>() + prior.sum::<f64>(), means)
            };
            let mut best = (f64::INFINITY, Vec::new());
            for row in -60..=60 {
                for column in -60..=60 {
                    let found = objective([row as f32 / 20.0, column as f32 / 20.0]);
                    if found.0 < best.0 {
                        best = found;
                    }
                }
            }
            for (found, expected) in restored.iter().zip(&best.1) {
                assert!(
                    (found - expected).abs() < 0.03,
                    "{family}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn projection_ends_where_nothing_moves() {
        let shape = Shape::new(1, 4, 4);
        let model = model("undercomplete", shape).valid();
        let device = Default::default();
        let unknown: Vec<bool> = (0..16).map(|pixel| pixel < 8).collect();
        let unknowns = Unknowns::<NdArray> {
            filled: Tensor::from_data(TensorData::new(images(shape, 1), [1, 16]), &device),
            unknown: Tensor::from_data(TensorData::new(unknown, [1, 16]), &device),
        };
        let (found, rounds) = unknowns.project(&model, 1000, 1e-6);
        assert!(rounds < 1000);
        let again = unknowns.with_unknown_of(model.reconstruct(found.clone()));
        let moved = (again - found).abs().max().into_scalar();
        assert!(moved < 1e-5, "{moved}");
    }

    #[test]
    fn means_are_those_of_the_known_pixels_of_each_channel() {
        let images = [0.25, 0.75, 1.0, 0.5, 0.5, 0.0];
        let unknown = [true, false, true, true, true, true];
        let filled = fill_with_means(&images, &unknown, Shape::new(2, 1, 3));
        assert_eq!(filled, [0.75, 0.75, 0.75, 0.5, 0.5, 0.5]);
    }
}
