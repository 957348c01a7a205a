//! An encoder with a softmax layer on top, for supervised fine-tuning.
//!
//! L = -log softmax(W f(x) + b)_y, the mean over the batch, f the autoencoder's encoder. The decoder takes no part.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData, activation};
use hourglass_kernels::{mean, row_sums, sum_dim};

use crate::autoencoder::{Autoencoder, Loss};
use crate::families::Model;
use crate::networks::initial_linear;
use crate::state_dict::{StateDict, StateDictError, check, replace, state_dict};

const HEAD_WEIGHT: &str = "head.weight";
const HEAD_BIAS: &str = "head.bias";

/// An encoder and a softmax layer.
#[derive(Module, Debug)]
pub struct Classifier<B: Backend> {
    autoencoder: Model<B>,
    head: Linear<B>,
}

impl<B: Backend> Classifier<B> {
    /// A classifier of codes of `code` numbers into `classes`, with a softmax layer drawn from `seed`.
    pub fn new(
        autoencoder: Model<B>,
        [code, classes]: [usize; 2],
        seed: u64,
        device: &B::Device,
    ) -> Self {
        let head = initial_linear([code, classes], seed, device);
        Self { autoencoder, head }
    }

    /// Logits of the classes.
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    /// - output: `[batch, classes]`
    pub fn forward(&self, images: Tensor<B, 2>) -> Tensor<B, 2> {
        self.head.forward(self.autoencoder.encode(images))
    }

    /// The objective on a batch; `error` is the share of the images whose class is not the most probable one.
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    /// - labels: one per image, each less than the number of classes
    pub fn loss(&self, images: Tensor<B, 2>, labels: &[u8]) -> Loss<B> {
        let logits = self.forward(images);
        let labels = one_hot(labels, logits.dims(), &logits.device());
        let log_probabilities = activation::log_softmax(logits.clone(), 1);
        let nats = mean(row_sums(log_probabilities * labels.clone())).neg();
        let own = sum_dim(logits.clone() * labels, 1);
        let error = mean(own.lower(logits.max_dim(1)).float());
        let mut loss = Loss::of_reconstruction("class_nats", nats);
        loss.terms.push(("error", error));
        loss
    }

    /// The weights in PyTorch's names and layouts: those of `encoder`, and `head.weight` `[classes, code]` and `head.bias`.
    ///
    /// # Errors
    /// When Burn can't read a tensor.
    pub fn state_dict(&self) -> Result<StateDict, StateDictError> {
        let mut weights = state_dict(&self.autoencoder)?;
        weights.retain(|(name, _)| name.starts_with("encoder."));
        let weight = self.head.weight.val().transpose().into_data();
        weights.push((HEAD_WEIGHT.into(), weight));
        let bias = self.head.bias.as_ref().map(|bias| bias.val().into_data());
        weights.extend(bias.map(|bias| (HEAD_BIAS.into(), bias)));
        Ok(weights)
    }

    /// The classifier with these weights, on the autoencoder that it was fine-tuned from.
    ///
    /// # Errors
    /// When a tensor is missing, unexpected, not finite, or has another shape than expected.
    pub fn from_state_dict(
        autoencoder: Model<B>,
        code: usize,
        mut weights: StateDict,
        device: &B::Device,
    ) -> Result<Self, StateDictError> {
        let mut take = |name: &str| {
            let position = weights.iter().position(|(other, _)| other == name);
            let position = position.ok_or_else(|| StateDictError::Missing(name.into()))?;
            Ok::<_, StateDictError>(weights.swap_remove(position).1)
        };
        let (weight, bias) = (take(HEAD_WEIGHT)?, take(HEAD_BIAS)?);
        let classes = bias.num_elements();
        check(HEAD_WEIGHT, &weight, &[classes, code])?;
        check(HEAD_BIAS, &bias, &[classes])?;
        let weight = Tensor::<B, 2>::from_data(weight, device).transpose();
        let bias = Tensor::from_data(bias, device);
        Ok(Self {
            autoencoder: replace(autoencoder, weights)?,
            head: Linear {
                weight: Param::from_tensor(weight),
                bias: Some(Param::from_tensor(bias)),
            },
        })
    }
}

