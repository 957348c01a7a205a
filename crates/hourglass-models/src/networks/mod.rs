//! Networks: an encoder and a decoder, each a stack of layers.

mod activation;
mod conv;
mod layer;
mod mlp;
mod weights;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

pub use activation::Activation;
pub use conv::ConvConfig;
pub use layer::Layer;
pub use mlp::MlpConfig;

pub(crate) use layer::{forward, inputs, linear_weight};

use crate::config::{ConfigError, ImageShape, require};
use crate::jacobian;
use weights::Weights;

/// The most parameters that a network may ask for, 4 GiB of them: more is taken for a mistake.
const MAX_PARAMETERS: usize = 1 << 30;

/// The shape of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NetworkConfig {
    /// Fully connected layers.
    Mlp(MlpConfig),
    /// Convolutions that halve the image, then one fully connected layer.
    Conv(ConvConfig),
}

impl NetworkConfig {
    /// The code's size.
    pub fn code(&self) -> usize {
        match self {
            Self::Mlp(config) => config.code,
            Self::Conv(config) => config.code,
        }
    }

    /// The activation of the code.
    pub fn code_activation(&self) -> Activation {
        match self {
            Self::Mlp(config) => config.code_activation,
            Self::Conv(config) => config.code_activation,
        }
    }

    /// The activation of the decoder's outputs.
    pub fn output_activation(&self) -> Activation {
        match self {
            Self::Mlp(config) => config.output_activation,
            Self::Conv(config) => config.output_activation,
        }
    }

    pub(crate) fn validate(
        &self,
        shape: ImageShape,
        encoder_outputs: usize,
    ) -> Result<(), ConfigError> {
        require(
            self.code() > 0,
            "network.code",
            "a code of at least 1 unit",
            self.code(),
        )?;
        let encoder = count(&self.weight_shapes(shape, encoder_outputs)?);
        // Twice, for the decoder.
        let parameters = encoder.and_then(|count| count.checked_mul(2));
        require(
            parameters.is_some_and(|count| count <= MAX_PARAMETERS),
            "network",
            "at most 2^30 parameters",
            parameters.map_or("more than can be counted".to_owned(), |count| {
                format!("about {count}")
            }),
        )
    }

    /// A lower bound of the values in a network's file: the weights of the encoder. Nothing where the settings can't be
    /// used.
    pub fn least_values(&self, shape: ImageShape) -> Option<usize> {
        count(&self.weight_shapes(shape, self.code()).ok()?)
    }

    /// The weights of the encoder's layers as matrices.
    fn weight_shapes(
        &self,
        shape: ImageShape,
        encoder_outputs: usize,
    ) -> Result<Vec<[usize; 2]>, ConfigError> {
        match self {
            Self::Mlp(config) => config.weight_shapes(shape, encoder_outputs),
            Self::Conv(config) => config.weight_shapes(shape, encoder_outputs),
        }
    }

    /// Builds the network; the settings must be valid.
    pub(crate) fn init<B: Backend>(
        &self,
        shape: ImageShape,
        encoder_outputs: usize,
        seed: u64,
        device: &B::Device,
    ) -> Network<B> {
        let mut weights = Weights::new(seed, device);
        match self {
            Self::Mlp(config) => config.init(shape, encoder_outputs, &mut weights),
            Self::Conv(config) => config.init(shape, encoder_outputs, &mut weights),
        }
    }
}

/// A fully connected layer from `inputs` to `outputs` values, with weights drawn from `seed`.
pub(crate) fn initial_linear<B: Backend>(
    [inputs, outputs]: [usize; 2],
    seed: u64,
    device: &B::Device,
) -> Linear<B> {
    Weights::new(seed, device).linear(inputs, outputs)
}

/// The values of matrices of these shapes; nothing where there are too many to be counted.
fn count(shapes: &[[usize; 2]]) -> Option<usize> {
    shapes.iter().try_fold(0_usize, |total, [inputs, outputs]| {
        total.checked_add(inputs.checked_mul(*outputs)?)
    })
}

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
        let position = mlp::linear_positions(&self.encoder)[layer];
        forward(&self.encoder[..position], images, &[])
    }

    /// Where the fully connected layers stand, in the encoder and in the decoder.
    pub(crate) fn linear_positions(&self) -> [Vec<usize>; 2] {
        [&self.encoder, &self.decoder].map(|stack| mlp::linear_positions(stack))
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
