//! A model's weights as named tensors, in PyTorch's names and layouts.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use burn_store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, TensorSnapshot};
use thiserror::Error;

use crate::autoencoder::Autoencoder;
use crate::families::Model;
use crate::networks::{Layer, linear_weight};

/// Weights by name, in a fixed order: `encoder.0.weight`, `encoder.0.bias`, ...
pub type StateDict = Vec<(String, TensorData)>;

/// Where the networks stand in the modules of all families.
const NETWORK: &str = "network";

/// Weights that do not fit a model.
#[derive(Debug, Error)]
pub enum StateDictError {
    /// A tensor of the model is not among the weights.
    #[error("tensor `{0}` is missing")]
    Missing(String),
    /// A tensor among the weights is not in the model.
    #[error("tensor `{0}` is not part of this model")]
    Unexpected(String),
    /// A tensor has another shape than the model's.
    #[error("tensor `{name}` has shape {found:?}, the model's has {expected:?}")]
    Shape {
        /// The tensor's name.
        name: String,
        /// The model's shape.
        expected: Vec<usize>,
        /// The shape of the tensor given.
        found: Vec<usize>,
    },
    /// A tensor has a value that is not a finite number.
    #[error("tensor `{0}` has a value that is not a finite number")]
    NotFinite(String),
    /// A decoder's weight is not its encoder's, transposed, though the model has tied weights.
    #[error(
        "tensor `{name}` differs from the transposed `{source_name}`, though the model's weights are tied"
    )]
    NotTied {
        /// The decoder's weight.
        name: String,
        /// The encoder's weight.
        source_name: String,
    },
    /// Burn could not read or set a tensor.
    #[error("{0}")]
    Burn(String),
}

/// The model's weights as a plain `torch.nn.Sequential` for the encoder and one for the decoder would name and lay them
/// out. The decoder's weights of a tied model are written out.
///
/// # Errors
/// When Burn can't read a tensor.
pub fn state_dict<B: Backend>(model: &Model<B>) -> Result<StateDict, StateDictError> {
    let mut weights = Vec::new();
    for snapshot in model.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true) {
        let path = snapshot.full_path();
        let name = path
            .strip_prefix(NETWORK)
            .and_then(|path| path.strip_prefix('.'));
        let name = name.unwrap_or(&path).to_owned();
        let data = snapshot
            .to_data()
            .map_err(|error| StateDictError::Burn(format!("{error:?}")))?;
        weights.push((name, data));
    }
    for tied in tied_weights(model) {
        weights.push((tied.name, tied.transposed.into_data()));
    }
    weights.sort_by_key(|(name, _)| natural_order(name));
    Ok(weights)
}

/// The model with the given weights in place of its own.
///
/// # Errors
/// When a tensor is missing, unexpected, not finite, or has another shape than the model's, or where the weights of a
/// tied model are not tied.
pub fn load_state_dict<B: Backend>(
    mut model: Model<B>,
    weights: StateDict,
) -> Result<Model<B>, StateDictError> {
    let expected = state_dict(&model)?;
    check_names_and_shapes(&expected, &weights)?;
    check_none_missing(&expected, &weights)?;
    let (decoders, own): (Vec<_>, Vec<_>) = {
        let tied: Vec<String> = tied_weights(&model)
            .into_iter()
            .map(|tied| tied.name)
            .collect();
        weights
            .into_iter()
            .partition(|(name, _)| tied.contains(name))
    };
    let snapshots = own
        .into_iter()
        .map(|(name, data)| {
            let path = std::iter::once(NETWORK)
                .chain(name.split('.'))
                .map(str::to_owned);
            TensorSnapshot::from_data(data, path.collect(), Vec::new(), Default::default())
        })
        .collect();
    let applied = model.apply(snapshots, None, Some(Box::new(PyTorchToBurnAdapter)), true);
    if let Some(error) = applied.errors.first() {
        return Err(StateDictError::Burn(error.to_string()));
    }
    if let Some((name, _)) = applied.missing.first() {
        return Err(StateDictError::Missing(name.clone()));
    }
    for tied in tied_weights(&model) {
        let given = decoders.iter().find(|(name, _)| *name == tied.name);
        let same = given.is_some_and(|(_, data)| {
            data.iter::<f32>()
                .eq(tied.transposed.clone().into_data().iter::<f32>())
        });
        if !same {
            return Err(StateDictError::NotTied {
                name: tied.name,
                source_name: tied.source_name,
            });
        }
    }
    Ok(model)
}

