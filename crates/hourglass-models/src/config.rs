//! What the configurations of all families share.

use burn::tensor::backend::Backend;
use thiserror::Error;

use crate::autoencoder::Autoencoder;
use crate::losses::Likelihood;
use crate::networks::NetworkConfig;

/// `[channels, height, width]` of an image.
pub type ImageShape = [usize; 3];

/// Samples an image that a loss can ask for: a damaged setting must not become a request for terabytes.
pub(crate) const MOST_SAMPLES: usize = 10_000;

/// A setting with a value that cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("`{key}`: expected {expected}, found {found}")]
pub struct ConfigError {
    /// The path of the setting, such as `network.hidden`.
    pub key: String,
    /// The values that can be used.
    pub expected: String,
    /// The value that was given.
    pub found: String,
}

impl ConfigError {
    pub(crate) fn new(key: &str, expected: impl Into<String>, found: impl ToString) -> Self {
        Self {
            key: key.to_owned(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }
}

/// Returns an error unless `holds`.
pub(crate) fn require(
    holds: bool,
    key: &str,
    expected: &str,
    found: impl ToString,
) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError::new(key, expected, found))
    }
}

/// The settings of one family: its network and its objective.
pub trait FamilyConfig {
    /// The model that these settings describe.
    type Model<B: Backend>: Autoencoder<B>;

    /// What the family is, in a sentence for those who have a model of it.
    const SUMMARY: &str;

    /// The network's settings.
    fn network(&self) -> &NetworkConfig;

    /// How many values the encoder gives for an image.
    fn encoder_outputs(&self) -> usize {
        self.network().code()
    }

    /// p(x|h)
    fn likelihood(&self) -> Likelihood;

    /// Checks the objective; the network and the likelihood are checked apart.
    ///
    /// # Errors
    /// Names the first setting that cannot be used.
    fn validate_objective(&self) -> Result<(), ConfigError>;

    /// Builds the model with weights drawn from `seed`, the same on every backend. The settings must be valid.
    fn init<B: Backend>(&self, shape: ImageShape, seed: u64, device: &B::Device) -> Self::Model<B>;
}
