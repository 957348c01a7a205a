//! Weights as safetensors, in PyTorch's names and layouts.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::Read;
use std::path::Path;

use burn::tensor::backend::Backend;
use burn::tensor::{DType, TensorData};
use hourglass_files::{PendingFile, open_file};
use hourglass_models::{
    Model, ModelConfig, NetworkConfig, Shape, StateDict, load_state_dict, state_dict,
};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;

use crate::files::read_bounded;
use crate::{Description, StoreError};

/// The key under which the settings are stored in the metadata of weights.
const METADATA_KEY: &str = "hourglass";

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// As they were trained, in single precision.
    Float32,
    /// In half the space, with about three significant digits.
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

/// Writes the weights in PyTorch's names and layouts, with the settings as metadata. The bytes are a function of weights
/// and settings alone.
///
/// # Errors
/// Names the file that can't be written, or a weight that is too large for the precision.
pub fn save_weights<B: Backend>(
    path: &Path,
    description: &Description,
    model: &Model<B>,
    precision: Precision,
) -> Result<(), StoreError> {
    let weights = state_dict(model).map_err(|error| StoreError::weights(path, error))?;
    let settings = serde_json::to_string(description).map_err(std::io::Error::from)?;
    write_tensors(path, weights, precision, Some(settings))
}

/// Writes tensors as float32 by name. The bytes are a function of names and values alone.
///
/// # Errors
/// Names the file that can't be written.
pub fn save_tensors(path: &Path, tensors: StateDict) -> Result<(), StoreError> {
    write_tensors(path, tensors, Precision::Float32, None)
}

/// `settings` are put into the metadata. There is one entry, since the order of several is not fixed.
fn write_tensors(
    path: &Path,
    tensors: StateDict,
    precision: Precision,
    settings: Option<String>,
) -> Result<(), StoreError> {
    let content = |message: String| StoreError::content(path, message);
    let (dtype, stored_dtype) = precision.types();
    let tensors = tensors
        .into_iter()
        .map(|(name, data)| match stored(data, dtype) {
            Ok(stored) => Ok((name, stored)),
            Err(value) => Err(content(format!(
                "tensor `{name}`: expected values that {precision:?} can hold, found {value:e}"
            ))),
        });
    let tensors: Vec<(String, TensorData)> = tensors.collect::<Result<_, _>>()?;
    let views = tensors.iter().map(|(name, data)| {
        let view = TensorView::new(stored_dtype, data.shape.to_vec(), data.as_bytes())
            .map_err(|error| content(error.to_string()))?;
        Ok((name, view))
    });
    let views: Vec<_> = views.collect::<Result<_, StoreError>>()?;
    let metadata = settings.map(|settings| HashMap::from([(METADATA_KEY.to_owned(), settings)]));
    // The tensors are written straight to the file, so that large weights are not in memory a second time.
    let file = PendingFile::create(path)?;
    safetensors::serialize_to_file(views, metadata, file.temporary_path())
        .map_err(|error| content(error.to_string()))?;
    Ok(file.finish()?)
}

/// The tensor in another type.
///
/// # Errors
/// A value that the type can't hold.
fn stored(data: TensorData, dtype: DType) -> Result<TensorData, f32> {
    let is_lost = |value: &f32| !value.is_finite();
    if data.dtype == dtype {
        let lost = data.iter::<f32>().find(is_lost);
        return lost.map_or(Ok(data), Err);
    }
    let stored = data.clone().convert_dtype(dtype);
    let lost = stored.iter::<f32>().position(|stored| is_lost(&stored));
    match lost.and_then(|place| data.iter::<f32>().nth(place)) {
        Some(value) => Err(value),
        None => Ok(stored),
    }
}

/// The settings in the metadata of a file of weights; none where another program has written it.
///
/// # Errors
/// Names the file, and what is wrong with it.
pub fn stored_description(weights: &Path) -> Result<Option<Description>, StoreError> {
    let header = read_header(weights)?;
    let header: Header = serde_json::from_slice(&header)
        .map_err(|error| not_safetensors(weights, &header, &error))?;
    let place = weights.join(format!("metadata `{METADATA_KEY}`"));
    let settings = header.metadata.get(METADATA_KEY);
    settings
        .map(|settings| Description::parse(&place, settings.as_bytes()))
        .transpose()
}

/// What a file of weights says of itself.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__", default)]
    metadata: HashMap<String, String>,
}

/// The JSON at the start of a file of weights, without the weights; or the start of the file, if it is not such a file.
fn read_header(path: &Path) -> std::io::Result<Vec<u8>> {
    /// The limit of the safetensors crate.
    const MOST_BYTES: u64 = 100_000_000;
    let mut start = Vec::new();
    let file = open_file(path)?;
    let mut file = file.take(8);
    file.read_to_end(&mut start)?;
    let length = start.first_chunk().map(|&bytes| u64::from_le_bytes(bytes));
    let Some(length @ 0..=MOST_BYTES) = length else {
        return Ok(start);
    };
    let mut header = Vec::new();
    file.set_limit(length);
    file.read_to_end(&mut header)?;
    Ok(header)
}

/// Builds a model of valid settings with the weights in a file: float32, float16 or bfloat16, in PyTorch's names and
/// layouts.
///
/// # Errors
/// Names the file of the weights, and what is wrong with it.
pub fn read_model<B: Backend>(
    config: &ModelConfig,
    shape: Shape,
    weights: &Path,
    device: &B::Device,
) -> Result<Model<B>, StoreError> {
    let tensors = parse_weights(weights, &read_bounded(weights, most_bytes(config, shape))?)?;
    build_model(config, shape, weights, tensors, device)
}

