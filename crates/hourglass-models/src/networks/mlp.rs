//! Fully connected networks: the encoder's widths, mirrored in the decoder.

use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::layer::{TiedLinear, push_activation};
use super::weights::Weights;
use super::{Activation, Layer, Network};
use crate::config::{ConfigError, ImageShape, require};

/// Settings of a fully connected network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpConfig {
    /// Widths of the encoder's hidden layers, mirrored in the decoder.
    pub hidden: Vec<usize>,
    /// The code's size.
    pub code: usize,
    /// The activation of the hidden layers.
    pub activation: Activation,
    /// The activation of the code.
    pub code_activation: Activation,
    /// The activation of the decoder's outputs; `linear` where they are logits.
    pub output_activation: Activation,
    /// Whether the decoder uses the encoder's weights, transposed.
    pub tied: bool,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self {
            hidden: vec![400],
            code: 32,
            activation: Activation::Relu,
            code_activation: Activation::Linear,
            output_activation: Activation::Linear,
            tied: false,
        }
    }
}

impl MlpConfig {
    /// The shapes of the encoder's weights, `[inputs, outputs]`.
    pub(super) fn weight_shapes(
        &self,
        shape: ImageShape,
        encoder_outputs: usize,
    ) -> Result<Vec<[usize; 2]>, ConfigError> {
        require(
            !self.hidden.contains(&0),
            "network.hidden",
            "widths of at least 1",
            format!("{:?}", self.hidden),
        )?;
        require(
            !self.tied || encoder_outputs == self.code,
            "network.tied",
            "false, since this family's encoder has more outputs than the code has units",
            true,
        )?;
        let widths = self.layer_widths(shape, encoder_outputs);
        Ok(widths.windows(2).map(|pair| [pair[0], pair[1]]).collect())
    }

    /// The widths from the images to the encoder's outputs.
    pub(crate) fn layer_widths(&self, shape: ImageShape, outputs: usize) -> Vec<usize> {
        let features = shape.iter().product();
        let inner = self.hidden.iter().copied();
        std::iter::once(features)
            .chain(inner)
            .chain([outputs])
            .collect()
    }

    pub(super) fn init<B: Backend>(
        &self,
        shape: ImageShape,
        encoder_outputs: usize,
        weights: &mut Weights<'_, B>,
    ) -> Network<B> {
        let mut encoder = Vec::new();
        for pair in self.layer_widths(shape, encoder_outputs).windows(2) {
            push_activation(&mut encoder, self.activation);
            encoder.push(Layer::Linear(weights.linear(pair[0], pair[1])));
        }
        push_activation(&mut encoder, self.code_activation);

        let mut decoder = Vec::new();
        let mut sources = linear_positions(&encoder).into_iter().rev();
        let widths = self.layer_widths(shape, self.code);
        for pair in widths.windows(2).rev() {
            push_activation(&mut decoder, self.activation);
            let (inputs, outputs) = (pair[1], pair[0]);
            decoder.push(match sources.next() {
                Some(source) if self.tied => Layer::Tied(TiedLinear {
                    bias: weights.uniform([outputs], inputs),
                    source,
                }),
                _ => Layer::Linear(weights.linear(inputs, outputs)),
            });
        }
        push_activation(&mut decoder, self.output_activation);
        Network { encoder, decoder }
    }
}

/// Where a stack's fully connected layers stand, those with an encoder's weights included.
pub(super) fn linear_positions<B: Backend>(stack: &[Layer<B>]) -> Vec<usize> {
    let is_linear = |(position, layer): (usize, &Layer<B>)| {
        matches!(layer, Layer::Linear(_) | Layer::Tied(_)).then_some(position)
    };
    stack.iter().enumerate().filter_map(is_linear).collect()
}
