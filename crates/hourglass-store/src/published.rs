//! The published models, which were trained with their recipes on the full MNIST dataset. Their files are part of the program.

use std::io;

/// A published model: the files of its directory under `models/`.
#[derive(Debug)]
pub struct PublishedModel {
    /// The name that commands take.
    pub name: &'static str,
    /// Names and contents.
    files: &'static [(&'static str, &'static [u8])],
}

impl PublishedModel {
    /// # Errors
    /// When the model has no such file.
    pub(crate) fn file(&self, name: &str) -> io::Result<&'static [u8]> {
        let found = self.files.iter().find(|(file, _)| *file == name);
        found.map(|(_, bytes)| *bytes).ok_or_else(|| {
            let message = format!("{}: a published model without {name}", self.name);
            io::Error::new(io::ErrorKind::NotFound, message)
        })
    }
}

#[cfg(feature = "published")]
macro_rules! published {
    ($($name:literal),+ $(,)?) => {
        &[$(PublishedModel {
            name: $name,
            files: published!(@files $name, "config.json", "config.toml", "metrics.json", "model.safetensors"),
        }),+]
    };
    (@files $name:literal, $($file:literal),+) => {
        &[$(($file, include_bytes!(concat!("../../../models/", $name, "/", $file)) as &[u8])),+]
    };
}

#[cfg(feature = "published")]
const PUBLISHED: &[PublishedModel] = published![
    "undercomplete",
    "deep-rbm",
    "conv",
    "sparse",
    "denoising",
    "contractive",
    "variational",
];

#[cfg(not(feature = "published"))]
const PUBLISHED: &[PublishedModel] = &[];

/// The published models; none without the feature `published`.
pub fn published_models() -> &'static [PublishedModel] {
    PUBLISHED
}
