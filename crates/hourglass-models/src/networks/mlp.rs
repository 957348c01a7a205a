//! Fully connected networks. The decoder's layers have the widths of the encoder's, in reverse order.

use burn::tensor::backend::Backend;
use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

use super::activation::Activation;
use super::kind::NetworkKind;
use super::layer::{Layer, TiedLinear, linear_positions, push_activation};
use super::network::Network;
use super::weights::Weights;
use crate::config::{ConfigError, require};

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

impl NetworkKind for MlpConfig {
    const ADJECTIVE: &str = "fully connected";
    const EXAMPLE: &str = r#"{ kind = "mlp", hidden = [400], code = 32 }"#;

    fn code(&self) -> usize {
        self.code
    }

    fn code_activation(&self) -> Activation {
        self.code_activation
    }

    fn output_activation(&self) -> Activation {
        self.output_activation
    }

    fn details(&self) -> String {
        let widths: Vec<String> = self.hidden.iter().map(ToString::to_string).collect();
        let hidden = match widths.is_empty() {
            true => "without hidden layers".to_owned(),
            false => format!("with hidden layers of {}", widths.join(", ")),
        };
        let tied = if self.tied { " and tied weights" } else { "" };
        format!("{hidden}{tied}")
    }

    fn weight_shapes(
        &self,
        shape: Shape,
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

    fn init<B: Backend>(
        &self,
        shape: Shape,
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

impl MlpConfig {
    /// The widths from the images to the encoder's outputs.
    pub(crate) fn layer_widths(&self, shape: Shape, outputs: usize) -> Vec<usize> {
        let features = shape.features();
        let inner = self.hidden.iter().copied();
        std::iter::once(features)
            .chain(inner)
            .chain([outputs])
            .collect()
    }
}
