//! A finished model, whether its files are in a directory or in the program.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use burn::tensor::backend::Backend;
use hourglass_files::{Hashing, open_file, write_atomically};
use hourglass_models::{Classifier, Model, ModelConfig, Shape};

use crate::files::{RECIPE_FILE, check_length, read_bounded};
use crate::published::{PublishedModel, published_models};
use crate::weights::{build_model, most_bytes, parse_weights};
use crate::{
    CLASSIFIER_FILE, CONFIG_FILE, Description, Precision, StoreError, WEIGHTS_FILE, save_tensors,
    save_weights,
};

/// No file of a model is larger: networks have at most 2^30 parameters.
const MOST_BYTES: u64 = 5 << 30;

/// No other file of a model is larger: config.json has a few numbers for each feature.
const MOST_BYTES_OF_SETTINGS: u64 = 1 << 26;

/// A finished model: in a directory, or published. Its files are read only when they are needed.
#[derive(Debug, Clone)]
pub struct SavedModel {
    /// The directory, or the published name.
    name: PathBuf,
    published: Option<&'static PublishedModel>,
}

impl SavedModel {
    /// The model in a directory, or the published one of this name. The directory takes precedence.
    ///
    /// # Errors
    /// When there is neither, or the training of the model in the directory has not ended.
    pub fn find(name: impl AsRef<Path>) -> Result<Self, StoreError> {
        let name = name.as_ref();
        let missing = [CONFIG_FILE, WEIGHTS_FILE]
            .into_iter()
            .find(|file| !name.join(file).exists());
        if let (Some(missing), true) = (missing, name.join(RECIPE_FILE).exists()) {
            return Err(StoreError::Unfinished {
                path: name.to_owned(),
                missing,
            });
        }
        if name.join(CONFIG_FILE).exists() {
            return Ok(Self::in_directory(name));
        }
        let of_this_name = published_models()
            .iter()
            .find(|model| Path::new(model.name) == name);
        if let Some(model) = of_this_name {
            return Ok(Self::published(model));
        }
        let names: Vec<_> = published_models().iter().map(|model| model.name).collect();
        Err(StoreError::NoModel {
            path: name.to_owned(),
            published: match &names[..] {
                [] => String::new(),
                names => format!(", or a published model ({})", names.join(", ")),
            },
            found: match name.is_dir() {
                true => "a directory without a finished model",
                false => "no directory",
            },
        })
    }

