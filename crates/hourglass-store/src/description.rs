//! `config.json`: what a model is.

use std::path::Path;

use hourglass_models::{ModelConfig, Shape};
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::files::read_bounded;

/// The format of `config.json` that this version writes, and the newest that it reads.
///
/// A field that is added, changed or dropped makes a new format, since readers refuse fields that they do not know. So does a new
/// layout of the weights. A version reads every format before its own, for each of which models are kept in
/// `tests/formats/`, and refuses later ones. Format 1 is that of version 0.1.0.
const FORMAT: u32 = 1;

/// `config.json`: everything that is needed to build the model and to read its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The version of this file.
    pub format: u32,
    /// The family, the network and the objective, with the weights of its terms.
    pub model: ModelConfig,
    /// `[channels, height, width]`
    pub shape: Shape,
    /// The range of the images' values.
    pub data_range: [f64; 2],
    /// The units of every number named in logs and reports.
    pub units: String,
    /// The training data.
    pub data: DataIdentity,
}

/// Which images a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataIdentity {
    /// The catalog's name, or the path.
    pub name: String,
    /// SHA-256 of the training images' bytes.
    pub sha256: String,
    /// The licence of the images, where the catalog names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Description {
    /// A description of a model that was trained on `data`.
    pub fn new(model: ModelConfig, shape: Shape, data: DataIdentity) -> Self {
        Self {
            format: FORMAT,
            model,
            shape,
            data_range: [0.0, 1.0],
            units: "losses are summed over the features and averaged over the images; squared_error has no unit; \
                    cross_entropy (Bernoulli on grey pixels) is in nats but not a likelihood; names that end in _nats \
                    and negative_elbo (always at beta 1) are in nats"
                .into(),
            data,
        }
    }

    /// Reads the settings in a file like a model's `config.json`.
    ///
    /// # Errors
    /// Names the file, and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        Self::parse(path, &read_bounded(path, 1 << 20)?)
    }

    /// `path` is where the text stands.
    pub(crate) fn parse(path: &Path, text: &[u8]) -> Result<Self, StoreError> {
        let content = |message| StoreError::content(path, message);
        let unreadable = |error: serde_json::Error| content(error.to_string());
        // The format is read first, since the rest of another format can't be expected to be understood.
        let Format { format } = serde_json::from_slice(text).map_err(unreadable)?;
        if format != FORMAT {
            let advice = match format > FORMAT {
                true => "a later version of hourglass has written it; use that one",
                false => "there has been no such format",
            };
            return Err(content(format!(
                "expected format {FORMAT}, the newest that this version reads, found {format}: {advice}"
            )));
        }
        let description: Self = serde_json::from_slice(text).map_err(unreadable)?;
        let shape = description.shape;
        if shape
            .checked_features()
            .is_none_or(|features| features == 0)
        {
            return Err(content(format!(
                "`shape`: expected [channels, height, width] with at least one pixel and not more than can be counted, \
                 found {:?}",
                shape.to_array()
            )));
        }
        Ok(description)
    }
}
