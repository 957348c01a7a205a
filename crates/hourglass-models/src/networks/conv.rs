//! Convolutional networks: each convolution halves height and width, and the decoder mirrors the encoder.

use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::layer::{Convolution, Reshape, push_activation};
use super::weights::Weights;
use super::{Activation, Layer, Network};
use crate::config::{ConfigError, ImageShape, require};

/// Kernels are 4 x 4 with stride 2 and padding 1: height and width are halved, and doubled back, exactly.
const KERNEL: usize = 4;

/// Settings of a convolutional network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConvConfig {
    /// Channels after each convolution of the encoder, mirrored in the decoder.
    pub channels: Vec<usize>,
    /// The code's size.
    pub code: usize,
    /// The activation between layers.
    pub activation: Activation,
    /// The activation of the code.
    pub code_activation: Activation,
    /// The activation of the decoder's outputs; `linear` where they are logits.
    pub output_activation: Activation,
}

impl Default for ConvConfig {
    fn default() -> Self {
        Self {
            channels: vec![16, 32],
            code: 32,
            activation: Activation::Relu,
            code_activation: Activation::Linear,
            output_activation: Activation::Linear,
        }
    }
}

impl ConvConfig {
    /// The weights of the encoder's layers as matrices: the values that an output depends on, and the outputs.
    pub(super) fn weight_shapes(
        &self,
        shape: ImageShape,
        encoder_outputs: usize,
    ) -> Result<Vec<[usize; 2]>, ConfigError> {
        require(
            !self.channels.is_empty() && !self.channels.contains(&0),
            "network.channels",
            "at least one convolution, each of at least 1 channel",
            format!("{:?}", self.channels),
        )?;
        let [_, height, width] = shape;
        let halvings = u32::try_from(self.channels.len()).unwrap_or(u32::MAX);
        let divisor = 2_usize.checked_pow(halvings);
        require(
            divisor.is_some_and(|divisor| height % divisor == 0 && width % divisor == 0),
            "network.channels",
            &format!(
                "a height and width of {height} x {width} that can be halved once a convolution"
            ),
            format!("{} convolutions", self.channels.len()),
        )?;
        let maps = self.maps(shape);
        let kernels = maps
            .windows(2)
            .map(|pair| [pair[0][0].saturating_mul(KERNEL * KERNEL), pair[1][0]]);
        let flat = maps[maps.len() - 1]
            .iter()
            .fold(1_usize, |size, &length| size.saturating_mul(length));
        Ok(kernels.chain([[flat, encoder_outputs]]).collect())
    }

    /// The shapes of the image and of the maps after each convolution.
    fn maps(&self, shape: ImageShape) -> Vec<ImageShape> {
        let mut maps = vec![shape];
        for &channels in &self.channels {
            let [_, height, width] = maps[maps.len() - 1];
            maps.push([channels, height / 2, width / 2]);
        }
        maps
    }

    pub(super) fn init<B: Backend>(
        &self,
        shape: ImageShape,
        encoder_outputs: usize,
        weights: &mut Weights<'_, B>,
    ) -> Network<B> {
        let maps = self.maps(shape);
        let flat: usize = maps[maps.len() - 1].iter().product();

        let mut encoder = vec![Layer::Reshape(Reshape)];
        for pair in maps.windows(2) {
            let ([inputs, ..], [outputs, ..]) = (pair[0], pair[1]);
            let fan_in = inputs * KERNEL * KERNEL;
            encoder.push(Layer::Conv(Convolution {
                weight: weights.uniform([outputs, inputs, KERNEL, KERNEL], fan_in),
                bias: weights.uniform([outputs], fan_in),
                input: pair[0],
            }));
            push_activation(&mut encoder, self.activation);
        }
        encoder.push(Layer::Reshape(Reshape));
        encoder.push(Layer::Linear(weights.linear(flat, encoder_outputs)));
        push_activation(&mut encoder, self.code_activation);

        let mut decoder = vec![Layer::Linear(weights.linear(self.code, flat))];
        push_activation(&mut decoder, self.activation);
        decoder.push(Layer::Reshape(Reshape));
        for (place, pair) in maps.windows(2).enumerate().rev() {
            let ([outputs, ..], [inputs, ..]) = (pair[0], pair[1]);
            // PyTorch takes the second dimension of a transposed convolution's weight for its fan-in.
            let fan_in = outputs * KERNEL * KERNEL;
            decoder.push(Layer::ConvTranspose(Convolution {
                weight: weights.uniform([inputs, outputs, KERNEL, KERNEL], fan_in),
                bias: weights.uniform([outputs], fan_in),
                input: pair[1],
            }));
            if place > 0 {
                push_activation(&mut decoder, self.activation);
            }
        }
        push_activation(&mut decoder, self.output_activation);
        decoder.push(Layer::Reshape(Reshape));
        Network { encoder, decoder }
    }
}
