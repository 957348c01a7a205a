//! Recipes: a model, its data and its training, in TOML.

use std::path::{Path, PathBuf};

use hourglass_models::{ConfigError, ImageShape, ModelConfig};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use toml::{Table, Value};

/// All settings of a training run.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// `family`, `[network]` and `[objective]`
    pub model: ModelConfig,
    /// `[data]`
    pub data: DataConfig,
    /// `[training]`
    pub training: TrainingConfig,
}

/// What a model is trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// A name of the catalog, or a path.
    pub name: String,
    /// Only the first so many training images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The share of the training images that is held out for validation.
    pub validation: f64,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            name: "mnist-mini".into(),
            limit: None,
            validation: 0.05,
        }
    }
}

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// The length of training in steps; this or `epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// The length of training in passes over the images; this or `steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Images a step.
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
    /// The seed of weights, order and noise.
    pub seed: u64,
    /// Ends the run when a term of the validation images no longer falls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Steps between checkpoints, at most.
    pub checkpoint_steps: u64,
    /// Seconds between checkpoints, at most.
    pub checkpoint_seconds: f64,
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
            seed: 0,
            early_stopping: None,
            checkpoint_steps: 1000,
            checkpoint_seconds: 60.0,
        }
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
    /// It is multiplied by `factor` every `every` steps.
    Step {
        /// Steps between changes.
        every: u64,
        /// What the rate is multiplied by.
        factor: f64,
    },
}

impl Schedule {
    /// What the learning rate is multiplied by at `step` of `total`.
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        match *self {
            Self::Constant => 1.0,
            Self::Cosine => {
                0.5 * (1.0 + (std::f64::consts::PI * step as f64 / total.max(1) as f64).cos())
            }
            Self::Step { every, factor } => factor.powf((step / every.max(1)) as f64),
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
    /// Evaluations, one an epoch, without a new best value before the run ends.
    pub patience: u64,
}

fn default_term() -> String {
    "loss".into()
}

/// A recipe that can't be used.
#[derive(Debug, Error)]
pub enum RecipeError {
    /// The file can't be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The text is not a recipe.
    #[error("{path}: {message}")]
    Parse {
        /// The recipe.
        path: PathBuf,
        /// What is wrong and where.
        message: String,
    },
    /// An override is not `key.path=value`.
    #[error("--set {given}: expected KEY.PATH=VALUE, such as training.learning_rate=0.001{detail}")]
    Override {
        /// What was given.
        given: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A setting has a value that can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A setting of the training or the data has a value that can't be used.
    #[error("`{key}`: expected {expected}, found {found}")]
    Setting {
        /// The setting's path.
        key: &'static str,
        /// What can be used.
        expected: &'static str,
        /// What was given.
        found: String,
    },
}

impl Recipe {
    /// Reads a recipe; `path` names it in errors, `overrides` are `key.path=value` in TOML's syntax, where a value that is
    /// no TOML is taken for a string.
    ///
    /// # Errors
    /// When the text or an override is not TOML, or a key is unknown, unused by the family, or has a value of another type.
    pub fn parse(text: &str, path: &Path, overrides: &[String]) -> Result<Self, RecipeError> {
        let parse_error = |message: String| RecipeError::Parse {
            path: path.to_owned(),
            message: message.trim().to_owned(),
        };
        let mut table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| parse_error(error.to_string()))?;
        for given in overrides {
            set(&mut table, given)?;
        }
        let section = |table: &mut Table, name: &str| {
            table
                .remove(name)
                .unwrap_or_else(|| Value::Table(Table::new()))
        };
        let data = section(&mut table, "data");
        let training = section(&mut table, "training");
        let family = table.get("family").and_then(Value::as_str);
        if !family.is_some_and(|family| ModelConfig::FAMILIES.contains(&family)) {
            return Err(parse_error(format!(
                "`family`: expected one of {}, found {}",
                ModelConfig::FAMILIES.join(", "),
                family.unwrap_or("none")
            )));
        }
        let in_section = |name: &str, error: toml::de::Error| {
            parse_error(format!("[{name}]: {}", error.to_string().trim()))
        };
        Ok(Self {
            data: data.try_into().map_err(|error| in_section("data", error))?,
            training: training
                .try_into()
                .map_err(|error| in_section("training", error))?,
            model: Value::Table(table)
                .try_into()
                .map_err(|error: toml::de::Error| parse_error(error.to_string()))?,
        })
    }

