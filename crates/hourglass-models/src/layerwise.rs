//! Greedy layer-wise pretraining. Each layer of a deep encoder is first trained alone, as an autoencoder or as an RBM, on the
//! outputs of the layers below it. Its weights, and those of its mirror in the decoder, are then put into the network (Hinton
//! & Salakhutdinov 2006; Bengio et al. 2007; Vincent et al. 2010).

use burn::tensor::backend::Backend;
use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

use crate::autoencoder::Autoencoder;
use crate::config::{ConfigError, require};
use crate::corruption::Corruption;
use crate::families::{
    DenoisingConfig, DenoisingObjective, Model, ModelConfig, UndercompleteConfig,
    UndercompleteObjective,
};
use crate::losses::Likelihood;
use crate::networks::{Activation, MlpConfig, NetworkConfig};
use crate::rbm::Units;
use crate::state_dict::{StateDict, StateDictError, replace, state_dict};

/// What a layer is trained as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LayerMethod {
    /// An autoencoder of one layer.
    Autoencoder {},
    /// An autoencoder of one layer that sees corrupted inputs.
    Denoising {
        /// The kind of corruption.
        #[serde(default)]
        corruption: Corruption,
        /// How much of it, as in `objective.level` of the denoising family.
        #[serde(default = "default_level")]
        level: f64,
    },
    /// A restricted Boltzmann machine: binary units for sigmoid layers and for pixels with Bernoulli or sigmoid
    /// outputs, linear ones with unit variance for linear layers and other pixels.
    Rbm {
        /// The k of CD-k: steps of Gibbs sampling.
        #[serde(default = "default_gibbs_steps")]
        gibbs_steps: usize,
        /// The learning rate of machines with linear units, in place of the others': they need a far smaller one.
        #[serde(default = "default_linear_learning_rate")]
        linear_learning_rate: f64,
    },
}

fn default_level() -> f64 {
    0.3
}

fn default_gibbs_steps() -> usize {
    1
}

/// The learning rate of Hinton & Salakhutdinov 2006.
fn default_linear_learning_rate() -> f64 {
    0.001
}

/// The most steps of Gibbs sampling; more are taken for a mistake.
const MAX_GIBBS_STEPS: usize = 1000;

/// The model as which a layer is trained alone.
#[derive(Debug, Clone, PartialEq)]
pub enum LayerModel {
    /// An autoencoder, and the shape of its inputs.
    Autoencoder(ModelConfig, Shape),
    /// A machine: its numbers of visible and hidden units, their kinds, and the k of CD-k.
    Rbm([usize; 2], [Units; 2], usize),
}

impl LayerMethod {
    /// The models of the layers of a network, from the first on.
    ///
    /// # Errors
    /// When the network or its units can't be trained in this way.
    pub fn layers(
        &self,
        model: &ModelConfig,
        shape: Shape,
    ) -> Result<Vec<LayerModel>, ConfigError> {
        let NetworkConfig::Mlp(network) = model.network() else {
            return Err(ConfigError::new(
                "pretraining",
                "no pretraining, except with network.kind = \"mlp\"",
                "a network of another kind",
            ));
        };
        self.validate()?;
        let widths = network.layer_widths(shape, network.code);
        let layers = widths.windows(2).enumerate();
        layers
            .map(|(number, pair)| {
                let layer = LayerShape {
                    inputs: pair[0],
                    outputs: pair[1],
                    below: (number > 0).then_some(network.activation),
                    activation: if number + 2 == widths.len() {
                        network.code_activation
                    } else {
                        network.activation
                    },
                };
                self.layer(&layer, network, model.likelihood())
            })
            .collect()
    }

    fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Self::Autoencoder {} => Ok(()),
            Self::Denoising { corruption, level } => require(
                corruption.accepts(level),
                "pretraining.layers.level",
                "a share of the inputs in [0, 1], or a standard deviation of at least 0 for gaussian",
                level,
            ),
            Self::Rbm {
                gibbs_steps,
                linear_learning_rate: rate,
            } => {
                require(
                    (1..=MAX_GIBBS_STEPS).contains(&gibbs_steps),
                    "pretraining.layers.gibbs_steps",
                    "1 to 1000 steps",
                    gibbs_steps,
                )?;
                require(
                    rate.is_finite() && rate > 0.0,
                    "pretraining.layers.linear_learning_rate",
                    "a positive rate",
                    rate,
                )
            }
        }
    }

    fn layer(
        &self,
        layer: &LayerShape,
        network: &MlpConfig,
        likelihood: Likelihood,
    ) -> Result<LayerModel, ConfigError> {
        let autoencoder = |config| LayerModel::Autoencoder(config, Shape::new(1, 1, layer.inputs));
        let (likelihood, output_activation) = match layer.below {
            None => (likelihood, network.output_activation),
            Some(Activation::Sigmoid) => (Likelihood::Bernoulli, Activation::Linear),
            Some(below) => (Likelihood::SquaredError, below),
        };
        let network = NetworkConfig::Mlp(MlpConfig {
            hidden: Vec::new(),
            code: layer.outputs,
            code_activation: layer.activation,
            output_activation,
            ..network.clone()
        });
        Ok(match *self {
            Self::Autoencoder {} => autoencoder(ModelConfig::Undercomplete(UndercompleteConfig {
                network,
                objective: UndercompleteObjective { likelihood },
            })),
            Self::Denoising { corruption, level } => {
                let objective = DenoisingObjective {
                    corruption,
                    level,
                    likelihood,
                    ..DenoisingObjective::default()
                };
                autoencoder(ModelConfig::Denoising(DenoisingConfig {
                    network,
                    objective,
                }))
            }
            Self::Rbm { gibbs_steps, .. } => {
                let is_binary =
                    likelihood == Likelihood::Bernoulli || output_activation == Activation::Sigmoid;
                let visible = if is_binary {
                    Units::Binary
                } else {
                    Units::Linear
                };
                let units = [visible, layer.hidden_units()?];
                LayerModel::Rbm([layer.inputs, layer.outputs], units, gibbs_steps)
            }
        })
    }

    /// The learning rate of a layer, where `rate` is that of the others.
    pub fn learning_rate(&self, layer: &LayerModel, rate: f64) -> f64 {
        match (self, layer) {
            (
                Self::Rbm {
                    linear_learning_rate,
                    ..
                },
                LayerModel::Rbm(_, units, _),
            ) if units.contains(&Units::Linear) => *linear_learning_rate,
            _ => rate,
        }
    }
}

struct LayerShape {
    inputs: usize,
    outputs: usize,
    /// The activation of the inputs; images have none.
    below: Option<Activation>,
    activation: Activation,
}

impl LayerShape {
    fn hidden_units(&self) -> Result<Units, ConfigError> {
        let sigmoid_below = self.below.is_none_or(|below| below == Activation::Sigmoid);
        match self.activation {
            Activation::Sigmoid if sigmoid_below => Ok(Units::Binary),
            Activation::Linear if sigmoid_below => Ok(Units::Linear),
            other => Err(ConfigError::new(
                "network.activation",
                "sigmoid, and a sigmoid or linear code, since RBMs have binary or linear units",
                format!(
                    "{:?}",
                    self.below.filter(|_| !sigmoid_below).unwrap_or(other)
                )
                .to_lowercase(),
            )),
        }
    }
}

