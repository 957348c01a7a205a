//! The phases of a run. First the layers of a deep network are trained one by one, then the network as a whole, then its
//! encoder as a classifier. The first and the last kind of phase are there only if the recipe asks for them. Each phase has a
//! model, an objective, and settings of its own; the loop is the same for all.

use std::fmt;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use hourglass_data::{Batch, Dataset, Subset};
use hourglass_measure::images_of;
use hourglass_models::{
    Autoencoder, Classifier, ConfigError, LayerModel, Loss, Model, Rbm, Shape, StateDict,
    StateDictError, StepContext, state_dict, with_layer,
};
use serde::{Deserialize, Serialize};

use crate::recipe::{Recipe, TrainingConfig};

/// A phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// A layer of the encoder and its mirror, counted from 0, are trained alone.
    Layer(usize),
    /// The model is trained end to end.
    #[default]
    Whole,
    /// The encoder and a softmax layer are trained by the labels.
    Classifier,
}

impl Phase {
    /// The section of a recipe that holds the settings of its training.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Layer(_) => "pretraining.training",
            Self::Whole => "training",
            Self::Classifier => "classifier",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layer(number) => write!(f, "layer {}", number + 1),
            Self::Whole => f.write_str("whole model"),
            Self::Classifier => f.write_str("classifier"),
        }
    }
}

/// What a phase trains, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) phase: Phase,
    pub(crate) config: TrainingConfig,
    /// The seed of weights, order and noise.
    pub(crate) seed: u64,
    layer: Option<LayerModel>,
}

/// The phases of a recipe, in order.
pub(crate) fn plans(recipe: &Recipe, shape: Shape) -> Result<Vec<Plan>, ConfigError> {
    let mut plans = Vec::new();
    let mut push = |phase, config: &TrainingConfig, layer| {
        plans.push(Plan {
            phase,
            config: config.clone(),
            seed: seed_of(recipe.run.seed, phase),
            layer,
        });
    };
    if let Some(pretraining) = &recipe.pretraining {
        let layers = pretraining.layers.layers(&recipe.model, shape)?;
        for (number, layer) in layers.into_iter().enumerate() {
            let mut config = pretraining.training.clone();
            config.learning_rate = pretraining
                .layers
                .learning_rate(&layer, config.learning_rate);
            push(Phase::Layer(number), &config, Some(layer));
        }
    }
    push(Phase::Whole, &recipe.training, None);
    if let Some(classifier) = &recipe.classifier {
        push(Phase::Classifier, classifier, None);
    }
    Ok(plans)
}

/// A different seed for the order and the noise of every phase; the phase of the whole model uses the recipe's seed itself.
fn seed_of(seed: u64, phase: Phase) -> u64 {
    let number = match phase {
        Phase::Whole => 0,
        Phase::Classifier => 1,
        Phase::Layer(number) => number as u64 + 2,
    };
    seed ^ (number << 32)
}

/// The number of classes of a dataset, one more than its largest label; none without labels.
pub(crate) fn classes_of(dataset: &Dataset) -> Option<usize> {
    let labels = (0..dataset.len()).map(|index| dataset.label(index));
    let largest = labels.collect::<Option<Vec<u8>>>()?.into_iter().max()?;
    Some(usize::from(largest) + 1)
}

/// What a phase trains.
#[derive(Module, Debug)]
pub(crate) enum Trainee<B: Backend> {
    /// The whole model, or a layer alone.
    Autoencoder(Model<B>),
    /// A layer alone.
    Rbm(Rbm<B>),
    /// The encoder and a softmax layer.
    Classifier(Classifier<B>),
}

/// A batch in the form that a phase takes it.
#[derive(Debug)]
pub(crate) struct Examples<B: Backend> {
    /// The images, or what the layers below make of them, `[batch, features]`.
    pub(crate) inputs: Tensor<B, 2>,
    /// One label per image, if there are labels.
    pub(crate) labels: Option<Vec<u8>>,
}

impl<B: AutodiffBackend> Examples<B> {
    /// Turns examples into constants, to which no gradient flows back.
    pub(crate) fn constant(examples: Examples<B::InnerBackend>) -> Self {
        Self {
            inputs: Tensor::from_inner(examples.inputs),
            labels: examples.labels,
        }
    }
}

impl Plan {
    /// The whole model alone, where there is no recipe.
    pub(crate) fn of_whole_model() -> Self {
        Self {
            phase: Phase::Whole,
            config: TrainingConfig::default(),
            seed: 0,
            layer: None,
        }
    }

    /// What this phase trains, as it is at the phase's start; `model` is the whole model so far.
    pub(crate) fn trainee<B: Backend>(
        &self,
        model: &Model<B>,
        training: &Subset,
        device: &B::Device,
    ) -> Result<Trainee<B>, ConfigError> {
        Ok(match (&self.layer, self.phase) {
            (Some(LayerModel::Autoencoder(config, shape)), _) => {
                Trainee::Autoencoder(config.init(*shape, self.seed, device)?)
            }
            (Some(LayerModel::Rbm(sizes, units, gibbs_steps)), _) => {
                Trainee::Rbm(Rbm::new(*sizes, *units, *gibbs_steps, self.seed, device))
            }
            (None, Phase::Classifier) => {
                let dataset = training.dataset();
                let image = Tensor::zeros([1, dataset.features()], device);
                let [_, code] = model.encode(image).dims();
                let classes = classes_of(dataset).expect("`check_phases` has found labels");
                Trainee::Classifier(Classifier::new(
                    model.clone(),
                    [code, classes],
                    self.seed,
                    device,
                ))
            }
            (None, _) => Trainee::Autoencoder(model.clone()),
        })
    }

    /// A batch as this phase takes it; `model` is the whole model so far.
    pub(crate) fn examples<B: Backend>(
        &self,
        model: &Model<B>,
        batch: &Batch,
        device: &B::Device,
    ) -> Examples<B> {
        let images = images_of(batch, device);
        Examples {
            inputs: match self.phase {
                Phase::Layer(number) if number > 0 => {
                    model.network().inputs_of_linear(number, images)
                }
                _ => images,
            },
            labels: batch.labels.clone(),
        }
    }

    /// The whole model with what this phase has trained.
    pub(crate) fn absorb<B: Backend>(
        &self,
        model: Model<B>,
        trainee: Trainee<B>,
    ) -> Result<Model<B>, StateDictError> {
        match (self.phase, trainee) {
            (Phase::Layer(number), trainee) => with_layer(model, number, trainee.layer()?),
            (Phase::Whole, Trainee::Autoencoder(trained)) => Ok(trained),
            _ => Ok(model),
        }
    }
}

impl<B: Backend> Trainee<B> {
    pub(crate) fn loss(&self, examples: Examples<B>, step: &StepContext) -> Loss<B> {
        let Examples { inputs, labels } = examples;
        match self {
            Self::Autoencoder(model) => model.loss(inputs, step),
            Self::Rbm(machine) => machine.loss(inputs, step),
            Self::Classifier(classifier) => {
                let labels = labels.expect("`check_phases` has found labels");
                classifier.loss(inputs, &labels)
            }
        }
    }

    /// The weights of a layer that was trained alone.
    fn layer(self) -> Result<StateDict, StateDictError> {
        match self {
            Self::Autoencoder(model) => state_dict(&model),
            Self::Rbm(machine) => Ok(machine.unrolled()),
            Self::Classifier(_) => unreachable!("a classifier is no layer"),
        }
    }
}
