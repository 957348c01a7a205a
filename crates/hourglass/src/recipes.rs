//! The recipes that the program contains, and reading others from files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hourglass_train::Recipe;
use serde_json::{Value, json};

use crate::usage::UsageError;

macro_rules! recipes {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../models/", $name, "/recipe.toml")))),+]
    };
}

/// Names and texts.
const RECIPES: &[(&str, &str)] = recipes![
    "undercomplete",
    "sparse",
    "denoising",
    "contractive",
    "variational",
    "sparse-l1",
    "sparse-kl",
    "linear",
    "conv",
    "vae-50",
    "iwae",
    "deep",
    "deep-rbm",
    "stacked-denoising",
    "tabular",
];

/// The names of the recipes in the binary.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    RECIPES.iter().map(|(name, _)| *name)
}

/// A recipe by its name, or from a file.
pub(crate) fn load(name_or_path: &str, overrides: &[String]) -> Result<Recipe> {
    let (path, text) = match RECIPES.iter().find(|(name, _)| *name == name_or_path) {
        Some((name, text)) => (
            PathBuf::from(format!("models/{name}/recipe.toml")),
            (*text).to_owned(),
        ),
        None => {
            let path = Path::new(name_or_path);
            if !path.is_file() {
                let names: Vec<_> = names().collect();
                bail!(UsageError(format!(
                    "expected a family or a recipe ({}) or a .toml file, found {name_or_path}",
                    names.join(", ")
                )));
            }
            (path.to_owned(), fs_err::read_to_string(path)?)
        }
    };
    match Recipe::parse(&text, &path, overrides) {
        Err(error) if error.is_of_command_line() => bail!(UsageError(error.to_string())),
        recipe => recipe.context("this recipe can't be used"),
    }
}

/// The settings of a table by their paths.
pub(crate) fn flatten(path: &str, value: &toml::Value, settings: &mut BTreeMap<String, Value>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                flatten(&path, value, settings);
            }
        }
        other => {
            settings.insert(path.to_owned(), json!(other));
        }
    }
}

#[cfg(test)]
mod tests {
    use hourglass_store::SavedModel;

    use super::*;
    use hourglass_models::Shape;

    #[test]
    fn every_recipe_is_valid_names_data_in_the_program_and_has_its_length_in_steps() {
        for name in names() {
            let recipe = load(name, &[]).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            recipe
                .validate(Shape::new(1, 28, 28))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let data = if name == "tabular" {
                "breast-cancer"
            } else {
                "mnist-mini"
            };
            assert_eq!(recipe.data.name, data, "{name}");
            assert!(recipe.training.steps.is_some(), "{name}");
        }
    }

    #[test]
    fn published_models_are_of_their_recipes() {
        for model in hourglass_store::published_models() {
            let text = SavedModel::published(model).recipe();
            let text = text.expect("text").expect("a recipe");
            let found = Recipe::parse(&text, Path::new(model.name), &[]).expect("a recipe");
            let mut expected = load(model.name, &[]).expect("a recipe");
            expected.data.name = "mnist".into();
            if model.name == "deep-rbm" {
                expected.data.validation = 0.0;
            }
            assert_eq!(found, expected, "{}", model.name);
        }
    }
}
