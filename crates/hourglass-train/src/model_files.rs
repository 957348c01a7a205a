//! Finished models: `config.json` and `model.safetensors`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::backend::Backend;
use burn::tensor::{DType, TensorData};
use fs_err as fs;
use hourglass_data::{Dataset, catalog};
use hourglass_models::{
    Classifier, ConfigError, ImageShape, Model, ModelConfig, NetworkConfig, StateDict,
    StateDictError, load_state_dict, state_dict,
};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::{hex_sha256, write_atomically};

/// The name of the settings in a model's directory.
pub const CONFIG_FILE: &str = "config.json";
/// The name of the weights in a model's directory.
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// The name of a fine-tuned classifier's weights in a model's directory.
pub const CLASSIFIER_FILE: &str = "classifier.safetensors";

/// Under what key the settings stand in the metadata of weights.
const METADATA_KEY: &str = "hourglass";

/// The version of `config.json` that this version writes and reads.
const FORMAT: u32 = 1;

/// `config.json`: everything that is needed to build the model and to read its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The version of this file.
    pub format: u32,
    /// The family, the network and the objective, with the weights of its terms.
    pub model: ModelConfig,
    /// `[channels, height, width]`
    pub shape: ImageShape,
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

impl DataIdentity {
    /// Of images that `--data NAME` gave.
    pub fn new(name: &str, training: &Dataset) -> Self {
        Self {
            name: name.to_owned(),
            sha256: training.sha256().to_owned(),
            licence: catalog::find(name).map(|entry| entry.licence.to_owned()),
        }
    }
}

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// As they were trained.
    Float32,
    /// In half the space, to three digits.
    Float16,
}

impl Precision {
    fn types(self) -> (DType, Dtype) {
        match self {
            Self::Float32 => (DType::F32, Dtype::F32),
            Self::Float16 => (DType::F16, Dtype::F16),
        }
    }
}

impl ModelFile {
    /// A description of a model that was trained on `data`.
    pub fn new(model: ModelConfig, shape: ImageShape, data: DataIdentity) -> Self {
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
}

/// A model's files that can't be written or read.
#[derive(Debug, Error)]
pub enum ModelFileError {
    /// A file can't be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// There is no model in the directory.
    #[error(
        "{path}: expected a directory with {CONFIG_FILE} and {WEIGHTS_FILE}, found {found}; \
         train a model first, such as with `hourglass train variational`"
    )]
    NoModel {
        /// The directory.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// A file has other content than expected.
    #[error("{path}: {message}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The settings describe no model that can be built.
    #[error("{path}: {error}")]
    Config {
        /// The file.
        path: PathBuf,
        /// The setting.
        error: ConfigError,
    },
    /// The weights do not fit the model.
    #[error("{path}: {error}")]
    Weights {
        /// The file.
        path: PathBuf,
        /// The tensor.
        error: StateDictError,
    },
}

/// Writes the settings and then the weights.
///
/// # Errors
/// Names the file that can't be written.
pub fn save_model<B: Backend>(
    directory: &Path,
    description: &ModelFile,
    model: &Model<B>,
) -> Result<(), ModelFileError> {
    let config = serde_json::to_vec_pretty(description).map_err(std::io::Error::from)?;
    write_atomically(&directory.join(CONFIG_FILE), &config)?;
    let path = directory.join(WEIGHTS_FILE);
    save_weights(&path, description, model, Precision::Float32)
}

/// Writes the weights in PyTorch's names and layouts, with the settings as metadata. The bytes are a function of weights
/// and settings alone.
///
/// # Errors
/// Names the file that can't be written, or a weight that is too large for the precision.
pub fn save_weights<B: Backend>(
    path: &Path,
    description: &ModelFile,
    model: &Model<B>,
    precision: Precision,
) -> Result<(), ModelFileError> {
    let weights = state_dict(model).map_err(|error| weights_error(path, error))?;
    let settings = serde_json::to_string(description).map_err(std::io::Error::from)?;
    write_tensors(path, weights, precision, Some(settings))
}

/// Writes the weights of a classifier that was fine-tuned from the directory's model.
///
/// # Errors
/// Names the file that can't be written.
pub fn save_classifier<B: Backend>(
    directory: &Path,
    classifier: &Classifier<B>,
) -> Result<(), ModelFileError> {
    let path = directory.join(CLASSIFIER_FILE);
    let weights = classifier.state_dict();
    save_tensors(&path, weights.map_err(|error| weights_error(&path, error))?)
}

