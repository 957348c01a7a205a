//! A model's weights as named tensors, in PyTorch's names and layouts.

use std::collections::HashMap;

use burn::tensor::TensorData;
use burn::tensor::backend::Backend;
use burn_store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, TensorSnapshot};
use thiserror::Error;

use crate::autoencoder::Autoencoder;
use crate::families::Model;
use crate::networks::{Layer, linear_weight};

/// Weights by name, in a fixed order: `encoder.0.weight`, `encoder.0.bias`, ...
pub type StateDict = Vec<(String, TensorData)>;

/// The name of the network in the modules of all families.
const NETWORK: &str = "network";

/// The largest value that a weight may have: about the square root of the largest float32, so that products of two are finite.
const MOST: f32 = 1e18;

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
    /// A tensor has a value that no trained network has.
    #[error(
        "tensor `{name}`: expected values of at most {MOST:e}, whose products float32 can hold, found {found:e}; the \
         weights are damaged, or the training has diverged"
    )]
    Large {
        /// The tensor's name.
        name: String,
        /// The value.
        found: f32,
    },
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

/// The model's weights as `torch.nn.Sequential`s, one for the encoder and one for the decoder, would name and lay them out.
/// A tied decoder has no weights of its own.
///
/// # Errors
/// When Burn can't read a tensor.
pub fn state_dict<B: Backend>(model: &Model<B>) -> Result<StateDict, StateDictError> {
    weights_of(model)
}

/// A module's weights by name.
fn weights_of<B: Backend, M: ModuleSnapshot<B>>(module: &M) -> Result<StateDict, StateDictError> {
    let mut weights = Vec::new();
    for snapshot in module.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true) {
        let data = snapshot
            .to_data()
            .map_err(|error| StateDictError::Burn(format!("{error:?}")))?;
        weights.push((name_of(&snapshot.full_path()), data));
    }
    weights.sort_by_key(|(name, _)| natural_order(name));
    Ok(weights)
}

/// Puts weights in place of a module's own.
fn apply<B: Backend, M: ModuleSnapshot<B>>(
    module: &mut M,
    weights: StateDict,
) -> Result<(), StateDictError> {
    let places = module.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true);
    let places: HashMap<String, String> = places
        .iter()
        .map(|snapshot| snapshot.full_path())
        .map(|path| (name_of(&path), path))
        .collect();
    let snapshots = weights
        .into_iter()
        .map(|(name, data)| {
            let path = places.get(&name).unwrap_or(&name).split('.');
            let path = path.map(str::to_owned).collect();
            TensorSnapshot::from_data(data, path, Vec::new(), Default::default())
        })
        .collect();
    let applied = module.apply(snapshots, None, Some(Box::new(PyTorchToBurnAdapter)), true);
    if let Some(error) = applied.errors.first() {
        return Err(StateDictError::Burn(error.to_string()));
    }
    if let Some((name, _)) = applied.missing.first() {
        return Err(StateDictError::Missing(name.clone()));
    }
    Ok(())
}

/// The name of the weight at a path in the model; the weights of the network have no prefix.
fn name_of(path: &str) -> String {
    let name = path.strip_prefix(NETWORK);
    let name = name.and_then(|path| path.strip_prefix('.'));
    name.unwrap_or(path).to_owned()
}

/// The model with the given weights in place of its own. The weights of a tied decoder may be given as well.
///
/// # Errors
/// When a tensor is missing, unexpected, not finite, or has another shape than the model's, or where the weights of a
/// tied model are not tied.
pub fn load_state_dict<B: Backend>(
    mut model: Model<B>,
    mut weights: StateDict,
) -> Result<Model<B>, StateDictError> {
    let tied = take_tied(&model, &mut weights);
    let expected = state_dict(&model)?;
    check_names_and_shapes(&expected, &weights)?;
    check_none_missing(&expected, &weights)?;
    apply(&mut model, weights)?;
    for given in tied {
        given.check(&model)?;
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
    mut weights: StateDict,
) -> Result<Model<B>, StateDictError> {
    take_tied(&model, &mut weights);
    let mut all = state_dict(&model)?;
    check_names_and_shapes(&all, &weights)?;
    for (name, data) in weights {
        let slot = all.iter_mut().find(|(other, _)| *other == name);
        let (_, slot) = slot.ok_or(StateDictError::Unexpected(name))?;
        *slot = data;
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
    match data.iter::<f32>().find(|value| value.abs() > MOST) {
        None => Ok(()),
        Some(found) => Err(StateDictError::Large {
            name: name.to_owned(),
            found,
        }),
    }
}

/// A weight that is given for a tied layer.
struct GivenTied {
    name: String,
    data: TensorData,
    /// The layer of the encoder whose weight it must be, transposed.
    source: usize,
}

/// Takes the weights that are given for tied layers out of the others.
fn take_tied<B: Backend>(model: &Model<B>, weights: &mut StateDict) -> Vec<GivenTied> {
    let mut taken = Vec::new();
    for (position, layer) in model.network().decoder.iter().enumerate() {
        let Layer::Tied(tied) = layer else { continue };
        let tied_name = format!("decoder.{position}.weight");
        let given = weights.extract_if(.., |(name, _)| *name == tied_name);
        taken.extend(given.map(|(name, data)| GivenTied {
            name,
            data,
            source: tied.source,
        }));
    }
    taken
}

impl GivenTied {
    fn check<B: Backend>(self, model: &Model<B>) -> Result<(), StateDictError> {
        let Self { name, data, source } = self;
        // Burn's layout is PyTorch's, transposed.
        let weight = linear_weight(&model.network().encoder[source]).into_data();
        check(&name, &data, &weight.shape)?;
        if data.iter::<f32>().eq(weight.iter::<f32>()) {
            return Ok(());
        }
        Err(StateDictError::NotTied {
            name,
            source_name: format!("encoder.{source}.weight"),
        })
    }
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

#[cfg(test)]
mod tests {
    use burn::backend::NdArray;
    use burn::module::{Module, Param};
    use burn::tensor::Tensor;

    use super::*;

    type B = NdArray;

    #[derive(Module, Debug)]
    struct WithCodebook<B: Backend> {
        network: Inner<B>,
        codebook: Param<Tensor<B, 2>>,
    }

    #[derive(Module, Debug)]
    struct Inner<B: Backend> {
        weight: Param<Tensor<B, 1>>,
    }

    fn module(value: f32) -> WithCodebook<B> {
        let device = Default::default();
        WithCodebook {
            network: Inner {
                weight: Param::from_tensor(Tensor::full([3], value, &device)),
            },
            codebook: Param::from_tensor(Tensor::full([2, 2], -value, &device)),
        }
    }

    #[test]
    fn weights_beside_the_network_come_back() {
        let weights = weights_of::<B, _>(&module(2.0)).expect("weights");
        let mut names: Vec<&str> = weights.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["codebook", "weight"]);
        let mut other = module(0.0);
        apply(&mut other, weights.clone()).expect("the same names and shapes");
        assert_eq!(weights_of::<B, _>(&other).expect("weights"), weights);
    }
}
