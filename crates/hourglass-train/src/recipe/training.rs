//! How a model, a layer of it or a classifier is trained: the optimiser, its schedule, and when it ends.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::error::{RecipeError, check};

/// How a model, a layer of it or a classifier is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// The length of training in steps; this or `epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// The length of training in passes over the images; this or `steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Images per step.
    pub batch_size: usize,
    /// The optimiser.
    pub optimizer: OptimizerKind,
    /// Momentum of `sgd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// The learning rate that the schedule starts from.
    pub learning_rate: f64,
    /// How the learning rate changes over the run.
    pub schedule: Schedule,
    /// Weight decay: decoupled for `adamw`, added to the gradient for `adam` and `sgd`.
    pub weight_decay: f64,
    /// The largest norm of the whole gradient; longer ones are scaled down to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Ends the training when a term of the validation images no longer falls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            steps: None,
            epochs: None,
            batch_size: 128,
            optimizer: OptimizerKind::Adam,
            momentum: None,
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            weight_decay: 0.0,
            clip: None,
            early_stopping: None,
        }
    }
}

impl TrainingConfig {
    /// Steps or epochs.
    pub(super) fn length(&self) -> Option<u64> {
        self.steps.or(self.epochs)
    }

    /// The number of steps in all, and per epoch, on so many images.
    pub fn lengths(&self, images: usize) -> (u64, u64) {
        let per_epoch = images.div_ceil(self.batch_size).max(1) as u64;
        let epochs = self.epochs.map(|epochs| epochs.saturating_mul(per_epoch));
        (self.steps.or(epochs).unwrap_or(per_epoch), per_epoch)
    }

    /// `section` is where these settings stand in the recipe.
    pub(super) fn validate(&self, section: &str) -> Result<(), RecipeError> {
        let both = self.steps.is_some() && self.epochs.is_some();
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let check = |holds: bool, key: &str, expected, found: &dyn Display| {
            check(holds, &format!("{section}.{key}"), expected, found)
        };
        check(
            self.length().is_some() && !both,
            "steps",
            "either `steps` or `epochs`",
            &if both { "both" } else { "neither" },
        )?;
        let size = self.batch_size;
        check(size > 0, "batch_size", "at least 1 image", &size)?;
        let rate = self.learning_rate;
        check(positive(rate), "learning_rate", "a positive rate", &rate)?;
        let decay = self.weight_decay;
        check(
            decay.is_finite() && decay >= 0.0,
            "weight_decay",
            "at least 0",
            &decay,
        )?;
        let clip = self.clip;
        check(
            clip.is_none_or(positive),
            "clip",
            "a positive norm",
            &clip.unwrap_or_default(),
        )?;
        let patience = self
            .early_stopping
            .as_ref()
            .map(|stopping| stopping.patience);
        check(
            patience != Some(0),
            "early_stopping.patience",
            "at least 1 evaluation",
            &0,
        )?;
        self.validate_momentum(section)?;
        self.schedule.validate(section)
    }

    fn validate_momentum(&self, section: &str) -> Result<(), RecipeError> {
        let Some(momentum) = self.momentum else {
            return Ok(());
        };
        let key = format!("{section}.momentum");
        let is_sgd = self.optimizer == OptimizerKind::Sgd;
        check(
            is_sgd,
            &key,
            "no momentum, since only sgd has one",
            momentum,
        )?;
        check(
            (0.0..1.0).contains(&momentum),
            &key,
            "a momentum in [0, 1)",
            momentum,
        )
    }
}

/// The optimisers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Adam (Kingma & Ba 2015), beta 0.9 and 0.999, epsilon 1e-8
    Adam,
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019)
    Adamw,
    /// Stochastic gradient descent, with momentum where one is given
    Sgd,
}

/// How the learning rate changes over a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// It doesn't.
    Constant,
    /// It falls to 0 along half a cosine.
    Cosine,
    /// It rises from a 25th along half a cosine, and then falls to 0 along another (Smith & Topin 2019, in the shape of
    /// PyTorch's `OneCycleLR`).
    OneCycle {
        /// The share of training over which it rises.
        warmup: f64,
    },
    /// It is multiplied by `factor` every `every` steps.
    Step {
        /// Steps between changes.
        every: u64,
        /// What the rate is multiplied by.
        factor: f64,
    },
}

/// Where the one-cycle schedule starts, as a share of its greatest rate.
const ONE_CYCLE_START: f64 = 0.04;

impl Schedule {
    /// What the learning rate is multiplied by at `step` of `total`.
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        let progress = step as f64 / total.max(1) as f64;
        let falling = |share: f64| 0.5 * (1.0 + (std::f64::consts::PI * share).cos());
        match *self {
            Self::Constant => 1.0,
            Self::Cosine => falling(progress),
            Self::OneCycle { warmup } if progress < warmup => {
                1.0 - (1.0 - ONE_CYCLE_START) * falling(progress / warmup)
            }
            Self::OneCycle { warmup } => falling((progress - warmup) / (1.0 - warmup)),
            Self::Step { every, factor } => factor.powf((step / every.max(1)) as f64),
        }
    }

    fn validate(&self, section: &str) -> Result<(), RecipeError> {
        let key = |name: &str| format!("{section}.schedule.{name}");
        match *self {
            Self::Step { every, factor } => {
                check(every > 0, &key("step.every"), "at least 1 step", every)?;
                let is_positive = factor.is_finite() && factor > 0.0;
                check(
                    is_positive,
                    &key("step.factor"),
                    "a positive factor",
                    factor,
                )
            }
            Self::OneCycle { warmup } => check(
                (0.0..1.0).contains(&warmup),
                &key("one-cycle.warmup"),
                "a share of training in [0, 1)",
                warmup,
            ),
            Self::Constant | Self::Cosine => Ok(()),
        }
    }
}

/// When to end a run early. The weights of the best evaluation are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// The term of the validation images to watch, such as `loss` or `negative_elbo`.
    #[serde(default = "default_term")]
    pub term: String,
    /// How many evaluations in a row, one per epoch, without a new best value end the run.
    pub patience: u64,
}

fn default_term() -> String {
    "loss".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cycle_rises_and_falls() {
        let schedule = Schedule::OneCycle { warmup: 0.25 };
        let factors = [0, 25, 100].map(|step| schedule.factor(step, 100));
        for (found, expected) in factors.into_iter().zip([0.04, 1.0, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{factors:?}");
        }
    }

    #[test]
    fn cosine_falls_from_one_to_zero() {
        assert_eq!(Schedule::Cosine.factor(0, 10), 1.0);
        assert!((Schedule::Cosine.factor(5, 10) - 0.5).abs() < 1e-12);
        assert!(Schedule::Cosine.factor(10, 10).abs() < 1e-12);
    }
}