/// Reads the classifier that was fine-tuned from a directory's model; nothing where there is none.
///
/// # Errors
/// Names the file, and what is wrong with it.
pub fn load_classifier<B: Backend>(
    directory: &Path,
    model: &Model<B>,
    code: usize,
    device: &B::Device,
) -> Result<Option<Classifier<B>>, ModelFileError> {
    let path = directory.join(CLASSIFIER_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let weights = read_weights(&path)?;
    let classifier = Classifier::from_state_dict(model.clone(), code, weights, device);
    classifier
        .map(Some)
        .map_err(|error| weights_error(&path, error))
}

/// Writes tensors as float32 by name. The bytes are a function of names and values alone.
///
/// # Errors
/// Names the file that can't be written.
pub fn save_tensors(path: &Path, tensors: StateDict) -> Result<(), ModelFileError> {
    write_tensors(path, tensors, Precision::Float32, None)
}

/// `settings` are put into the metadata. There is one entry, since the order of several is not fixed.
fn write_tensors(
    path: &Path,
    tensors: StateDict,
    precision: Precision,
    settings: Option<String>,
) -> Result<(), ModelFileError> {
    let content = |message: String| ModelFileError::Content {
        path: path.to_owned(),
        message,
    };
    let (dtype, stored_dtype) = precision.types();
    let tensors = tensors.into_iter().map(|(name, data)| {
        let stored = data.clone().convert_dtype(dtype);
        let lost =
            (data.iter::<f32>().zip(stored.iter::<f32>())).find(|(_, stored)| !stored.is_finite());
        match lost {
            Some((value, _)) => Err(content(format!(
                "tensor `{name}`: expected values that {precision:?} can hold, found {value:e}"
            ))),
            None => Ok((name, stored)),
        }
    });
    let tensors: Vec<(String, TensorData)> = tensors.collect::<Result<_, _>>()?;
    let views = tensors.iter().map(|(name, data)| {
        let view = TensorView::new(stored_dtype, data.shape.to_vec(), data.as_bytes())
            .map_err(|error| content(error.to_string()))?;
        Ok((name, view))
    });
    let views: Vec<_> = views.collect::<Result<_, ModelFileError>>()?;
    let metadata = settings.map(|settings| HashMap::from([(METADATA_KEY.to_owned(), settings)]));
    let bytes = safetensors::serialize(views, metadata);
    let bytes = bytes.map_err(|error| content(error.to_string()))?;
    Ok(write_atomically(path, &bytes)?)
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Reads a model's settings.
///
/// # Errors
/// Names the file, and what is wrong with it.
pub fn load_description(directory: &Path) -> Result<ModelFile, ModelFileError> {
    let path = directory.join(CONFIG_FILE);
    let found = match (directory.is_dir(), path.exists()) {
        (false, _) => Some("no directory"),
        (true, false) => Some("a directory without a finished model"),
        (true, true) => None,
    };
    if let Some(found) = found {
        return Err(ModelFileError::NoModel {
            path: directory.to_owned(),
            found,
        });
    }
    read_description(&path)
}

/// Reads the settings in a file like a model's `config.json`.
///
/// # Errors
/// Names the file, and what is wrong with it.
pub fn read_description(path: &Path) -> Result<ModelFile, ModelFileError> {
    parse_description(path, &fs::read(path)?)
}

/// The settings in the metadata of a file of weights; nothing where another program has written it.
///
/// # Errors
/// Names the file, and what is wrong with it.
pub fn stored_description(weights: &Path) -> Result<Option<ModelFile>, ModelFileError> {
    let bytes = fs::read(weights)?;
    let metadata = SafeTensors::read_metadata(&bytes);
    let (_, metadata) = metadata.map_err(|error| not_safetensors(weights, &error))?;
    let metadata = metadata.metadata().as_ref();
    let settings = metadata.and_then(|metadata| metadata.get(METADATA_KEY));
    settings
        .map(|settings| parse_description(weights, settings.as_bytes()))
        .transpose()
}

fn not_safetensors(path: &Path, error: &SafeTensorError) -> ModelFileError {
    ModelFileError::Content {
        path: path.to_owned(),
        message: format!("expected a safetensors file, found {error}"),
    }
}

/// `path` is where the text stands.
fn parse_description(path: &Path, text: &[u8]) -> Result<ModelFile, ModelFileError> {
    let content = |message| ModelFileError::Content {
        path: path.to_owned(),
        message,
    };
    let unreadable = |error: serde_json::Error| content(error.to_string());
    // First the format alone: of another one the rest can't be expected to be understood.
    let Format { format } = serde_json::from_slice(text).map_err(unreadable)?;
    if format != FORMAT {
        return Err(content(format!(
            "expected format {FORMAT}, found {format}: use the version of hourglass that wrote it"
        )));
    }
    let description: ModelFile = serde_json::from_slice(text).map_err(unreadable)?;
    let shape = description.shape;
    let pixels = shape
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size));
    if pixels.is_none_or(|pixels| pixels == 0) {
        return Err(content(format!(
            "`shape`: expected [channels, height, width] with at least one pixel and not more than can be counted, \
             found {shape:?}"
        )));
    }
    Ok(description)
}

