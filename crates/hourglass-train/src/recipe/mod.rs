//! Recipes: a model, its data and its training, in TOML.

mod training;

use std::path::{Path, PathBuf};

use hourglass_data::{ImageOptions, OnError};
use hourglass_models::{ConfigError, ImageShape, LayerMethod, ModelConfig};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use toml::{Table, Value};

pub use training::{EarlyStopping, OptimizerKind, Schedule, TrainingConfig};

/// All settings of a training run.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// `family`, `[network]` and `[objective]`
    pub model: ModelConfig,
    /// `[data]`
    pub data: DataConfig,
    /// `[pretraining]`: whether and how the layers are trained alone first.
    pub pretraining: Option<PretrainingConfig>,
    /// `[training]`: how the model is trained end to end.
    pub training: TrainingConfig,
    /// `[classifier]`: whether and how the encoder is then fine-tuned with a softmax layer on top, by the labels.
    pub classifier: Option<TrainingConfig>,
    /// What holds for the whole run; the keys stand in `[training]` too.
    pub run: RunConfig,
}

/// What a model is trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// A name of the catalog, or a path.
    pub name: String,
    /// Only the training images that have one of these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<LabelName>>,
    /// Only the first so many training images, of those labels where some are named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The share of the training images that is held out for validation.
    pub validation: f64,
    /// `[channels, height, width]` that the images are brought to; their own where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<ImageShape>,
    /// Whether images that would have to be changed are refused.
    pub strict: bool,
    /// What to do about an image file that can't be used.
    pub on_error: OnError,
}

impl DataConfig {
    /// How the images are opened.
    pub fn image_options(&self) -> ImageOptions {
        let shape = self
            .shape
            .map(|[channels, height, width]| hourglass_data::ImageShape {
                channels,
                height,
                width,
            });
        ImageOptions {
            shape,
            strict: self.strict,
            on_error: self.on_error,
        }
    }
}

/// A label, by its number or, where labels have names, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LabelName {
    /// Its number.
    Number(u8),
    /// Its name.
    Name(String),
}

impl std::fmt::Display for LabelName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            name: "mnist-mini".into(),
            labels: None,
            limit: None,
            validation: 0.05,
            shape: None,
            strict: false,
            on_error: OnError::Stop,
        }
    }
}

/// What holds for all phases of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// The seed of weights, order and noise.
    pub seed: u64,
    /// Steps between checkpoints, at most.
    pub checkpoint_steps: u64,
    /// Seconds between checkpoints, at most.
    pub checkpoint_seconds: f64,
    /// A directory with a model of the same network, whose weights the training begins with; random ones where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

impl RunConfig {
    const KEYS: [&str; 4] = ["seed", "checkpoint_steps", "checkpoint_seconds", "from"];
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            checkpoint_steps: 1000,
            checkpoint_seconds: 60.0,
            from: None,
        }
    }
}

