//! How strongly the code follows the image: the singular values of the encoder's Jacobian.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use faer::{Mat, Side};
use hourglass_models::{Activation, Autoencoder, Layer, Model};
use serde::Serialize;

use crate::evaluation::baseline::Baseline;
use crate::evaluation::basics::Evaluation;
use crate::evaluation::budget;
use crate::evaluation::measured::{Measured, left_out};
use crate::evaluation::part::{Part, Plan};
use crate::evaluation::quantity::{Outputs, Quantity};
use crate::evaluation::request::Request;
use crate::evaluation::subject::{LabelledImages, Subject};
use crate::measures::Estimate;
use crate::source::{Progress, host};
use hourglass_data::measuring_sizes;

/// Pixels of the images whose Jacobians are computed at a time. Their Jacobians have the code's size times as many values.
const PART: usize = 16_000;

/// A sigmoid unit below this value, or above 1 minus it, is saturated (Rifai et al. 2011); a tanh unit at the same share of
/// its range.
const SATURATED: f32 = 0.05;

/// The contraction of an encoder, on a sample of the images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contraction {
    /// Images in the sample: the first ones of the split, fewer if images are large or codes wide.
    pub images: usize,
    /// ||dh/dx||_F. Its standard error covers the choice of the images.
    pub jacobian_norm: Estimate,
    /// The singular values of dh/dx, largest first, each averaged over the images.
    pub singular_values: Vec<f64>,
    /// The share, over units and images of the whole split, of values in the outer twentieths of the range of a sigmoid or
    /// tanh unit.
    pub saturated_units: Measured<f64>,
}

impl Contraction {
    /// The norm, with its standard error over the images of the sample.
    pub const JACOBIAN_NORM: Quantity = Quantity {
        places: &["contraction.jacobian_norm"],
        decimals: 4,
        shown: Outputs::NOWHERE_ELSE,
        ..Evaluation::JACOBIAN_NORM
    };
    /// The share of units at the ends of their range.
    pub const SATURATED_UNITS: Quantity = Quantity {
        places: &["contraction.saturated_units"],
        title: "Saturated units",
        note: "in the outer twentieths of their range",
        unit: "%",
        factor: 100.0,
        decimals: 1,
        shown: Outputs::NOWHERE_ELSE,
        ..Quantity::PLAIN
    };
}

impl Part for Contraction {
    const SUMMARY: &'static str = "The Jacobian's norm and singular values, saturated units";

    const QUANTITIES: &'static [Quantity] = &[Self::JACOBIAN_NORM, Self::SATURATED_UNITS];

    fn measure<B: Backend>(
        subject: Subject<'_, B>,
        request: &Request<'_>,
        _baseline: Result<&Baseline, &str>,
        progress: Progress<'_>,
    ) -> Measured<Self> {
        measure(subject, request.jacobian_images, progress)
    }

    fn batch_sizes(plan: &Plan<'_>) -> Vec<usize> {
        let features = plan.split.dataset().features();
        let count = affordable(plan.request.jacobian_images, plan.config.code(), features);
        let images = measuring_sizes(count.min(plan.split.len()), plan.split.shape());
        let part = at_once(features);
        let sizes = images
            .iter()
            .flat_map(|&images| [part.min(images), images % part]);
        sizes.collect()
    }

    fn is_on_page<B: Backend>(model: &Model<B>, image: Tensor<B, 2>) -> bool {
        model.jacobian_norm(image).is_some()
    }
}

/// So many Jacobians, or as many as may be computed.
fn affordable(count: usize, code: usize, features: usize) -> usize {
    count.min(budget::jacobians(code, features))
}

/// The images whose Jacobians are computed at a time.
fn at_once(features: usize) -> usize {
    (PART / features).max(1)
}