/// 1 at each image's class and 0 elsewhere.
///
/// # Shapes
/// - output: `[batch, classes]`
fn one_hot<B: Backend>(
    labels: &[u8],
    [batch, classes]: [usize; 2],
    device: &B::Device,
) -> Tensor<B, 2> {
    let mut values = vec![0.0_f32; batch * classes];
    for (row, &label) in values.chunks_exact_mut(classes).zip(labels) {
        row[usize::from(label)] = 1.0;
    }
    Tensor::from_data(TensorData::new(values, [batch, classes]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelConfig;
    use burn::backend::NdArray;
    use hourglass_samples::Shape;

    type B = NdArray<f64>;

    fn classifier() -> Classifier<B> {
        let config = r#"{"family": "undercomplete", "network": {"kind": "mlp", "hidden": [5], "code": 3, "tied": true}}"#;
        let config: ModelConfig = serde_json::from_str(config).expect("settings");
        let device = Default::default();
        let model = config
            .init(Shape::new(1, 2, 2), 1, &device)
            .expect("a model");
        Classifier::new(model, [3, 4], 2, &device)
    }

    fn images() -> Tensor<B, 2> {
        let values = (0..12)
            .map(|i| (0.3 * f64::from(i)).sin().abs())
            .collect::<Vec<_>>();
        Tensor::from_data(TensorData::new(values, [3, 4]), &Default::default())
    }

    #[test]
    fn the_objective_is_the_mean_of_minus_the_log_probabilities() {
        let classifier = classifier();
        let logits: Vec<f64> = classifier
            .forward(images())
            .into_data()
            .to_vec()
            .expect("f64");
        let labels = [2_u8, 0, 3];
        let (mut nats, mut errors) = (0.0, 0);
        for (row, &label) in logits.chunks(4).zip(&labels) {
            let own = row[usize::from(label)];
            nats += row
                .iter()
                .map(|logit| (logit - own).exp())
                .sum::<f64>()
                .ln()
                / 3.0;
            errors += usize::from(row.iter().any(|&logit| logit > own));
        }
        let loss = classifier.loss(images(), &labels);
        assert!((loss.total.into_scalar() - nats).abs() < 1e-12);
        let error = loss.terms[1].1.clone().into_scalar();
        assert!((error - errors as f64 / 3.0).abs() < 1e-12 && errors > 0);
    }

    #[test]
    fn the_weights_read_back_on_the_autoencoder_that_they_came_from() {
        let device = Default::default();
        let classifier = classifier();
        let weights = classifier.state_dict().expect("weights");
        let names: Vec<&str> = weights.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "encoder.0.weight",
                "encoder.0.bias",
                "encoder.2.weight",
                "encoder.2.bias",
                HEAD_WEIGHT,
                HEAD_BIAS
            ]
        );
        // Another autoencoder, whose tied decoder must follow the encoder's weights.
        let other = serde_json::from_str::<ModelConfig>(
            r#"{"family": "undercomplete", "network": {"kind": "mlp", "hidden": [5], "code": 3, "tied": true}}"#,
        );
        let other = other
            .expect("settings")
            .init(Shape::new(1, 2, 2), 9, &device)
            .expect("a model");
        let again = Classifier::from_state_dict(other, 3, weights.clone(), &device).expect("read");
        let difference = classifier.forward(images()) - again.forward(images());
        assert!(difference.abs().max().into_scalar() < 1e-6);

        let mut missing = weights;
        missing.retain(|(name, _)| name != HEAD_BIAS);
        let error = Classifier::from_state_dict(again.autoencoder, 3, missing, &device);
        assert!(matches!(error, Err(StateDictError::Missing(name)) if name == HEAD_BIAS));
    }
}
