//! The linear baseline: exact PCA of the training images, kept in a cache of fitted baselines.

use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use fs_err as fs;
use hourglass_data::Subset;
use hourglass_store::write_atomically;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::subject::{
    EVALUATION_BATCH, EVALUATION_SEED, Progress, Subject, host, sequential, squared_distances,
};
use crate::pca::{Pca, PcaError};

/// PCA with as many components as the code has (active) units.
#[derive(Debug)]
pub(super) struct Baseline {
    pub(super) pca: Pca,
    pub(super) components: usize,
}

impl Baseline {
    /// PCA's reconstructions of inputs, `[batch, features]` row-major.
    pub(super) fn reconstruct(&self, inputs: &[f32]) -> Vec<f32> {
        self.pca.reconstruct(self.components, inputs)
    }
}

/// The squared errors of images, the model's and, where there is a baseline, PCA's.
#[derive(Default)]
pub(super) struct Errors {
    pub(super) model: Vec<f64>,
    pub(super) pca: Vec<f64>,
}

impl Errors {
    /// Adds those of the reconstructions from a batch of inputs, `[batch, features]`, against its targets.
    pub(super) fn add<B: Backend>(
        &mut self,
        subject: Subject<'_, B>,
        baseline: Option<&Baseline>,
        inputs: Tensor<B, 2>,
        targets: &[f32],
    ) {
        let [_, features] = inputs.dims();
        if let Some(baseline) = baseline {
            let reconstructions = baseline.reconstruct(&host(inputs.clone()));
            self.pca
                .extend(squared_distances(&reconstructions, targets, features));
        }
        let reconstructions = subject.reconstruct(inputs);
        self.model
            .extend(squared_distances(&reconstructions, targets, features));
    }
}

/// Fits PCA to the images that the model was trained on; the error is the reason why there is none.
pub(super) fn fit<B: Backend>(
    subject: Subject<'_, B>,
    components: usize,
    cache: Option<&Cache>,
    progress: Progress<'_>,
) -> Result<Baseline, String> {
    let features = subject.split.dataset().features();
    if components >= features {
        return Err(format!(
            "PCA with {components} components reconstructs images of {features} pixels without error"
        ));
    }
    if components == 0 {
        return Err("no unit of the code is active".into());
    }
    let training = subject.training?;
    let kind = if subject.is_binarized() {
        "pca-binary"
    } else {
        "pca"
    };
    let cached = cache.map(|cache| (cache, format!("{kind}-{}", cache_key(&[training]))));
    let found = cached.as_ref().and_then(|(cache, key)| cache.get(key));
    if let Some(pca) = found.filter(|pca: &Pca| pca.features() == features) {
        return Ok(Baseline { pca, components });
    }
    let rows = subject.trained_on(training).map(|shown| host(shown.images));
    let pca = fit_to(training, rows, progress).map_err(|error| error.to_string())?;
    if let Some((cache, key)) = cached {
        cache.put(&key, &pca);
    }
    Ok(Baseline { pca, components })
}

/// Exact PCA of a subset's images.
///
/// # Errors
/// When there are no images.
pub fn fit_pca(training: &Subset, progress: Progress<'_>) -> Result<Pca, PcaError> {
    let rows = sequential(training).map(|batch| batch.images);
    fit_to(training, rows, progress)
}

fn fit_to(
    training: &Subset,
    rows: impl Iterator<Item = Vec<f32>>,
    progress: Progress<'_>,
) -> Result<Pca, PcaError> {
    Pca::fit(training.dataset().features(), rows, |done| {
        progress("fitting PCA", done, training.len());
    })
}

/// Baselines that were fitted before, in files named by the images that they were fitted to.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// A cache in a directory, which is made when something is put there.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(format!("{key}.json"))
    }

    /// What was put there; nothing where that can't be read, since it can be fitted anew.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_slice(&hourglass_files::read(&self.path(key)).ok()?).ok()
    }

    /// Keeps a value; a cache that can't be written is no reason to fail.
    pub(super) fn put<T: Serialize>(&self, key: &str, value: &T) {
        let written = fs::create_dir_all(&self.directory)
            .and_then(|()| write_atomically(&self.path(key), &serde_json::to_vec(value)?));
        // The next evaluation fits it again.
        let _ = written;
    }
}

/// Changes when baselines are fitted in another way, so that those of before are not used.
const METHOD: u32 = 1;

/// A name for the very images of some subsets, and for how baselines are fitted to them.
pub(super) fn cache_key(subsets: &[&Subset]) -> String {
    let mut hash = Sha256::new();
    for number in [METHOD, EVALUATION_BATCH as u32, EVALUATION_SEED as u32] {
        hash.update(number.to_le_bytes());
    }
    for subset in subsets {
        hash.update(format!("{:?} {}", subset.dataset().shape(), subset.len()));
        hash.update(subset.dataset().sha256());
        for index in subset.indices() {
            hash.update(index.to_le_bytes());
        }
        // Labels are not part of the hash of the pixels.
        for &index in subset.indices() {
            hash.update([subset.dataset().label(index as usize).unwrap_or(u8::MAX)]);
        }
    }
    hash.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hourglass_data::{Dataset, ImageShape};

    use super::*;

    fn subset(pixel: u8, label: u8, height: usize) -> Subset {
        let shape = ImageShape {
            channels: 1,
            height,
            width: 4 / height,
        };
        let labels = vec![label, 0, 0];
        let images = [[pixel; 4], [1; 4], [2; 4]].concat();
        let dataset = Dataset::from_memory("images", shape, images, Some(labels));
        Subset::all(&Arc::new(dataset.expect("a dataset")))
    }

    #[test]
    fn keys_differ_by_whatever_a_baseline_depends_on() {
        let own = subset(0, 0, 2);
        let keys = [
            cache_key(&[&own]),
            cache_key(&[&own, &own]),
            cache_key(&[&own.limit(2).expect("images")]),
            cache_key(&[&subset(9, 0, 2)]),
            cache_key(&[&subset(0, 9, 2)]),
            cache_key(&[&subset(0, 0, 4)]),
        ];
        for (place, key) in keys.iter().enumerate() {
            assert!(!keys[..place].contains(key), "{place}");
        }
        assert_eq!(keys[0], cache_key(&[&subset(0, 0, 2)]));
    }
}
