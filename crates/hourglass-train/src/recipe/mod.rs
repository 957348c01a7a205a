//! Recipes: a model, its data and its training, in TOML.

mod data;
mod error;
mod explain;
mod run;
mod settings;
mod training;

use std::path::Path;

use error::{Placed, check};
use hourglass_models::{LayerMethod, ModelConfig, Shape};
use serde::{Deserialize, Serialize};
use settings::{Origins, Settings};
use toml::{Table, Value};

pub use data::{DataConfig, LabelName};
pub use error::{RecipeError, SettingOrigin};
pub use run::RunConfig;
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
    /// Where the settings were made.
    origins: Origins,
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

impl Recipe {
    /// Reads a recipe; `path` names it in errors, `overrides` are `key.path=value` in TOML's syntax, where a value that is
    /// no TOML is taken for a string, and none unsets the key. A kind other than the text's begins with its defaults.
    ///
    /// # Errors
    /// When the text or an override is not TOML, or a key is unknown, unused by the family, or has a value of another type.
    pub fn parse(text: &str, path: &Path, overrides: &[String]) -> Result<Self, RecipeError> {
        let mut settings = Settings::read(text, path)?;
        settings.set_all(overrides)?;
        explain::check_family(&settings)?;
        match Self::from_table(settings.table.clone()) {
            Ok(recipe) => Ok(Self {
                origins: settings.origins,
                ..recipe
            }),
            Err(error) => {
                let reads = |table| {
                    let read = Self::from_table(table);
                    read.map(drop).map_err(|error| error.message().to_owned())
                };
                let explained = explain::explain(&settings, error.message(), &reads);
                Err(explained.unwrap_or_else(|| RecipeError::Parse {
                    path: path.to_owned(),
                    message: error.message().to_owned(),
                }))
            }
        }
    }

    fn from_table(mut table: Table) -> Result<Self, toml::de::Error> {
        let section = |table: &mut Table, name: &str| {
            let section = table.remove(name);
            section.unwrap_or_else(|| Value::Table(Table::new()))
        };
        let data = section(&mut table, "data");
        let mut training = section(&mut table, "training");
        let run = split_off(&mut training, &RunConfig::KEYS);
        let pretraining = table.remove("pretraining");
        let classifier = table.remove("classifier");
        Ok(Self {
            data: data.try_into()?,
            pretraining: pretraining.map(Value::try_into).transpose()?,
            training: training.try_into()?,
            classifier: classifier.map(Value::try_into).transpose()?,
            run: run.try_into()?,
            model: Value::Table(table).try_into()?,
            origins: Origins::default(),
        })
    }

    /// A key as errors name it: with where it was set, unless its value is the default.
    pub fn place(&self, key: &str) -> String {
        Placed(key, self.origins.of(key)).to_string()
    }

    /// Says that a setting was made by an option of the command line, such as `--epochs 3`.
    pub fn set_origin(&mut self, key: &str, option: &str) {
        self.origins.note(key, None, option);
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
    /// Names the first setting that can't be used, and where it was made.
    pub fn validate(&self, shape: Shape) -> Result<(), RecipeError> {
        self.check(shape).map_err(|mut error| {
            if let RecipeError::Setting { key, origin, .. } = &mut error {
                *origin = self.origins.of(key).cloned();
            }
            error
        })
    }

    fn check(&self, shape: Shape) -> Result<(), RecipeError> {
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

/// Takes some keys out of a table.
fn split_off(table: &mut Value, keys: &[&str]) -> Value {
    let taken = keys.iter().filter_map(|key| {
        let value = table.as_table_mut()?.remove(*key)?;
        Some(((*key).to_owned(), value))
    });
    Value::Table(taken.collect())
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
            let error = recipe
                .validate(Shape::new(1, 28, 28))
                .expect_err(given)
                .to_string();
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
        recipe.validate(Shape::new(1, 28, 28)).expect("valid");
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