    /// The recipe in TOML, with every setting.
    pub fn to_toml(&self) -> String {
        let table = |value: Result<Value, toml::ser::Error>| match value {
            Ok(Value::Table(table)) => table,
            other => unreachable!("settings are tables of plain values: {other:?}"),
        };
        let mut all = table(Value::try_from(&self.model));
        all.insert(
            "data".into(),
            Value::Table(table(Value::try_from(&self.data))),
        );
        all.insert(
            "training".into(),
            Value::Table(table(Value::try_from(&self.training))),
        );
        all.to_string()
    }

    /// Checks every setting against images of a shape.
    ///
    /// # Errors
    /// Names the first setting that can't be used.
    pub fn validate(&self, shape: ImageShape) -> Result<(), RecipeError> {
        self.model.validate(shape)?;
        let training = &self.training;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let share = (0.0..1.0).contains(&self.data.validation);
        let decay = training.weight_decay;
        let momentum = training.momentum;
        check(
            share,
            "data.validation",
            "a share in [0, 1)",
            self.data.validation,
        )?;
        check(
            training.steps.is_some() != training.epochs.is_some(),
            "training.steps",
            "either `steps` or `epochs`",
            if training.steps.is_some() {
                "both"
            } else {
                "neither"
            },
        )?;
        let length = training.steps.or(training.epochs);
        check(
            length != Some(0),
            "training.steps",
            "at least 1 step or epoch",
            0,
        )?;
        let size = training.batch_size;
        check(size > 0, "training.batch_size", "at least 1 image", size)?;
        let rate = training.learning_rate;
        check(
            positive(rate),
            "training.learning_rate",
            "a positive rate",
            rate,
        )?;
        check(
            decay.is_finite() && decay >= 0.0,
            "training.weight_decay",
            "at least 0",
            decay,
        )?;
        check(
            momentum.is_none() || training.optimizer == OptimizerKind::Sgd,
            "training.momentum",
            "no momentum, since only sgd has one",
            momentum.unwrap_or_default(),
        )?;
        check(
            momentum.is_none_or(|momentum| (0.0..1.0).contains(&momentum)),
            "training.momentum",
            "a momentum in [0, 1)",
            momentum.unwrap_or_default(),
        )?;
        let clip = training.clip;
        check(
            clip.is_none_or(positive),
            "training.clip",
            "a positive norm",
            clip.unwrap_or_default(),
        )?;
        if let Schedule::Step { every, factor } = training.schedule {
            check(
                every > 0,
                "training.schedule.step.every",
                "at least 1 step",
                every,
            )?;
            check(
                positive(factor),
                "training.schedule.step.factor",
                "a positive factor",
                factor,
            )?;
        }
        if let Some(stopping) = &training.early_stopping {
            check(
                self.data.validation > 0.0,
                "training.early_stopping",
                "a data.validation above 0, whose images it watches",
                self.data.validation,
            )?;
            let patience = stopping.patience;
            check(
                patience > 0,
                "training.early_stopping.patience",
                "at least 1 evaluation",
                patience,
            )?;
        }
        let seconds = training.checkpoint_seconds;
        check(
            positive(seconds),
            "training.checkpoint_seconds",
            "a positive time",
            seconds,
        )?;
        let steps = training.checkpoint_steps;
        check(
            steps > 0,
            "training.checkpoint_steps",
            "at least 1 step",
            steps,
        )
    }
}

fn check(
    holds: bool,
    key: &'static str,
    expected: &'static str,
    found: impl ToString,
) -> Result<(), RecipeError> {
    if holds {
        return Ok(());
    }
    Err(RecipeError::Setting {
        key,
        expected,
        found: found.to_string(),
    })
}

/// Sets one `key.path=value`.
fn set(table: &mut Table, given: &str) -> Result<(), RecipeError> {
    let error = |detail: &str| RecipeError::Override {
        given: given.to_owned(),
        detail: detail.to_owned(),
    };
    let (path, text) = given.split_once('=').ok_or_else(|| error(""))?;
    let value = format!("value = {text}").parse::<Table>().ok();
    let value = value.and_then(|mut parsed| (parsed.len() == 1).then(|| parsed.remove("value"))?);
    let value = value.unwrap_or_else(|| Value::String(text.trim().to_owned()));

    let mut keys: Vec<&str> = path.split('.').map(str::trim).collect();
    if keys.iter().any(|key| key.is_empty()) {
        return Err(error(" (a key is empty)"));
    }
    let last = keys.pop().ok_or_else(|| error(""))?;
    let mut table = table;
    for key in keys {
        let entry = table
            .entry(key)
            .or_insert_with(|| Value::Table(Table::new()));
        if !entry.is_table() {
            *entry = Value::Table(Table::new());
        }
        table = entry.as_table_mut().ok_or_else(|| error(""))?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        family = "sparse"
        [network]
        kind = "mlp"
        hidden = []
        code = 100
        [objective]
        penalty = "top-k"
        k = 5
        [training]
        steps = 10
    "#;

    fn parse(overrides: &[&str]) -> Result<Recipe, RecipeError> {
        let overrides: Vec<String> = overrides.iter().map(|&given| given.to_owned()).collect();
        Recipe::parse(TEXT, Path::new("test.toml"), &overrides)
    }

    #[test]
    fn a_resolved_recipe_reads_back() {
        let recipe = parse(&["training.schedule=cosine", "objective.start=50"]).expect("a recipe");
        let again = Recipe::parse(&recipe.to_toml(), Path::new("x"), &[]).expect("a recipe");
        assert_eq!(recipe, again);
    }

    #[test]
    fn overrides_reach_every_depth() {
        let recipe = parse(&[
            "training.schedule.step.every=3",
            "training.schedule.step.factor=0.5",
        ]);
        let schedule = recipe.expect("a recipe").training.schedule;
        assert_eq!(
            schedule,
            Schedule::Step {
                every: 3,
                factor: 0.5
            }
        );
        assert_eq!(schedule.factor(7, 100), 0.25);
    }

    #[test]
    fn unknown_keys_and_families_are_errors() {
        for given in [
            "training.rate=1",
            "objective.beta=2",
            "network.channels=[1]",
            "extra.key=1",
            "data.path=x",
            "family=magic",
        ] {
            let error = parse(&[given]).expect_err(given).to_string();
            assert!(error.contains("expected"), "{given}: {error}");
        }
        parse(&["no equals sign"]).expect_err("not an assignment");
    }

    #[test]
    fn impossible_settings_are_named() {
        for (given, key) in [
            ("network.hidden=[0]", "network.hidden"),
            ("network.hidden=[1000000000, 1000000000]", "network"),
            ("objective.k=101", "objective.k"),
            ("training.epochs=3", "training.steps"),
            ("training.momentum=0.9", "training.momentum"),
            ("training.batch_size=0", "training.batch_size"),
            ("data.validation=1.0", "data.validation"),
        ] {
            let recipe = parse(&[given]).expect("a recipe");
            let error = recipe.validate([1, 28, 28]).expect_err(given).to_string();
            assert!(error.starts_with(&format!("`{key}`")), "{given}: {error}");
        }
    }

    #[test]
    fn cosine_falls_from_one_to_zero() {
        assert_eq!(Schedule::Cosine.factor(0, 10), 1.0);
        assert!((Schedule::Cosine.factor(5, 10) - 0.5).abs() < 1e-12);
        assert!(Schedule::Cosine.factor(10, 10).abs() < 1e-12);
    }
}
