//! The squared Frobenius norm of an encoder's Jacobian, ||dh/dx||_F^2, for each image (Rifai et al. 2011).
//!
//! Burn has no second derivatives, so the Jacobian is written out as tensor algebra. Starting at the code, row vectors are
//! pulled back through the layers: G <- G W^T through a linear layer and G <- G * f'(a) through an activation. Ordinary
//! reverse mode then differentiates the result.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_kernels::{product, row_sums, scaled_rows, squared_norms, sum_dim};

use super::activation::Activation;
use super::layer::{Layer, inputs, linear_weight};

/// The exact squared norm.
///
/// One linear layer has the closed form sum_j f'(a_j)^2 sum_i W_ij^2. Other encoders cost as much as `code` backward
/// passes.
///
/// # Shapes
/// - images: `[batch, features]`
/// - output: `[batch]`
pub(crate) fn exact<B: Backend>(encoder: &[Layer<B>], images: Tensor<B, 2>) -> Tensor<B, 1> {
    if encoder.iter().any(|layer| matches!(layer, Layer::Conv(_))) {
        return exact_by_rows(encoder, images);
    }
    let inputs = inputs(encoder, images);
    let (stack, slopes) = match encoder {
        [stack @ .., Layer::Activation(elementwise)] => {
            let activation = elementwise.activation;
            let slopes = activation.derivative(inputs[stack.len()].clone());
            (stack, Some(slopes))
        }
        stack => (stack, None),
    };
    let [below @ .., last] = stack else {
        unreachable!("an encoder has a linear layer");
    };
    let weight = linear_weight(last); // [inputs of the last layer, code]
    let [batch, _] = inputs[0].dims();
    let [_, code] = weight.dims();
    let slopes = slopes.unwrap_or_else(|| Tensor::ones([batch, code], &weight.device()));

    if below.is_empty() {
        let column_norms = sum_dim(weight.clone() * weight, 0); // [1, code]
        let squares = slopes.clone() * slopes * column_norms; // [batch, code]
        return row_sums(squares);
    }
    // The slopes of the code scale whole rows, and so their norms.
    let rows = weight.transpose(); // [code, width]
    let (between, rows) = match below {
        [between @ .., Layer::Activation(elementwise)] => {
            let activation = elementwise.activation;
            let slopes = activation.derivative(inputs[between.len()].clone());
            (between, scaled_rows(rows, slopes))
        }
        between => (between, rows.repeat_dim(0, batch)),
    }; // [batch * code, width]
    let [first, between @ ..] = between else {
        unreachable!("there is a linear layer below the last one");
    };
    let rows = pull_back(between, &inputs[1..], rows, code); // [batch * code, width of the first layer]
    let squares = squared_norms(rows, linear_weight(first)).reshape([batch, code]);
    row_sums(squares * slopes.clone() * slopes)
}

/// An unbiased estimate of the squared norm for any encoder: the mean of ||J^T v||^2 over random signs v, of which
/// rows `b * samples` to `(b + 1) * samples` belong to image b.
///
/// # Shapes
/// - images: `[batch, features]`
/// - signs: `[batch * samples, code]`
/// - output: `[batch]`
pub(crate) fn estimate<B: Backend>(
    encoder: &[Layer<B>],
    images: Tensor<B, 2>,
    signs: Tensor<B, 2>,
    samples: usize,
) -> Tensor<B, 1> {
    let inputs = inputs(encoder, images);
    sums_of_squares(pull_back(encoder, &inputs, signs, samples), samples) / samples as f64
}

/// The exact squared norm: as in [`estimate`], but with a unit vector for every unit of the code in place of random signs.
fn exact_by_rows<B: Backend>(encoder: &[Layer<B>], images: Tensor<B, 2>) -> Tensor<B, 1> {
    let jacobians = matrices(encoder, images);
    let [batch, code, features] = jacobians.dims();
    sums_of_squares(jacobians.reshape([batch * code, features]), code)
}

