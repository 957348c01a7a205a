//! The trait that the settings of every family implement.

use burn::tensor::backend::Backend;
use hourglass_samples::Shape;

use crate::autoencoder::Autoencoder;
use crate::config::ConfigError;
use crate::losses::Likelihood;
use crate::networks::NetworkConfig;

/// The settings of one family: its network and its objective.
pub trait FamilyConfig {
    /// The model that these settings describe.
    type Model<B: Backend>: Autoencoder<B>;

    /// What the family is, in one sentence, for readers who have a model of it.
    const SUMMARY: &str;

    /// Objectives other than the default one, as they are written in a recipe. The tests of the family also run with these.
    const OBJECTIVES: &[&str];

    /// The network's settings.
    fn network(&self) -> &NetworkConfig;

    /// Whether codes can be drawn from a distribution that the model was trained with.
    fn has_prior(&self) -> bool {
        false
    }

    /// Whether most units of a code are to be inactive.
    fn is_sparse(&self) -> bool {
        false
    }

    /// How many values the encoder gives for an image.
    fn encoder_outputs(&self) -> usize {
        self.network().code()
    }

    /// p(x|h)
    fn likelihood(&self) -> Likelihood;

    /// Checks the objective; the network and the likelihood are checked separately.
    ///
    /// # Errors
    /// Names the first setting that cannot be used.
    fn validate_objective(&self) -> Result<(), ConfigError>;

    /// Builds the model with weights drawn from `seed`, the same on every backend. The settings must be valid.
    fn init<B: Backend>(&self, shape: Shape, seed: u64, device: &B::Device) -> Self::Model<B>;
}
