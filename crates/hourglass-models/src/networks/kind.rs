//! The trait that the settings of every kind of network implement.

use burn::tensor::backend::Backend;
use hourglass_samples::Shape;

use super::activation::Activation;
use super::network::Network;
use super::weights::Weights;
use crate::config::ConfigError;

/// The settings of a network of one kind.
pub(super) trait NetworkKind {
    /// What a network of this kind is, such as "fully connected".
    const ADJECTIVE: &str;

    /// Example settings of this kind as they are written in a recipe, for messages.
    const EXAMPLE: &str;

    /// The code's size.
    fn code(&self) -> usize;

    /// The activation of the code.
    fn code_activation(&self) -> Activation;

    /// The activation of the decoder's outputs.
    fn output_activation(&self) -> Activation;

    /// What is special to this network, such as "with hidden layers of 400".
    fn details(&self) -> String;

    /// The weights of the encoder's layers as matrices, `[inputs, outputs]` each.
    ///
    /// # Errors
    /// Names the first setting that can't be used for images of this shape.
    fn weight_shapes(
        &self,
        shape: Shape,
        encoder_outputs: usize,
    ) -> Result<Vec<[usize; 2]>, ConfigError>;

    /// Builds the network; the settings must be valid.
    fn init<B: Backend>(
        &self,
        shape: Shape,
        encoder_outputs: usize,
        weights: &mut Weights<'_, B>,
    ) -> Network<B>;
}
