//! Model cards: what a model is, what it is good for and how good it is, in the form of the Hugging Face hub.

mod torch;

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

use burn::tensor::backend::Backend;
use hourglass_data::Input;
use hourglass_measure::{Measure, Measured, numbers};
use hourglass_models::Model;
use hourglass_store::Description;
use serde_json::Value;

/// What a card is made of.
pub(crate) struct Card<'a, B: Backend> {
    /// The name that users of the model call it by.
    pub(crate) name: &'a str,
    /// An identifier of the hub, such as `mit`; without one the card says nothing of the weights' licence.
    pub(crate) licence: Option<&'a str>,
    pub(crate) description: &'a Description,
    pub(crate) model: &'a Model<B>,
    /// What `evaluate --json` printed of the model.
    pub(crate) metrics: &'a Value,
    /// The resolved recipe, where there is one.
    pub(crate) recipe: Option<&'a str>,
}

/// The hub's names of the data sets in the catalog.
const HUB_DATASETS: &[(&str, &str)] = &[
    ("mnist", "ylecun/mnist"),
    ("mnist-mini", "ylecun/mnist"),
    ("fashion-mnist", "zalando-datasets/fashion_mnist"),
];

/// What a model takes, in words.
fn in_words(input: &Input) -> String {
    match input {
        Input::Image { shape } => {
            let colour = match shape.channels {
                1 => " of grey".to_owned(),
                3 => " of red, green and blue".to_owned(),
                other => format!(" of {other} channels"),
            };
            format!(
                "images of {} x {} pixels{colour}",
                shape.height, shape.width
            )
        }
        Input::Table { columns, .. } => format!("rows of {} columns", columns.len()),
        Input::Vectors { width, .. } => format!("vectors of {width} numbers"),
    }
}

impl<B: Backend> Card<'_, B> {
    /// The whole card, as Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = self.front_matter();
        let family = self.description.model.family();
        let Description {
            data, units, input, ..
        } = self.description;
        let _ = write!(
            text,
            "# {name}\n\n{summary} It takes {input}, and its code has {code} numbers: a \
             {network} of Hourglass's family `{family}`, trained on {data}.\n\n",
            name = self.name,
            summary = self.description.model.summary(),
            input = in_words(input),
            code = self.description.model.code(),
            network = self.description.model.network().describe(),
            data = short(&data.name),
        );
        text += &self.usage();
        let _ = write!(
            text,
            "## Limits\n\nThe model knows the images that it was trained on and no others: what is unlike them, in kind, size, \
             position or contrast, comes back as something like them. It was made for research and teaching, was tested on \
             the images named below alone, and should decide nothing about people.\n\n\
             ## Training data\n\n`{}`{}. SHA-256 of the training images' pixels: `{}`.\n\n",
            short(&data.name),
            data.licence
                .as_ref()
                .map_or(String::new(), |licence| format!(", under {licence}")),
            data.sha256,
        );
        text += &self.numbers();
        let _ = write!(text, "What numbers are: {units}.\n\n");
        if let Some(recipe) = self.recipe {
            let _ = write!(
                text,
                "## How to reproduce\n\nThese settings, as `config.toml`, make the model anew by `hourglass train config.toml`; the \
                 stored weights may have been rounded to float16 since. Another version or processor rounds otherwise.\n\n\
                 ```toml\n{}\n```\n",
                recipe.trim_end()
            );
        }
        text
    }

    fn front_matter(&self) -> String {
        let mut text = String::from("---\n");
        if let Some(licence) = self.licence {
            let _ = writeln!(text, "license: {}", yaml(licence));
        }
        let _ = write!(
            text,
            "library_name: hourglass\ntags:\n- autoencoder\n- {}\n",
            self.description.model.family()
        );
        if let Some(dataset) = hub_dataset(&self.description.data.name) {
            let _ = write!(text, "datasets:\n- {dataset}\n");
        }
        let measured_on = self.metrics["data"].as_str().unwrap_or_default();
        let _ = write!(
            text,
            "model-index:\n- name: {}\n  results:\n  - task:\n      type: image-reconstruction\n    dataset:\n      \
             name: {}\n      type: {}\n      split: {}\n    metrics:\n",
            yaml(self.name),
            yaml(short(measured_on)),
            hub_dataset(measured_on).unwrap_or("images"),
            self.split(),
        );
        for name in ["squared_error", "negative_elbo"] {
            if let Some(value) = self.metrics[name].as_f64() {
                let _ = write!(text, "    - type: {name}\n      value: {value:.4}\n");
            }
        }
        text + "---\n\n"
    }

    fn usage(&self) -> String {
        format!(
            "## Use\n\nWith `hourglass`, in the folder of this file{fetch}:\n\n```sh\nhourglass evaluate .\nhourglass export . --format \
             onnx --out model.onnx\n```\n\nWith PyTorch, where `images` is `[batch, {features}]`, in [0, 1]:\n\n```python\n{torch}```\n\n\
             `config.json` says the same in settings.\n\n",
            fetch = match hub_dataset(&self.description.data.name) {
                Some(_) => format!(
                    ", after `hourglass data fetch {}`",
                    self.description.data.name
                ),
                None => String::new(),
            },
            features = self.description.shape().features(),
            torch = torch::code(self.model, self.description.model.code()),
        )
    }

    fn numbers(&self) -> String {
        let mut numbers = numbers(self.metrics);
        // What classifiers read from the codes stands behind what the model does itself.
        let codes = Measure::Representation.name();
        numbers.sort_by_key(|number| number.quantity.part() == codes);
        let rows: Vec<_> = numbers
            .into_iter()
            .filter(|number| number.quantity.shown.on_card)
            .filter_map(|number| {
                let quantity = number.quantity;
                let value = quantity.with_error(number.model.value()?);
                let pca = number.pca.as_ref().and_then(Measured::value);
                Some((quantity, value, pca.map(|pca| quantity.with_error(pca))))
            })
            .collect();
        let has_pca = rows.iter().any(|(.., pca)| pca.is_some());
        let mut text = format!(
            "## Numbers\n\nOn the {} images of {}'s {} split, by `hourglass evaluate`, ± one standard error over the images{}. \
             `metrics.json` has more.\n\n",
            self.metrics["images"],
            short(self.metrics["data"].as_str().unwrap_or_default()),
            self.split(),
            match has_pca {
                true =>
                    "; beside it PCA with as many components as the code has (active) units, fitted to the training images",
                false => "",
            }
        );
        let (head, rule) = match has_pca {
            true => ("| | model | PCA |", "|---|--:|--:|"),
            false => ("| | model |", "|---|--:|"),
        };
        let _ = write!(text, "{head}\n{rule}\n");
        let corrupted = self.metrics["corrupted_squared_error"].as_f64();
        for (quantity, value, pca) in rows {
            let inputs = match corrupted {
                Some(_) if quantity.part() == Measure::Reconstruction.name() => {
                    ", from corrupted images"
                }
                _ => "",
            };
            let _ = write!(text, "| {}{inputs} | {value} |", quantity.label());
            if has_pca {
                let _ = write!(text, " {} |", pca.unwrap_or_default());
            }
            text.push('\n');
        }
        if let Some(error) = corrupted {
            let _ = write!(
                text,
                "\nThe corrupted images, by the noise of the training, have an error of {error:.3} themselves.\n"
            );
        }
        text.push('\n');
        text
    }

    fn split(&self) -> &str {
        self.metrics["split"].as_str().unwrap_or_default()
    }
}

