//! `config.json`: what a model is.

use std::path::Path;

use hourglass_models::{ModelConfig, Shape};
use hourglass_samples::Input;
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::files::read_bounded;

/// The format of `config.json` that this version writes, and the newest that it reads.
///
/// A field that is added, changed or dropped makes a new format, since readers refuse fields that they do not know. So does a new
/// layout of the weights. A version reads every format before its own, for each of which models are kept in
/// `tests/formats/`, and refuses later ones. Format 1 is that of version 0.1.0, whose models were all of images.
const FORMAT: u32 = 2;

/// No `config.json` is larger: the scaling of vectors of 500,000 numbers fits.
const MOST_BYTES: u64 = 1 << 26;

/// `config.json`: everything that is needed to build the model and to read its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The version of this file.
    pub format: u32,
    /// The family, the network and the objective, with the weights of its terms.
    pub model: ModelConfig,
    /// What the model takes, and how it becomes the features that the network gets.
    pub input: Input,
    /// The units of every number named in logs and reports.
    pub units: String,
    /// The training data.
    pub data: DataIdentity,
}

/// Which samples a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataIdentity {
    /// The catalog's name, or the path.
    pub name: String,
    /// SHA-256 of the training images' bytes; of other samples see `Dataset::sha256`.
    pub sha256: String,
    /// The licence of the samples, where the catalog names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// `config.json` of format 1, which knew only images.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstFormat {
    #[serde(rename = "format")]
    _format: u32,
    model: ModelConfig,
    shape: Shape,
    #[serde(rename = "data_range")]
    _data_range: [f64; 2],
    units: String,
    data: DataIdentity,
}

impl From<FirstFormat> for Description {
    fn from(first: FirstFormat) -> Self {
        Self {
            format: FORMAT,
            model: first.model,
            input: Input::Image { shape: first.shape },
            units: first.units,
            data: first.data,
        }
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Description {
    /// A description of a model that was trained on `data`.
    pub fn new(model: ModelConfig, input: Input, data: DataIdentity) -> Self {
        Self {
            format: FORMAT,
            model,
            input,
            units: "losses are summed over the features and averaged over the samples; squared_error has no unit; \
                    cross_entropy (Bernoulli on grey pixels) is in nats but not a likelihood; names that end in _nats \
                    and negative_elbo (always at beta 1) are in nats"
                .into(),
            data,
        }
    }

    /// The shape of what the network gets.
    pub fn shape(&self) -> Shape {
        self.input.shape()
    }

    /// Reads the settings in a file like a model's `config.json`.
    ///
    /// # Errors
    /// Names the file, and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        Self::parse(path, &read_bounded(path, MOST_BYTES)?)
    }

    /// `path` is where the text stands.
    pub(crate) fn parse(path: &Path, text: &[u8]) -> Result<Self, StoreError> {
        let content = |message| StoreError::content(path, message);
        let unreadable = |error: serde_json::Error| content(error.to_string());
        // The format is read first, since the rest of another format can't be expected to be understood.
        let Format { format } = serde_json::from_slice(text).map_err(unreadable)?;
        if !(1..=FORMAT).contains(&format) {
            let advice = match format > FORMAT {
                true => "a later version of hourglass has written it; use that one",
                false => "there has been no such format",
            };
            return Err(content(format!(
                "expected format {FORMAT}, the newest that this version reads, or an earlier one, found {format}: {advice}"
            )));
        }
        let description = match format {
            1 => serde_json::from_slice::<FirstFormat>(text)
                .map_err(unreadable)?
                .into(),
            _ => serde_json::from_slice::<Self>(text).map_err(unreadable)?,
        };
        match description.input.fault() {
            Some(fault) => Err(content(fault)),
            None => Ok(description),
        }
    }
}