/// How the layers of a deep network are trained alone, from the first on, before the network is trained as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainingConfig {
    /// What each layer is trained as.
    pub layers: LayerMethod,
    /// How each layer is trained.
    pub training: TrainingConfig,
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
        key: String,
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
        let mut training = section(&mut table, "training");
        let run = split_off(&mut training, &RunConfig::KEYS);
        let pretraining = table.remove("pretraining");
        let classifier = table.remove("classifier");
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
            pretraining: pretraining
                .map(Value::try_into)
                .transpose()
                .map_err(|error| in_section("pretraining", error))?,
            training: training
                .try_into()
                .map_err(|error| in_section("training", error))?,
            classifier: classifier
                .map(Value::try_into)
                .transpose()
                .map_err(|error| in_section("classifier", error))?,
            run: run
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
        let mut training = table(Value::try_from(&self.training));
        training.extend(table(Value::try_from(&self.run)));
        let mut insert = |name: &str, table| all.insert(name.into(), Value::Table(table));
        insert("data", table(Value::try_from(&self.data)));
        insert("training", training);
        if let Some(pretraining) = &self.pretraining {
            insert("pretraining", table(Value::try_from(pretraining)));
        }
        if let Some(classifier) = &self.classifier {
            insert("classifier", table(Value::try_from(classifier)));
        }
        all.to_string()
    }

    /// Checks every setting against images of a shape.
    ///
    /// # Errors
    /// Names the first setting that can't be used.
    pub fn validate(&self, shape: ImageShape) -> Result<(), RecipeError> {
        self.model.validate(shape)?;
        if let Some(pretraining) = &self.pretraining {
            pretraining.layers.layers(&self.model, shape)?;
        }
        let share = self.data.validation;
        check(
            (0.0..1.0).contains(&share),
            "data.validation",
            "a share in [0, 1)",
            share,
        )?;
        check(
            self.data
                .labels
                .as_ref()
                .is_none_or(|labels| !labels.is_empty()),
            "data.labels",
            "at least one label; leave it out for all images",
            "[]",
        )?;
        for (section, training) in self.trainings() {
            training.validate(section)?;
            check(
                training.length() != Some(0) || self.may_be_skipped(section),
                &format!("{section}.steps"),
                "at least 1 step or epoch",
                0,
            )?;
            check(
                training.early_stopping.is_none() || share > 0.0,
                &format!("{section}.early_stopping"),
                "a data.validation above 0, whose images it watches",
                share,
            )?;
        }
        if let Some(from) = &self.run.from {
            check(
                self.pretraining.is_none(),
                "training.from",
                "no weights to begin with, since the layers are pretrained",
                from.display(),
            )?;
            check(
                from.to_str().is_some(),
                "training.from",
                "a path in UTF-8, as recipes are",
                from.display(),
            )?;
        }
        let seconds = self.run.checkpoint_seconds;
        check(
            seconds.is_finite() && seconds > 0.0,
            "training.checkpoint_seconds",
            "a positive time",
            seconds,
        )?;
        let steps = self.run.checkpoint_steps;
        check(
            steps > 0,
            "training.checkpoint_steps",
            "at least 1 step",
            steps,
        )
    }

    /// How each phase is trained, by the section of the recipe.
    fn trainings(&self) -> impl Iterator<Item = (&'static str, &TrainingConfig)> {
        let pretraining = self.pretraining.as_ref();
        let pretraining = pretraining.map(|config| ("pretraining.training", &config.training));
        let classifier = self.classifier.as_ref();
        pretraining
            .into_iter()
            .chain([("training", &self.training)])
            .chain(classifier.map(|config| ("classifier", config)))
    }

    /// A network that was pretrained need not be trained end to end.
    fn may_be_skipped(&self, section: &str) -> bool {
        section == "training" && self.pretraining.is_some()
    }
}

fn check(
    holds: bool,
    key: &str,
    expected: &'static str,
    found: impl ToString,
) -> Result<(), RecipeError> {
    if holds {
        return Ok(());
    }
    Err(RecipeError::Setting {
        key: key.to_owned(),
        expected,
        found: found.to_string(),
    })
}

/// Takes some keys out of a table.
fn split_off(table: &mut Value, keys: &[&str]) -> Value {
    let taken = keys.iter().filter_map(|key| {
        let value = table.as_table_mut()?.remove(*key)?;
        Some(((*key).to_owned(), value))
    });
    Value::Table(taken.collect())
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
        let recipe = parse(&[
            "training.schedule=cosine",
            "objective.start=50",
            "data.labels=[3, \"cat\"]",
        ]);
        let recipe = recipe.expect("a recipe");
        let labels = recipe.data.labels.as_deref().map(|labels| {
            let texts: Vec<String> = labels.iter().map(LabelName::to_string).collect();
            texts.join(" ")
        });
        assert_eq!(labels.as_deref(), Some("3 cat"));
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
            ("data.labels=[]", "data.labels"),
        ] {
            let recipe = parse(&[given]).expect("a recipe");
            let error = recipe.validate([1, 28, 28]).expect_err(given).to_string();
            assert!(error.starts_with(&format!("`{key}`")), "{given}: {error}");
        }
    }

    #[test]
    fn phases_have_settings_of_their_own() {
        let recipe = parse(&[
            "family=undercomplete",
            "objective={}",
            "pretraining.layers.method=rbm",
            "pretraining.training.epochs=3",
            "network.code_activation=sigmoid",
            "classifier.steps=7",
            "training.steps=0",
            "training.seed=4",
        ]);
        let recipe = recipe.expect("a recipe");
        recipe.validate([1, 28, 28]).expect("valid");
        assert_eq!(recipe.run.seed, 4);
        let again = Recipe::parse(&recipe.to_toml(), Path::new("x"), &[]).expect("a recipe");
        assert_eq!(recipe, again);
        for (given, key) in [
            ("pretraining.training.seed=1", "seed"),
            ("pretraining.layers.level=0.3", "level"),
            ("pretraining.layers=rbm", "layers"),
            ("classifier.layers=1", "layers"),
        ] {
            let error = parse(&[
                "pretraining.layers.method=rbm",
                "pretraining.training.epochs=3",
                given,
            ]);
            let error = error.expect_err(given).to_string();
            assert!(error.contains(key) && error.contains("expected"), "{error}");
        }
    }
}