/// The model with some of its weights replaced. The decoder's weights of a tied model follow the encoder's, whatever is
/// given for them.
///
/// # Errors
/// See [`load_state_dict`].
pub(crate) fn replace<B: Backend>(
    model: Model<B>,
    weights: StateDict,
) -> Result<Model<B>, StateDictError> {
    let mut all = state_dict(&model)?;
    check_names_and_shapes(&all, &weights)?;
    for (name, data) in weights {
        let slot = all.iter_mut().find(|(other, _)| *other == name);
        let (_, slot) = slot.ok_or(StateDictError::Unexpected(name))?;
        *slot = data;
    }
    for tied in tied_weights(&model) {
        let source = all.iter().find(|(name, _)| *name == tied.source_name);
        let (_, source) = source.ok_or(StateDictError::Missing(tied.source_name))?;
        let transposed = Tensor::<B, 2>::from_data(source.clone(), &tied.transposed.device());
        let transposed = transposed.transpose().into_data();
        all.retain(|(name, _)| *name != tied.name);
        all.push((tied.name, transposed));
    }
    load_state_dict(model, all)
}

/// Checks that a tensor is finite and of this shape.
pub(crate) fn check(name: &str, data: &TensorData, shape: &[usize]) -> Result<(), StateDictError> {
    if data.shape.as_slice() != shape {
        return Err(StateDictError::Shape {
            name: name.to_owned(),
            expected: shape.to_vec(),
            found: data.shape.to_vec(),
        });
    }
    if !data.iter::<f32>().all(f32::is_finite) {
        return Err(StateDictError::NotFinite(name.to_owned()));
    }
    Ok(())
}

struct TiedWeight<B: Backend> {
    name: String,
    source_name: String,
    /// The decoder's weight in PyTorch's layout, `[outputs, inputs]`: the encoder's in Burn's.
    transposed: Tensor<B, 2>,
}

fn tied_weights<B: Backend>(model: &Model<B>) -> Vec<TiedWeight<B>> {
    let network = model.network();
    let decoder = network.decoder.iter().enumerate();
    decoder
        .filter_map(|(position, layer)| match layer {
            Layer::Tied(tied) => Some(TiedWeight {
                name: format!("decoder.{position}.weight"),
                source_name: format!("encoder.{}.weight", tied.source),
                transposed: linear_weight(&network.encoder[tied.source]),
            }),
            _ => None,
        })
        .collect()
}

/// Checks that every tensor found is one of those expected.
fn check_names_and_shapes(expected: &StateDict, found: &StateDict) -> Result<(), StateDictError> {
    for (name, data) in found {
        let Some((_, model)) = expected.iter().find(|(other, _)| other == name) else {
            return Err(StateDictError::Unexpected(name.clone()));
        };
        check(name, data, &model.shape)?;
    }
    Ok(())
}

fn check_none_missing(expected: &StateDict, found: &StateDict) -> Result<(), StateDictError> {
    let is_missing = |name: &String| !found.iter().any(|(other, _)| other == name);
    match expected.iter().find(|(name, _)| is_missing(name)) {
        Some((name, _)) => Err(StateDictError::Missing(name.clone())),
        None => Ok(()),
    }
}

/// Encoder before decoder, layers by number, weight before bias.
fn natural_order(name: &str) -> (bool, usize, bool) {
    let mut parts = name.split('.');
    let stack = parts.next().unwrap_or_default();
    let layer = parts.next().and_then(|layer| layer.parse().ok());
    (
        stack != "encoder",
        layer.unwrap_or(usize::MAX),
        parts.next() != Some("weight"),
    )
}
