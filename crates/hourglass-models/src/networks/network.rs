//! An encoder and a decoder with their weights.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::jacobian;
use super::layer::{Layer, forward, linear_positions};

/// An encoder and a decoder, each equal to a `torch.nn.Sequential` of the same layers in the same places.
#[derive(Module, Debug)]
pub struct Network<B: Backend> {
    /// From images to codes.
    pub encoder: Vec<Layer<B>>,
    /// From codes to the parameters of p(x|h).
    pub decoder: Vec<Layer<B>>,
}

impl<B: Backend> Network<B> {
    /// # Shapes
    /// - images: `[batch, features]`
    /// - output: `[batch, encoder outputs]`
    pub fn encode(&self, images: Tensor<B, 2>) -> Tensor<B, 2> {
        forward(&self.encoder, images, &[])
    }

    /// The inputs of one of the encoder's fully connected layers.
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    /// - output: `[batch, inputs of the layer]`
    pub fn inputs_of_linear(&self, layer: usize, images: Tensor<B, 2>) -> Tensor<B, 2> {
        let position = linear_positions(&self.encoder)[layer];
        forward(&self.encoder[..position], images, &[])
    }

    /// The positions of the fully connected layers in the encoder and in the decoder.
    pub(crate) fn linear_positions(&self) -> [Vec<usize>; 2] {
        [&self.encoder, &self.decoder].map(|stack| linear_positions(stack))
    }

    /// The Jacobian of the encoder at each image, at the cost of a backward pass for each of its outputs.
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    /// - output: `[batch, encoder outputs, features]`
    pub fn jacobian(&self, images: Tensor<B, 2>) -> Tensor<B, 3> {
        jacobian::matrices(&self.encoder, images)
    }

    /// # Shapes
    /// - codes: `[batch, code]`
    /// - output: `[batch, features]`
    pub fn decode(&self, codes: Tensor<B, 2>) -> Tensor<B, 2> {
        forward(&self.decoder, codes, &self.encoder)
    }
}