/// Reads a finished model.
///
/// # Errors
/// Names the file, and what is wrong with it.
pub fn load_model<B: Backend>(
    directory: &Path,
    device: &B::Device,
) -> Result<(ModelFile, Model<B>), ModelFileError> {
    let description = load_description(directory)?;
    let ModelFile { model, shape, .. } = &description;
    let validated = model.validate(*shape);
    validated.map_err(|error| ModelFileError::Config {
        path: directory.join(CONFIG_FILE),
        error,
    })?;
    let model = read_model(model, *shape, &directory.join(WEIGHTS_FILE), device)?;
    Ok((description, model))
}

/// Builds a model of valid settings with the weights in a file: float32, float16 or bfloat16, in PyTorch's names and
/// layouts.
///
/// # Errors
/// Names the file of the weights, and what is wrong with it.
pub fn read_model<B: Backend>(
    config: &ModelConfig,
    shape: ImageShape,
    weights: &Path,
    device: &B::Device,
) -> Result<Model<B>, ModelFileError> {
    let tensors = read_weights(weights)?;
    check_size(weights, &tensors, config.network(), shape)?;
    let model = config.init::<B>(shape, 0, device);
    let model = model.map_err(|error| ModelFileError::Config {
        path: weights.to_owned(),
        error,
    })?;
    load_state_dict(model, tensors).map_err(|error| weights_error(weights, error))
}

/// SHA-256 of a finished model: of its weights' file and its settings', since the likelihood is one of these.
///
/// # Errors
/// Names the file that can't be read.
pub fn model_sha256(directory: &Path) -> Result<String, ModelFileError> {
    let weights = fs::read(directory.join(WEIGHTS_FILE))?;
    let config = fs::read(directory.join(CONFIG_FILE))?;
    Ok(hex_sha256(&[&weights, &config]))
}

/// Refuses weights that are too few for the network before memory for it is asked for: the settings may be damaged.
fn check_size(
    path: &Path,
    weights: &StateDict,
    network: &NetworkConfig,
    shape: ImageShape,
) -> Result<(), ModelFileError> {
    let found: usize = weights.iter().map(|(_, data)| data.num_elements()).sum();
    match network.least_values(shape) {
        Some(expected) if found >= expected => Ok(()),
        expected => Err(ModelFileError::Content {
            path: path.to_owned(),
            message: format!(
                "expected the weights of the network asked for, {} values or more, found {found}",
                expected.map_or("too many to be counted".to_owned(), |count| count
                    .to_string())
            ),
        }),
    }
}

fn weights_error(path: &Path, error: StateDictError) -> ModelFileError {
    ModelFileError::Weights {
        path: path.to_owned(),
        error,
    }
}

fn read_weights(path: &Path) -> Result<StateDict, ModelFileError> {
    let bytes = fs::read(path)?;
    let content = |message| ModelFileError::Content {
        path: path.to_owned(),
        message,
    };
    let file = SafeTensors::deserialize(&bytes).map_err(|error| not_safetensors(path, &error))?;
    let mut tensors: Vec<_> = file.iter().collect();
    // The file's own order is lost in reading; a fixed one makes for the same errors every time.
    tensors.sort_by_key(|(name, _)| *name);
    tensors
        .into_iter()
        .map(|(name, view)| {
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::F16 => DType::F16,
                Dtype::BF16 => DType::BF16,
                found => {
                    return Err(content(format!(
                        "tensor `{name}`: expected float32, float16 or bfloat16, found {found:?}"
                    )));
                }
            };
            let data =
                TensorData::from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype);
            Ok((name.to_owned(), data.convert::<f32>()))
        })
        .collect()
}