/// Measures the Jacobian at the first `count` images, or at fewer where that would cost too much.
fn measure<B: Backend>(
    subject: Subject<'_, B>,
    count: usize,
    progress: Progress<'_>,
) -> Measured<Contraction> {
    let (code, features) = (subject.code(), subject.split.dataset().features());
    let count = affordable(count, code, features);
    let sample = match subject.split.limit(count) {
        Ok(sample) => sample,
        Err(error) => return left_out(error.to_string()),
    };
    let (mut norms, mut sums) = (Vec::new(), Vec::new());
    let sampled = Subject {
        split: &sample,
        ..subject
    };
    for LabelledImages { images, .. } in sampled.clean_batches() {
        for images in images.split(at_once(features), 0) {
            let Some(jacobians) = subject.model.jacobian(images) else {
                return left_out("the code is not a differentiable function of the image");
            };
            let [_, code, features] = jacobians.dims();
            for jacobian in host(jacobians).chunks_exact(code * features) {
                let values = match singular_values(jacobian, code, features) {
                    Ok(values) => values,
                    Err(reason) => return left_out(reason),
                };
                norms.push(values.iter().map(|value| value * value).sum::<f64>().sqrt());
                sums.resize(values.len(), 0.0);
                sums.iter_mut()
                    .zip(values)
                    .for_each(|(sum, value)| *sum += value);
                progress("measuring contraction", norms.len(), sample.len());
            }
        }
    }
    let Some(jacobian_norm) = Estimate::mean(&norms) else {
        return left_out("there are no images");
    };
    let images = norms.len();
    Measured::Value(Contraction {
        images,
        jacobian_norm,
        singular_values: sums
            .into_iter()
            .map(|sum: f64| sum / images as f64)
            .collect(),
        saturated_units: saturated(subject),
    })
}

/// The singular values of a row-major `[code, features]` matrix, largest first: the roots of the eigenvalues of J Jᵀ or Jᵀ J,
/// whichever is smaller. In double precision their error is 1e-8 of the largest, below that of a Jacobian in single
/// precision, and they take a fraction of the time of a singular value decomposition.
fn singular_values(jacobian: &[f32], code: usize, features: usize) -> Result<Vec<f64>, String> {
    // Units that are off, as most of a sparse code are, have rows of zeros.
    let is_on = |row: &&[f32]| row.iter().any(|&value| value != 0.0);
    let rows: Vec<&[f32]> = jacobian.chunks_exact(features).filter(is_on).collect();
    let matrix = Mat::from_fn(rows.len(), features, |row, column| {
        f64::from(rows[row][column])
    });
    let squares = match rows.len() < features {
        true => &matrix * matrix.transpose(),
        false => matrix.transpose() * &matrix,
    };
    let squares = squares.self_adjoint_eigenvalues(Side::Lower);
    let squares = squares.map_err(|_| "the singular values of a Jacobian did not converge")?;
    let mut values: Vec<f64> = squares
        .iter()
        .rev()
        .map(|square| square.max(0.0).sqrt())
        .collect();
    values.resize(code.min(features), 0.0);
    Ok(values)
}

fn saturated<B: Backend>(subject: Subject<'_, B>) -> Measured<f64> {
    let activation = match subject.model.network().encoder.last() {
        Some(Layer::Activation(layer)) => layer.activation,
        _ => Activation::Linear,
    };
    let share_of_range: fn(f32) -> f32 = match activation {
        Activation::Sigmoid => |value| value,
        Activation::Tanh => |value| (value + 1.0) / 2.0,
        _ => return left_out("only sigmoid and tanh units saturate at both ends"),
    };
    let (mut count, mut total) = (0_usize, 0_usize);
    for LabelledImages { images, .. } in subject.clean_batches() {
        let codes = host(subject.model.encode(images));
        let unsaturated = SATURATED..=1.0 - SATURATED;
        let saturated = |value: &&f32| !unsaturated.contains(&share_of_range(**value));
        count += codes.iter().filter(saturated).count();
        total += codes.len();
    }
    Measured::Value(count as f64 / total.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singular_values_are_those_of_a_known_matrix() {
        // Rows (3, 0, 4) and (0, 2, 0): lengths 5 and 2, at a right angle.
        let values = singular_values(&[3.0, 0.0, 4.0, 0.0, 2.0, 0.0], 2, 3).expect("values");
        assert!((values[0] - 5.0).abs() < 1e-12 && (values[1] - 2.0).abs() < 1e-12);
        // More units than pixels, and one that is off.
        let values = singular_values(&[3.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 2.0], 4, 2);
        let values = values.expect("values");
        assert_eq!(values.len(), 2);
        assert!((values[0] - 5.0).abs() < 1e-12 && (values[1] - 2.0).abs() < 1e-12);
    }
}
