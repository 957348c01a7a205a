//! `[data]`: what a model is trained on.

use hourglass_data::{ImageOptions, OnError, Shape};
use serde::{Deserialize, Serialize};

/// What a model is trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// A name of the catalog, or a path.
    pub name: String,
    /// Only the training images that have one of these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<LabelName>>,
    /// Only the first so many training images, of those labels where some are named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The share of the training images that is held out for validation.
    pub validation: f64,
    /// `[channels, height, width]` that the images are brought to; their own where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// Whether images that would have to be changed are refused.
    pub strict: bool,
    /// What to do about an image file that can't be used.
    pub on_error: OnError,
}

impl DataConfig {
    /// How the images are opened.
    pub fn image_options(&self) -> ImageOptions {
        ImageOptions {
            shape: self.shape,
            strict: self.strict,
            on_error: self.on_error,
        }
    }
}

/// A label, by its number or, where labels have names, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LabelName {
    /// Its number.
    Number(u8),
    /// Its name.
    Name(String),
}

impl std::fmt::Display for LabelName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            name: "mnist-mini".into(),
            labels: None,
            limit: None,
            validation: 0.05,
            shape: None,
            strict: false,
            on_error: OnError::Stop,
        }
    }
}
