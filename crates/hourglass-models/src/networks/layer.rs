//! The layers of a stack. Values stay `[batch, features]` between layers; convolutions reshape inside.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_kernels::{doubling_convolution, halving_convolution, linear, tied_linear};

use super::activation::Activation;

/// A layer of an encoder or a decoder.
#[derive(Module, Debug)]
pub enum Layer<B: Backend> {
    /// x W + b
    Linear(Linear<B>),
    /// x W^T + b, with the weight of a layer of the encoder.
    Tied(TiedLinear<B>),
    /// A convolution that halves height and width.
    Conv(Convolution<B>),
    /// A transposed convolution that doubles height and width.
    ConvTranspose(Convolution<B>),
    /// An elementwise activation.
    Activation(Elementwise),
    /// Keeps the place of `Flatten` or `Unflatten` in the PyTorch stack; it does nothing here.
    Reshape(Reshape),
}

/// A layer that is an activation.
#[derive(Module, Debug, Clone, Copy)]
pub struct Elementwise {
    /// f
    pub activation: Activation,
}

/// Keeps the place of a PyTorch layer that only reshapes.
#[derive(Module, Debug, Clone, Copy)]
pub struct Reshape;

/// A decoder's layer that uses the encoder's weights.
#[derive(Module, Debug)]
pub struct TiedLinear<B: Backend> {
    /// `[outputs]`
    pub bias: Param<Tensor<B, 1>>,
    /// The position in the encoder of the linear layer whose weight is used, transposed.
    #[module(skip)]
    pub source: usize,
}

/// The parameters of a 4 x 4 convolution with stride 2 and padding 1, plain or transposed.
#[derive(Module, Debug)]
pub struct Convolution<B: Backend> {
    /// `[outputs, inputs, 4, 4]`, or `[inputs, outputs, 4, 4]` where transposed
    pub weight: Param<Tensor<B, 4>>,
    /// `[outputs]`
    pub bias: Param<Tensor<B, 1>>,
    /// The shape of the input, `[channels, height, width]`.
    #[module(skip)]
    pub input: [usize; 3],
}

impl<B: Backend> Convolution<B> {
    fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        halving_convolution(x, self.input, self.weight.val(), self.bias.val())
    }

    fn forward_transposed(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        doubling_convolution(x, self.input, self.weight.val(), self.bias.val())
    }

    /// The product of a row vector for each output with the (plain) convolution's Jacobian.
    ///
    /// # Shapes
    /// - rows: `[n, outputs * height/2 * width/2]`
    /// - output: `[n, inputs * height * width]`
    pub(crate) fn pull_back(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        let [outputs, ..] = self.weight.dims();
        let [_, height, width] = self.input;
        let none = Tensor::zeros([self.input[0]], &rows.device());
        let shape = [outputs, height / 2, width / 2];
        doubling_convolution(rows, shape, self.weight.val(), none)
    }
}

/// The output of a stack; `encoder` holds the weights that tied layers use.
///
/// # Shapes
/// - x: `[batch, inputs of the stack]`
/// - output: `[batch, outputs of the stack]`
pub(crate) fn forward<B: Backend>(
    stack: &[Layer<B>],
    x: Tensor<B, 2>,
    encoder: &[Layer<B>],
) -> Tensor<B, 2> {
    stack.iter().fold(x, |x, layer| step(layer, x, encoder))
}

/// The input of each layer of an encoder, in order.
pub(crate) fn inputs<B: Backend>(stack: &[Layer<B>], x: Tensor<B, 2>) -> Vec<Tensor<B, 2>> {
    stack
        .iter()
        .scan(x, |x, layer| {
            let input = x.clone();
            *x = step(layer, input.clone(), &[]);
            Some(input)
        })
        .collect()
}

fn step<B: Backend>(layer: &Layer<B>, x: Tensor<B, 2>, encoder: &[Layer<B>]) -> Tensor<B, 2> {
    match layer {
        Layer::Linear(layer) => {
            let bias = layer.bias.as_ref().expect("every linear layer has a bias");
            linear(x, layer.weight.val(), bias.val())
        }
        Layer::Tied(tied) => tied_linear(x, linear_weight(&encoder[tied.source]), tied.bias.val()),
        Layer::Conv(convolution) => convolution.forward(x),
        Layer::ConvTranspose(convolution) => convolution.forward_transposed(x),
        Layer::Activation(elementwise) => elementwise.activation.forward(x),
        Layer::Reshape(_) => x,
    }
}

/// The weight of a linear layer, `[inputs, outputs]`.
pub(crate) fn linear_weight<B: Backend>(layer: &Layer<B>) -> Tensor<B, 2> {
    match layer {
        Layer::Linear(linear) => linear.weight.val(),
        other => unreachable!("a linear layer was expected, not {other:?}"),
    }
}

/// Appends an activation to a stack that has a layer for it to act on; `linear` takes no place, as in PyTorch.
pub(super) fn push_activation<B: Backend>(stack: &mut Vec<Layer<B>>, activation: Activation) {
    if !stack.is_empty() && activation != Activation::Linear {
        stack.push(Layer::Activation(Elementwise { activation }));
    }
}

/// The positions of a stack's fully connected layers, including those that use an encoder's weights.
pub(super) fn linear_positions<B: Backend>(stack: &[Layer<B>]) -> Vec<usize> {
    let is_linear = |(position, layer): (usize, &Layer<B>)| {
        matches!(layer, Layer::Linear(_) | Layer::Tied(_)).then_some(position)
    };
    stack.iter().enumerate().filter_map(is_linear).collect()
}
