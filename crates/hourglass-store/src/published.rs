//! The published models: trained by their recipes on the full MNIST, with their files in the program.

/// A published model: the files of its directory under `models/`.
#[derive(Debug)]
pub struct Published {
    /// The name that commands take.
    pub name: &'static str,
    /// Names and contents.
    pub(crate) files: &'static [(&'static str, &'static [u8])],
}

#[cfg(feature = "published")]
macro_rules! published {
    ($($name:literal),+ $(,)?) => {
        &[$(Published {
            name: $name,
            files: published!(@files $name, "config.json", "config.toml", "metrics.json", "model.safetensors"),
        }),+]
    };
    (@files $name:literal, $($file:literal),+) => {
        &[$(($file, include_bytes!(concat!("../../../models/", $name, "/", $file)) as &[u8])),+]
    };
}

#[cfg(feature = "published")]
const PUBLISHED: &[Published] = published![
    "undercomplete",
    "deep-rbm",
    "conv",
    "sparse",
    "denoising",
    "contractive",
    "variational",
];

#[cfg(not(feature = "published"))]
const PUBLISHED: &[Published] = &[];

/// The published models; none without the feature `published`.
pub fn published() -> &'static [Published] {
    PUBLISHED
}