/// The model with the weights of one of its encoder's layers, and of that layer's mirror in the decoder, taken from a
/// model of that layer alone: `encoder.0.weight`, `encoder.0.bias`, `decoder.0.weight` and `decoder.0.bias`.
///
/// Where the encoder's layer has more outputs than the layer alone, the first ones are replaced: in a variational
/// encoder, the means.
///
/// # Errors
/// When the weights are not those of such a layer.
pub fn with_layer<B: Backend>(
    model: Model<B>,
    layer: usize,
    weights: StateDict,
) -> Result<Model<B>, StateDictError> {
    let [encoder, decoder] = model.network().linear_positions();
    let mirror = decoder[decoder.len() - 1 - layer];
    let own = state_dict(&model)?;
    let moved = weights.into_iter().map(|(name, data)| {
        let name = match name.split_once(".0.") {
            Some(("encoder", rest)) => format!("encoder.{}.{rest}", encoder[layer]),
            Some(("decoder", rest)) => format!("decoder.{mirror}.{rest}"),
            _ => name,
        };
        let old = own.iter().find(|(other, _)| *other == name);
        let data = match old {
            Some((_, old)) if data.num_elements() < old.num_elements() => {
                let kept = old.iter::<f32>().skip(data.num_elements());
                let values: Vec<f32> = data.iter::<f32>().chain(kept).collect();
                burn::tensor::TensorData::new(values, old.shape.clone())
            }
            _ => data,
        };
        (name, data)
    });
    let moved = moved.collect();
    replace(model, moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoencoder::Autoencoder;
    use crate::rbm::Rbm;
    use burn::backend::NdArray;
    use burn::tensor::{Tensor, TensorData};

    type B = NdArray<f64>;

    const SHAPE: Shape = Shape::new(1, 2, 3);

    fn config(family: &str, network: &str) -> ModelConfig {
        let text = format!(
            r#"{{"family": "{family}", "network": {{"kind": "mlp", "hidden": [5, 4], "code": 3, {network}}},
                "objective": {{"likelihood": "bernoulli"}}}}"#
        );
        serde_json::from_str(&text).expect("settings")
    }

    fn images() -> Tensor<B, 2> {
        let values: Vec<f64> = (0..24).map(|i| (0.7 * f64::from(i)).sin().abs()).collect();
        Tensor::from_data(TensorData::new(values, [4, 6]), &Default::default())
    }

    fn difference(a: Tensor<B, 2>, b: Tensor<B, 2>) -> f64 {
        (a - b).abs().max().into_scalar()
    }

    /// The unrolled network is the layers on top of each other, in both directions.
    #[test]
    fn a_network_of_layers_does_what_they_do_one_after_another() {
        let device = Default::default();
        for network in [
            r#""activation": "sigmoid", "tied": false"#,
            r#""activation": "tanh", "tied": true"#,
            r#""activation": "linear", "tied": false"#,
        ] {
            let config = config("undercomplete", network);
            let layers = LayerMethod::Autoencoder {}.layers(&config, SHAPE);
            let mut model = config.init::<B>(SHAPE, 1, &device).expect("a model");
            let mut alone = Vec::new();
            for (number, layer) in layers.expect("layers").iter().enumerate() {
                let LayerModel::Autoencoder(config, shape) = layer else {
                    panic!("{layer:?}")
                };
                let layer = config.init::<B>(*shape, 10 + number as u64, &device);
                let layer = layer.expect("a layer");
                let inputs = model.network().inputs_of_linear(number, images());
                let expected = alone
                    .iter()
                    .fold(images(), |x, below: &Model<B>| below.encode(x));
                assert!(difference(inputs, expected) < 1e-6, "{network}");
                let weights = state_dict(&layer).expect("weights");
                model = with_layer(model, number, weights).expect("it fits");
                alone.push(layer);
            }
            let codes = alone.iter().fold(images(), |x, layer| layer.encode(x));
            assert!(
                difference(model.encode(images()), codes.clone()) < 1e-6,
                "{network}"
            );
            let decoded = alone
                .iter()
                .rev()
                .enumerate()
                .fold(codes, |x, (place, layer)| {
                    let outputs = layer.decode(x);
                    // A layer's logits stand for the means that the layer below decodes.
                    if place + 1 < alone.len() {
                        layer.likelihood().mean(outputs)
                    } else {
                        outputs
                    }
                });
            let found = model.decode(model.encode(images()));
            assert!(difference(found, decoded) < 1e-6, "{network}");
        }
    }

    #[test]
    fn machines_become_sigmoid_layers_with_transposed_weights() {
        let device = Default::default();
        let config = config("variational", r#""activation": "sigmoid""#);
        let method = LayerMethod::Rbm {
            gibbs_steps: 1,
            linear_learning_rate: 0.001,
        };
        let layers = method.layers(&config, SHAPE).expect("layers");
        let kinds: Vec<_> = layers
            .iter()
            .map(|layer| match layer {
                LayerModel::Rbm(sizes, units, _) => (*sizes, *units),
                LayerModel::Autoencoder(..) => panic!("{layer:?}"),
            })
            .collect();
        let binary = [Units::Binary, Units::Binary];
        assert_eq!(
            kinds,
            [
                ([6, 5], binary),
                ([5, 4], binary),
                ([4, 3], [Units::Binary, Units::Linear])
            ]
        );
        let rates: Vec<f64> = layers
            .iter()
            .map(|layer| method.learning_rate(layer, 0.1))
            .collect();
        assert_eq!(rates, [0.1, 0.1, 0.001]);

        // The top layer's outputs are means and log-variances; the machine's units become the means.
        let model = config.init::<B>(SHAPE, 1, &device).expect("a model");
        let before = state_dict(&model).expect("weights");
        let weights = Rbm::<B>::new([4, 3], kinds[2].1, 1, 7, &device).unrolled();
        let model = with_layer(model, 2, weights.clone()).expect("it fits");
        let after = state_dict(&model).expect("weights");
        let values = |weights: &StateDict, name: &str| -> Vec<f32> {
            let (_, data) = weights.iter().find(|(other, _)| other == name).expect(name);
            data.iter::<f32>().collect()
        };
        let top = values(&after, "encoder.4.weight");
        assert_eq!(top[..12], values(&weights, "encoder.0.weight"));
        assert_eq!(top[12..], values(&before, "encoder.4.weight")[12..]);
        assert_eq!(
            values(&after, "decoder.0.weight"),
            values(&weights, "decoder.0.weight")
        );
        let rows = Tensor::<B, 2>::from_data(TensorData::new(top[..12].to_vec(), [3, 4]), &device);
        let columns = values(&after, "decoder.0.weight");
        let columns = Tensor::<B, 2>::from_data(TensorData::new(columns, [4, 3]), &device);
        assert_eq!(difference(rows.transpose(), columns), 0.0);
    }

    #[test]
    fn what_cannot_be_pretrained_is_named() {
        let rbm = LayerMethod::Rbm {
            gibbs_steps: 1,
            linear_learning_rate: 0.001,
        };
        let error = rbm.layers(&config("undercomplete", r#""activation": "relu""#), SHAPE);
        let error = error.expect_err("no units for relu").to_string();
        assert!(
            error.contains("relu") && error.contains("sigmoid"),
            "{error}"
        );
        let conv = r#"{"family": "undercomplete", "network": {"kind": "conv"}}"#;
        let conv: ModelConfig = serde_json::from_str(conv).expect("settings");
        let error = LayerMethod::Autoencoder {}.layers(&conv, Shape::new(1, 28, 28));
        assert!(error.expect_err("no layers").to_string().contains("mlp"));
    }
}
