//! `[data]`: what a model is trained on.

use hourglass_data::{
    DataOptions, ImageOptions, Kind, Missing, OnError, RowOptions, Scaling, Shape,
};
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
    /// What the samples are, where the file alone does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The columns of a table that are features; all but those that are something else where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The column of labels, which is no feature; of vectors the array of labels, or its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The column that names the rows of a table, which is no feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Columns of numbers that stand for categories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categorical: Vec<String>,
    /// What is done about missing cells; `refuse` where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// The array of vectors, in a file with several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<String>,
    /// How the numbers of tables and vectors are scaled; `standard` where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// The data to test on, where they lie apart from those to train on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// The share of the samples that is held out for testing, the same whatever the seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_fraction: Option<f64>,
}

impl DataConfig {
    /// How the data are opened.
    pub fn options(&self) -> DataOptions {
        DataOptions {
            kind: self.kind,
            images: ImageOptions {
                shape: self.shape,
                strict: self.strict,
                on_error: self.on_error,
            },
            rows: RowOptions {
                columns: self.columns.clone(),
                label: self.label.clone(),
                id: self.id.clone(),
                categorical: self.categorical.clone(),
                missing: self.missing.unwrap_or_default(),
                array: self.array.clone(),
            },
            input: None,
            test: self.test.clone(),
            test_fraction: self.test_fraction,
        }
    }
}

/// A label, by its number or, where labels have names, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LabelName {
    /// Its number.
    Number(i64),
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
            kind: None,
            columns: None,
            label: None,
            id: None,
            categorical: Vec::new(),
            missing: None,
            array: None,
            scaling: None,
            test: None,
            test_fraction: None,
        }
    }
}