/// How large a file with the weights of a model can be: a decoder is about as large as its encoder, and a stochastic encoder
/// gives twice as many values.
pub(crate) fn most_bytes(config: &ModelConfig, shape: Shape) -> u64 {
    // The header has the settings in it, with the scaling of each feature.
    const HEADER: u64 = 1 << 20;
    const FEATURE: u64 = 1 << 8;
    let header = (shape.features() as u64).saturating_mul(FEATURE);
    let least = config.network().least_values(shape).unwrap_or(0) as u64;
    let values = least.saturating_mul(4 * size_of::<f32>() as u64);
    HEADER.saturating_add(header).saturating_add(values)
}

/// `path` is where the weights are from.
pub(crate) fn build_model<B: Backend>(
    config: &ModelConfig,
    shape: Shape,
    path: &Path,
    weights: StateDict,
    device: &B::Device,
) -> Result<Model<B>, StoreError> {
    check_size(path, &weights, config.network(), shape)?;
    let model = config.init::<B>(shape, 0, device);
    let model = model.map_err(|error| StoreError::Config {
        path: path.to_owned(),
        error,
    })?;
    load_state_dict(model, weights).map_err(|error| StoreError::weights(path, error))
}

/// Refuses weights that are too few for the network before memory for it is asked for: the settings may be damaged.
fn check_size(
    path: &Path,
    weights: &StateDict,
    network: &NetworkConfig,
    shape: Shape,
) -> Result<(), StoreError> {
    let found: usize = weights.iter().map(|(_, data)| data.num_elements()).sum();
    match network.least_values(shape) {
        Some(expected) if found >= expected => Ok(()),
        expected => Err(StoreError::content(
            path,
            format!(
                "expected the weights of the network asked for, {} values or more, found {found}",
                expected.map_or("too many to be counted".to_owned(), |count| count
                    .to_string())
            ),
        )),
    }
}

fn not_safetensors(path: &Path, bytes: &[u8], error: &dyn Display) -> StoreError {
    // What `torch.save` writes is a zip file, or, before PyTorch 1.6, a pickle of protocol 2 to 5.
    let is_pickle = bytes.starts_with(b"PK\x03\x04") || matches!(bytes, [0x80, 2..=5, ..]);
    let found = match is_pickle {
        true => "what torch.save writes, which can run code when it is read: in Python, write the state dict by \
                 safetensors.torch.save_file"
            .to_owned(),
        false => error.to_string(),
    };
    StoreError::content(path, format!("expected a safetensors file, found {found}"))
}

/// The tensors of a file of weights, as float32; `path` is where it is from.
pub(crate) fn parse_weights(path: &Path, bytes: &[u8]) -> Result<StateDict, StoreError> {
    let file =
        SafeTensors::deserialize(bytes).map_err(|error| not_safetensors(path, bytes, &error))?;
    let mut tensors: Vec<_> = file.iter().collect();
    // The file's own order is lost in reading; a fixed order gives the same errors every time.
    tensors.sort_by_key(|(name, _)| *name);
    tensors
        .into_iter()
        .map(|(name, view)| {
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::F16 => DType::F16,
                Dtype::BF16 => DType::BF16,
                found => {
                    return Err(StoreError::content(
                        path,
                        format!(
                            "tensor `{name}`: expected float32, float16 or bfloat16, found {found:?}"
                        ),
                    ));
                }
            };
            let data =
                TensorData::from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype);
            Ok((name.to_owned(), data.convert::<f32>()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Result<StateDict, String> {
        parse_weights(Path::new("weights"), bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn what_torch_saves_is_told_from_damage() {
        for start in [&b"PK\x03\x04"[..], &[0x80, 2]] {
            let error = parsed(start).expect_err("no safetensors");
            assert!(error.contains("torch.save"), "{error}");
        }
        let error = parsed(&[0xff; 40]).expect_err("no safetensors");
        assert!(!error.contains("torch.save"), "{error}");
    }

    #[test]
    fn half_precision_becomes_single_precision() {
        let values = [1.0_f32, -0.5, 3.25];
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let kind = match dtype {
                DType::F16 => Dtype::F16,
                DType::BF16 => Dtype::BF16,
                _ => Dtype::F32,
            };
            let data = TensorData::new(values.to_vec(), [3]).convert_dtype(dtype);
            let view = TensorView::new(kind, vec![3], data.as_bytes()).expect("a tensor");
            let bytes = safetensors::serialize([("w", view)], None).expect("bytes");
            let found = parsed(&bytes).expect("weights");
            assert_eq!(found[0].1, TensorData::new(values.to_vec(), [3]));
        }
    }

    #[test]
    fn a_model_far_larger_than_its_weights_is_refused_before_it_is_built() {
        let config: ModelConfig = serde_json::from_str(
            r#"{"family": "undercomplete", "network": {"kind": "mlp", "hidden": [1000000], "code": 8}}"#,
        )
        .expect("settings");
        let weights = vec![("w".to_owned(), TensorData::new(vec![0.0_f32; 4], [4]))];
        let path = Path::new("weights");
        let error = check_size(path, &weights, config.network(), Shape::new(1, 28, 28));
        let error = error.expect_err("too few").to_string();
        assert!(error.contains("or more, found 4"), "{error}");
    }
}
