//! What the settings of all families and networks have in common.

use thiserror::Error;

/// The most samples per image that a loss can ask for: a damaged setting must not become a request for terabytes.
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