/// The Jacobian dh/dx of each image, for any encoder, at the cost of `code` backward passes through all layers but the last.
///
/// # Shapes
/// - images: `[batch, features]`
/// - output: `[batch, code, features]`
pub(crate) fn matrices<B: Backend>(encoder: &[Layer<B>], images: Tensor<B, 2>) -> Tensor<B, 3> {
    let [batch, features] = images.dims();
    let is_linear = |layer: &Layer<B>| matches!(layer, Layer::Linear(_));
    let last = encoder.iter().rposition(is_linear);
    let last = last.expect("an encoder's last layer with weights is a linear one");
    let inputs = inputs(encoder, images);

    // The Jacobian of the last layer is the weight itself, one row per unit, times the slopes of the activations after it.
    let weight = linear_weight(&encoder[last]).transpose(); // [code, inputs of the layer]
    let [code, width] = weight.dims();
    let mut rows = weight.unsqueeze_dim::<3>(0).repeat_dim(0, batch); // [batch, code, width]
    for (layer, input) in encoder.iter().zip(&inputs).skip(last + 1) {
        if let Layer::Activation(elementwise) = layer {
            let slopes = elementwise.activation.derivative(input.clone()); // [batch, code]
            rows = rows * slopes.unsqueeze_dim(2);
        }
    }
    let rows = rows.reshape([batch * code, width]);
    pull_back(&encoder[..last], &inputs, rows, code).reshape([batch, code, features])
}

/// Pulls row vectors back through a stack: `per_image` rows for each image.
///
/// # Shapes
/// - rows: `[batch * per_image, outputs of the stack]`
/// - output: `[batch * per_image, inputs of the stack]`
fn pull_back<B: Backend>(
    stack: &[Layer<B>],
    inputs: &[Tensor<B, 2>],
    rows: Tensor<B, 2>,
    per_image: usize,
) -> Tensor<B, 2> {
    let layers = stack.iter().zip(inputs).rev();
    layers.fold(rows, |rows, (layer, input)| match layer {
        Layer::Linear(_) => product(rows, linear_weight(layer).transpose()),
        Layer::Conv(convolution) => convolution.pull_back(rows),
        Layer::Activation(elementwise) => {
            scale_rows(rows, elementwise.activation, input.clone(), per_image)
        }
        Layer::Reshape(_) => rows,
        Layer::Tied(_) | Layer::ConvTranspose(_) => {
            unreachable!("layers of decoders only: {layer:?}")
        }
    })
}

fn scale_rows<B: Backend>(
    rows: Tensor<B, 2>,
    activation: Activation,
    input: Tensor<B, 2>,
    per_image: usize,
) -> Tensor<B, 2> {
    let [batch, width] = input.dims();
    let slopes = activation.derivative(input).unsqueeze_dim::<3>(1); // [batch, 1, width]
    (rows.reshape([batch, per_image, width]) * slopes).reshape([batch * per_image, width])
}

/// Sums of squares over the rows of each image, `[batch]`.
fn sums_of_squares<B: Backend>(rows: Tensor<B, 2>, per_image: usize) -> Tensor<B, 1> {
    let [count, width] = rows.dims();
    let rows = rows.reshape([count / per_image, per_image * width]);
    row_sums(rows.clone() * rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MlpConfig, NetworkConfig, StepContext, Stream};
    use burn::backend::NdArray;
    use hourglass_samples::Shape;

    type B = NdArray<f64>;

    fn encoder(hidden: Vec<usize>) -> Vec<Layer<B>> {
        let config = NetworkConfig::Mlp(MlpConfig {
            hidden,
            code: 5,
            activation: Activation::Tanh,
            code_activation: Activation::Sigmoid,
            ..MlpConfig::default()
        });
        config
            .init(Shape::new(1, 3, 4), 5, 1, &Default::default())
            .encoder
    }

    fn images() -> Tensor<B, 2> {
        StepContext::train(3, 0, 1).uniform(Stream::Corruption, [2, 12], &Default::default())
    }

    #[test]
    fn closed_form_and_rows_agree() {
        for hidden in [vec![], vec![7], vec![7, 6]] {
            let encoder = encoder(hidden);
            let difference = exact(&encoder, images()) - exact_by_rows(&encoder, images());
            assert!(difference.abs().max().into_scalar() < 1e-12);
        }
    }

    #[test]
    fn the_estimate_is_unbiased() {
        let (encoder, samples) = (encoder(vec![7]), 20_000);
        let signs = StepContext::train(4, 0, 1).signs(
            Stream::Rademacher,
            [2 * samples, 5],
            &Default::default(),
        );
        let expected = exact(&encoder, images());
        let error = (estimate(&encoder, images(), signs, samples) - expected.clone()) / expected;
        assert!(error.abs().max().into_scalar() < 0.03);
    }
}