/// The hub's name of a data set in the catalog.
fn hub_dataset(data: &str) -> Option<&'static str> {
    let found = HUB_DATASETS.iter().find(|(name, _)| *name == data);
    found.map(|(_, dataset)| *dataset)
}

/// Of a path the last part: what lies above it is the trainer's own business.
fn short(data: &str) -> &str {
    let name = Path::new(data).file_name().and_then(OsStr::to_str);
    name.unwrap_or(data)
}

/// A scalar: a string of JSON is one of YAML too.
fn yaml(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(all(test, feature = "zoo"))]
mod tests {
    use hourglass_store::{METRICS_FILE, SavedModel, published_models};

    use super::*;
    use crate::backend::Cpu;

    #[test]
    fn published_cards_are_what_is_written_of_their_models() {
        for model in published_models() {
            let saved = SavedModel::published(model);
            let metrics = saved.file(METRICS_FILE).expect("numbers");
            let recipe = saved.recipe().expect("a recipe");
            let card = Card::<Cpu> {
                name: model.name,
                licence: Some("cc-by-sa-3.0"),
                description: &saved.description().expect("settings"),
                model: &saved.load(&Default::default()).expect("a model"),
                metrics: &serde_json::from_slice(&metrics).expect("JSON"),
                recipe: recipe.as_deref(),
            };
            let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
            let committed = std::fs::read_to_string(models.join(model.name).join("README.md"));
            assert_eq!(card.to_markdown(), committed.expect("a card"));
        }
    }

    #[test]
    fn front_matter_stays_yaml_whatever_it_is_given() {
        assert_eq!(yaml("a: b \"c\""), r#""a: b \"c\"""#);
        assert_eq!(short("/home/me/photos/"), "photos");
        assert_eq!(short("mnist"), "mnist");
    }
}