    /// The model that is, or will be, in a directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            name: directory.to_owned(),
            published: None,
        }
    }

    /// A published model.
    pub fn published(model: &'static PublishedModel) -> Self {
        Self {
            name: model.name.into(),
            published: Some(model),
        }
    }

    /// The directory, or the published name.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// The directory; a published model has none.
    pub fn directory(&self) -> Option<&Path> {
        self.published.is_none().then_some(&self.name)
    }

    /// What the model is.
    ///
    /// # Errors
    /// Names the file, and what is wrong with it.
    pub fn description(&self) -> Result<Description, StoreError> {
        Description::parse(&self.name.join(CONFIG_FILE), &self.file(CONFIG_FILE)?)
    }

    /// Builds the model with its weights.
    ///
    /// # Errors
    /// Names the file, and what is wrong with it.
    pub fn load<B: Backend>(&self, device: &B::Device) -> Result<Model<B>, StoreError> {
        let description = self.description()?;
        let (model, shape) = (&description.model, description.shape());
        let validated = model.validate(shape);
        validated.map_err(|error| StoreError::Config {
            path: self.name.join(CONFIG_FILE),
            error,
        })?;
        self.load_as(model, shape, device)
    }

    /// Builds a model of valid settings, with the same network, with this one's weights.
    ///
    /// # Errors
    /// Names the file, and what is wrong with it.
    pub fn load_as<B: Backend>(
        &self,
        config: &ModelConfig,
        shape: Shape,
        device: &B::Device,
    ) -> Result<Model<B>, StoreError> {
        let path = self.name.join(WEIGHTS_FILE);
        let bytes = self.read(WEIGHTS_FILE, most_bytes(config, shape))?;
        build_model(config, shape, &path, parse_weights(&path, &bytes)?, device)
    }

    /// The classifier that was fine-tuned from this model, if there is one. `model` is this model, loaded; its code has `code`
    /// units.
    ///
    /// # Errors
    /// Names the file, and what is wrong with it.
    pub fn load_classifier<B: Backend>(
        &self,
        model: &Model<B>,
        code: usize,
        device: &B::Device,
    ) -> Result<Option<Classifier<B>>, StoreError> {
        if !self.has(CLASSIFIER_FILE) {
            return Ok(None);
        }
        let path = self.name.join(CLASSIFIER_FILE);
        let description = self.description()?;
        let most = most_bytes(&description.model, description.shape());
        let bytes = self.read(CLASSIFIER_FILE, most)?;
        let weights = parse_weights(&path, &bytes)?;
        let classifier = Classifier::from_state_dict(model.clone(), code, weights, device);
        classifier
            .map(Some)
            .map_err(|error| StoreError::weights(&path, error))
    }

    /// The resolved recipe with which Hourglass trained the model; none where it was trained elsewhere.
    ///
    /// # Errors
    /// Names the file that can't be read.
    pub fn recipe(&self) -> Result<Option<String>, StoreError> {
        if !self.has(RECIPE_FILE) {
            return Ok(None);
        }
        let text = String::from_utf8(self.file(RECIPE_FILE)?.into_owned());
        let path = self.name.join(RECIPE_FILE);
        text.map(Some)
            .map_err(|error| StoreError::content(&path, error.to_string()))
    }

    /// The SHA-256 of the weights' file followed by the settings' file, since the likelihood is among the settings.
    ///
    /// # Errors
    /// Names the file that can't be read.
    pub fn sha256(&self) -> Result<String, StoreError> {
        let mut hashing = Hashing::new(io::sink());
        for name in [WEIGHTS_FILE, CONFIG_FILE] {
            io::copy(&mut self.reader(name)?, &mut hashing)?;
        }
        Ok(hashing.finish())
    }

    /// The size of the weights' file.
    ///
    /// # Errors
    /// Names the file that can't be read.
    pub fn weights_bytes(&self) -> io::Result<u64> {
        Ok(match self.published {
            Some(model) => model.file(WEIGHTS_FILE)?.len() as u64,
            None => open_file(&self.name.join(WEIGHTS_FILE))?.metadata()?.len(),
        })
    }

    /// Whether the model has a file of this name.
    pub fn has(&self, name: &str) -> bool {
        match self.published {
            Some(model) => model.file(name).is_ok(),
            None => self.name.join(name).exists(),
        }
    }

    /// A file of the model, of at most 64 MiB: any but its weights.
    ///
    /// # Errors
    /// Names the file that can't be read.
    pub fn file(&self, name: &str) -> io::Result<Cow<'static, [u8]>> {
        self.read(name, MOST_BYTES_OF_SETTINGS)
    }

    fn read(&self, name: &str, most: u64) -> io::Result<Cow<'static, [u8]>> {
        match self.published {
            Some(model) => model.file(name).map(Cow::Borrowed),
            None => read_bounded(&self.name.join(name), most).map(Cow::Owned),
        }
    }

    fn reader(&self, name: &str) -> io::Result<Box<dyn io::Read>> {
        Ok(match self.published {
            Some(model) => Box::new(model.file(name)?),
            None => {
                let path = self.name.join(name);
                let file = open_file(&path)?;
                check_length(&path, &file, MOST_BYTES)?;
                Box::new(file)
            }
        })
    }
}

/// Writes the settings and then the weights.
///
/// # Errors
/// Names the file that can't be written.
pub fn save_model<B: Backend>(
    directory: &Path,
    description: &Description,
    model: &Model<B>,
) -> Result<(), StoreError> {
    let config = serde_json::to_vec_pretty(description).map_err(io::Error::from)?;
    write_atomically(&directory.join(CONFIG_FILE), &config)?;
    let path = directory.join(WEIGHTS_FILE);
    save_weights(&path, description, model, Precision::Float32)
}

/// Writes the weights of a classifier that was fine-tuned from the directory's model.
///
/// # Errors
/// Names the file that can't be written.
pub fn save_classifier<B: Backend>(
    directory: &Path,
    classifier: &Classifier<B>,
) -> Result<(), StoreError> {
    let path = directory.join(CLASSIFIER_FILE);
    let weights = classifier.state_dict();
    save_tensors(
        &path,
        weights.map_err(|error| StoreError::weights(&path, error))?,
    )
}
