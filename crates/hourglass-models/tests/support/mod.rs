//! Golden cases: tiny models with weights, images, noise, and what PyTorch computed from them in float64
//! (`scripts/pytorch/golden.py`).

#![allow(dead_code, reason = "each test file uses a part of this")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::backend::Autodiff;
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use hourglass_models::{
    Autoencoder, Loss, Model, ModelConfig, Shape, StateDict, StepContext, Stream, gradient_model,
    load_state_dict, state_dict,
};
use safetensors::SafeTensors;
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Description {
    pub config: ModelConfig,
    pub shape: Shape,
    pub step: u64,
    pub total_steps: u64,
}

pub struct Case {
    pub name: String,
    pub description: Description,
    pub tensors: BTreeMap<String, TensorData>,
}

/// Every golden case, in the order of their names.
pub fn cases() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<_> = fs::read_dir(directory)
        .expect("the golden files are committed")
        .map(|entry| entry.expect("a readable directory").path())
        .collect();
    paths.sort();
    paths.iter().map(|path| Case::read(path)).collect()
}

impl Case {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("a readable file");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("a safetensors header");
        let description = &metadata.metadata().as_ref().expect("metadata")["case"];
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let tensors = file.iter().map(|(name, view)| {
            let values = view.data().chunks_exact(8);
            let values: Vec<f64> = values
                .map(|bytes| f64::from_le_bytes(bytes.try_into().expect("8 bytes")))
                .collect();
            let shape = if view.shape().is_empty() {
                vec![1]
            } else {
                view.shape().to_vec()
            };
            (name.to_owned(), TensorData::new(values, shape))
        });
        Self {
            name: path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
            description: serde_json::from_str(description).expect("a case"),
            tensors: tensors.collect(),
        }
    }

    /// The tensors whose names begin with `prefix`, without it.
    pub fn with_prefix(&self, prefix: &str) -> BTreeMap<String, TensorData> {
        let matching = self
            .tensors
            .iter()
            .filter_map(|(name, data)| Some((name.strip_prefix(prefix)?.to_owned(), data.clone())));
        matching.collect()
    }

    pub fn images<B: Backend>(&self) -> Tensor<B, 2> {
        Tensor::from_data(self.tensors["images"].clone(), &Default::default())
    }

    /// The training step that the golden losses belong to, with their noise.
    pub fn step(&self) -> StepContext {
        let streams = [
            ("corruption", Stream::Corruption),
            ("epsilon", Stream::Epsilon),
            ("binarisation", Stream::Binarisation),
            ("rademacher", Stream::Rademacher),
        ];
        let noise = self.with_prefix("noise.");
        let given = streams
            .iter()
            .filter_map(|(name, stream)| Some((*stream, noise.get(*name)?.clone())));
        let Description {
            step, total_steps, ..
        } = self.description;
        StepContext::train(0, step, total_steps).with_noise(given.collect())
    }

    /// The case's model with its weights.
    pub fn model<B: Backend>(&self) -> Model<B> {
        let Description { config, shape, .. } = &self.description;
        let model = config
            .init::<B>(*shape, 0, &Default::default())
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let parameters = self.with_prefix("parameter.").into_iter();
        let mut weights: StateDict = parameters
            .map(|(name, data)| (name, data.convert::<B::FloatElem>()))
            .collect();
        for (name, source) in self.tied() {
            let weight = Tensor::<B, 2>::from_data(
                self.tensors[&format!("parameter.{source}")].clone(),
                &Default::default(),
            );
            weights.push((name, weight.transpose().into_data()));
        }
        load_state_dict(model, weights).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The decoder's weights that are not parameters of their own, and the encoder's that they are.
    pub fn tied(&self) -> Vec<(String, String)> {
        let parameters = self.with_prefix("parameter.");
        let of = |stack: &str| {
            let mut layers: Vec<usize> = parameters
                .keys()
                .filter_map(|name| {
                    name.strip_prefix(stack)?
                        .strip_suffix(".bias")?
                        .parse()
                        .ok()
                })
                .collect();
            layers.sort_unstable();
            layers
        };
        let pairs = of("decoder.")
            .into_iter()
            .zip(of("encoder.").into_iter().rev());
        pairs
            .map(|(decoder, encoder)| {
                (
                    format!("decoder.{decoder}.weight"),
                    format!("encoder.{encoder}.weight"),
                )
            })
            .filter(|(name, _)| !parameters.contains_key(name))
            .collect()
    }
}

/// The loss on the case's images, and the gradient of its total by parameter name.
pub fn loss_and_gradients<B: Backend>(
    case: &Case,
    model: &Model<Autodiff<B>>,
) -> (Loss<Autodiff<B>>, BTreeMap<String, TensorData>)
where
    Autodiff<B>: AutodiffBackend<InnerBackend = B>,
{
    let loss = model.loss(case.images(), &case.step());
    let gradients = GradientsParams::from_grads(loss.total.backward(), model);
    let mut by_name: BTreeMap<_, _> = state_dict(&gradient_model(model, &gradients))
        .expect("gradients")
        .into_iter()
        .collect();
    for (name, _) in case.tied() {
        by_name.remove(&name);
    }
    (loss, by_name)
}

/// ||a - b|| / ||b||
pub fn relative_error(a: &TensorData, b: &TensorData) -> f64 {
    assert_eq!(a.shape, b.shape);
    let difference: f64 = a
        .iter::<f64>()
        .zip(b.iter::<f64>())
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    let norm: f64 = b.iter::<f64>().map(|b| b * b).sum();
    (difference / norm.max(1e-30)).sqrt()
}

/// Losses and gradients agree with PyTorch.
pub fn losses_and_gradients_agree_with_pytorch<B: Backend>() {
    for case in cases() {
        let model = case.model::<Autodiff<B>>();
        let (loss, gradients) = loss_and_gradients(&case, &model);

        let expected = case.with_prefix("term.");
        let mut terms = vec![("total", loss.total)];
        terms.extend(loss.terms);
        assert_eq!(terms.len(), expected.len(), "{}: the same terms", case.name);
        for (name, value) in terms {
            let error = relative_error(&value.into_data(), &expected[name]);
            assert!(error < 1e-5, "{}: {name} is off by {error:e}", case.name);
        }

        let expected = case.with_prefix("gradient.");
        assert!(
            gradients.keys().eq(expected.keys()),
            "{}: the same parameters",
            case.name
        );
        for (name, gradient) in gradients {
            let error = relative_error(&gradient, &expected[&name]);
            assert!(
                error < 1e-4,
                "{}: the gradient of {name} is off by {error:e}",
                case.name
            );
        }
    }
}

/// Codes and what the decoder makes of them agree with PyTorch.
pub fn codes_and_reconstructions_agree_with_pytorch<B: Backend>() {
    for case in cases() {
        let model = case.model::<Autodiff<B>>();
        let codes = model.encode(case.images());
        let decoded = model.decode(codes.clone());
        for (name, found) in [("codes", codes), ("decoded", decoded)] {
            let error = relative_error(&found.into_data(), &case.tensors[name]);
            assert!(error < 1e-5, "{}: {name} is off by {error:e}", case.name);
        }
    }
}
