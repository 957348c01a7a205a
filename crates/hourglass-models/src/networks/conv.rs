//! Convolutional networks: each convolution halves height and width, and the decoder mirrors the encoder.

use burn::tensor::backend::Backend;
use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

use super::activation::Activation;
use super::kind::NetworkKind;
use super::layer::{Convolution, Layer, Reshape, push_activation};
use super::network::Network;
use super::weights::Weights;
use crate::config::{ConfigError, require};

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

impl NetworkKind for ConvConfig {
    const ADJECTIVE: &str = "convolutional";
    const EXAMPLE: &str = r#"{ kind = "conv", channels = [16, 32], code = 32 }"#;

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
        let channels: Vec<String> = self.channels.iter().map(ToString::to_string).collect();
        format!("of {} channels", channels.join(", "))
    }

    /// The inputs of a convolution's matrix are the values that one output depends on.
    fn weight_shapes(
        &self,
        shape: Shape,
        encoder_outputs: usize,
    ) -> Result<Vec<[usize; 2]>, ConfigError> {
        require(
            !self.channels.is_empty() && !self.channels.contains(&0),
            "network.channels",
            "at least one convolution, each of at least 1 channel",
            format!("{:?}", self.channels),
        )?;
        self.check_halvings(shape)?;
        let maps = self.maps(shape);
        let kernels = maps
            .windows(2)
            .map(|pair| [pair[0][0].saturating_mul(KERNEL * KERNEL), pair[1][0]]);
        let flat = maps[maps.len() - 1]
            .iter()
            .fold(1_usize, |size, &length| size.saturating_mul(length));
        Ok(kernels.chain([[flat, encoder_outputs]]).collect())
    }

    fn init<B: Backend>(
        &self,
        shape: Shape,
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

impl ConvConfig {
    /// Checks that every convolution can halve height and width without a remainder.
    fn check_halvings(&self, shape: Shape) -> Result<(), ConfigError> {
        let Shape {
            channels,
            height,
            width,
        } = shape;
        let convolutions = self.channels.len();
        let halvings = u32::try_from(convolutions).unwrap_or(u32::MAX);
        let nearest = 2_usize.checked_pow(halvings).and_then(|divisor| {
            Some([
                nearest_multiple(height, divisor)?,
                nearest_multiple(width, divisor)?,
            ])
        });
        let suggestion = match nearest {
            Some([a, b]) if [a, b] == [height, width] => return Ok(()),
            Some([a, b]) => {
                format!(
                    "the nearest images that can are --shape {channels}x{a}x{b}; or take fewer convolutions"
                )
            }
            None => "take fewer convolutions".to_owned(),
        };
        Err(ConfigError::new(
            "network.channels",
            "images whose height and width can be halved once for each convolution",
            format!(
                "images of {height} x {width} pixels and {convolutions} convolutions; {suggestion}"
            ),
        ))
    }

    /// The shapes of the image and of the maps after each convolution.
    fn maps(&self, shape: Shape) -> Vec<[usize; 3]> {
        let mut maps = vec![shape.to_array()];
        for &channels in &self.channels {
            let [_, height, width] = maps[maps.len() - 1];
            maps.push([channels, height / 2, width / 2]);
        }
        maps
    }
}

/// The positive multiple of `divisor` that is nearest to a number; of two equally near ones, the larger.
fn nearest_multiple(number: usize, divisor: usize) -> Option<usize> {
    let multiples = number.checked_add(divisor / 2)? / divisor;
    multiples.max(1).checked_mul(divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_shape_is_suggested() {
        let error = |convolutions: usize, shape| {
            let config = ConvConfig {
                channels: vec![8; convolutions],
                ..ConvConfig::default()
            };
            config
                .weight_shapes(shape, 4)
                .err()
                .map(|error| error.to_string())
        };
        for (convolutions, shape, expected) in [
            (2, Shape::new(3, 126, 65), "--shape 3x128x64;"),
            (4, Shape::new(1, 28, 28), "--shape 1x32x32;"),
            (6, Shape::new(1, 28, 33), "--shape 1x64x64;"),
        ] {
            let found = error(convolutions, shape).expect("an error");
            assert!(found.contains(expected), "{found}");
        }
        assert_eq!(error(2, Shape::new(3, 128, 64)), None);
        assert!(
            error(64, Shape::new(1, 28, 28))
                .is_some_and(|error| error.ends_with("take fewer convolutions"))
        );
    }
}
