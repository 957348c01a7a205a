//! The linear baseline: PCA of the training images, kept in a cache of fitted baselines.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use fs_err as fs;
use hourglass_data::{Batches, Kind, Subset, measuring_batch};
use hourglass_files::{Hashing, write_atomically};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::subject::{Subject, squared_distances};
use crate::pca::{Pca, PcaError, Rows, rows_fitted};
use crate::source::{EVALUATION_SEED, Progress, host};

/// PCA with as many components as the code has (active) units.
#[derive(Debug)]
pub(super) struct Baseline {
    pub(super) pca: Pca,
    pub(super) components: usize,
    /// How many training images it is fitted to, where these are a sample of very many.
    pub(super) sampled: Option<usize>,
}

impl Baseline {
    /// PCA's reconstructions of inputs, `[batch, features]` row-major.
    pub(super) fn reconstruct(&self, inputs: &[f32]) -> Vec<f32> {
        self.pca.reconstruct(self.components, inputs)
    }
}

/// The squared errors of images: the model's and, where there is a baseline, PCA's.
#[derive(Default)]
pub(super) struct SquaredErrors {
    pub(super) model: Vec<f64>,
    pub(super) pca: Vec<f64>,
}

impl SquaredErrors {
    /// Adds the errors of a batch: the reconstructions of its inputs, `[batch, features]`, are compared with its targets.
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
        let kind = subject.split.dataset().kind();
        let (many, numbers) = match kind {
            Kind::Image => (kind.many(), "pixels"),
            Kind::Table | Kind::Vectors => (kind.many(), "features"),
        };
        return Err(format!(
            "PCA with {components} components reconstructs {many} of {features} {numbers} without error"
        ));
    }
    if components == 0 {
        return Err("no unit of the code is active".into());
    }
    let all = subject.training?;
    let training = fitted_images(all, components);
    let kind = if subject.is_binarized() {
        "pca-binary"
    } else {
        "pca"
    };
    let read = || {
        boxed(
            subject
                .trained_on(&training)
                .map(|shown| host(shown.images)),
        )
    };
    let pca = fit_to(kind, &training, components, &read, cache, progress);
    let pca = pca.map_err(|error| error.to_string())?;
    Ok(Baseline {
        // Few images vary along fewer components than that.
        components: components.min(pca.variances().len()),
        pca,
        sampled: (training.len() < all.len()).then_some(training.len()),
    })
}

/// The images that PCA with so many components is fitted to: all, or a sample if there are very many.
fn fitted_images(training: &Subset, components: usize) -> Subset {
    let most = rows_fitted(training.len(), training.dataset().features(), components);
    match most < training.len() {
        true => training.sample(most, EVALUATION_SEED),
        false => training.clone(),
    }
}

/// PCA of a subset's images with so many components, or fewer if the images vary along fewer. It is read from the cache if it is
/// there.
///
/// # Errors
/// When there are no images, or the components would need too much memory.
pub fn fit_pca(
    training: &Subset,
    components: usize,
    cache: Option<&Cache>,
    progress: Progress<'_>,
) -> Result<Pca, PcaError> {
    let training = fitted_images(training, components);
    let read = || boxed(Batches::measuring(&training).map(|batch| batch.images));
    fit_to("pca", &training, components, &read, cache, progress)
}

type Blocks<'a> = Box<dyn Iterator<Item = Vec<f32>> + 'a>;

fn boxed<'a>(blocks: impl Iterator<Item = Vec<f32>> + 'a) -> Blocks<'a> {
    Box::new(blocks)
}

/// PCA of the rows that `read` makes of the images, or from the cache if it is there; `kind` names how they are read.
fn fit_to<'a>(
    kind: &str,
    training: &Subset,
    components: usize,
    read: &'a dyn Fn() -> Blocks<'a>,
    cache: Option<&Cache>,
    progress: Progress<'_>,
) -> Result<Pca, PcaError> {
    let cached = cache.map(|cache| {
        let key = format!("{kind}-{components}-{}", cache_key(&[training]));
        (cache, key)
    });
    let found = cached
        .as_ref()
        .and_then(|(cache, key)| cache.get_components(key));
    if let Some(pca) = found.filter(|pca| pca.features() == training.dataset().features()) {
        return Ok(pca);
    }
    let rows = Rows {
        count: training.len(),
        features: training.dataset().features(),
        read,
    };
    let pca = Pca::leading(&rows, components, &mut |done, total| {
        progress("fitting PCA", done, total);
    })?;
    if let Some((cache, key)) = cached {
        cache.put_components(&key, &pca);
    }
    Ok(pca)
}

/// Baselines that were fitted earlier, in files named after the images that they were fitted to.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// A cache in a directory, which is created when something is first stored there.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// The stored value; none where it can't be read, since it can be fitted again.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_slice(&self.read(&format!("{key}.json"))?).ok()
    }

    /// Stores a value.
    pub(super) fn put<T: Serialize>(&self, key: &str, value: &T) {
        if let Ok(bytes) = serde_json::to_vec(value) {
            self.write(&format!("{key}.json"), &bytes);
        }
    }

    fn get_components(&self, key: &str) -> Option<Pca> {
        Pca::from_bytes(&self.read(&format!("{key}.safetensors"))?)
    }

    fn put_components(&self, key: &str, pca: &Pca) {
        self.write(&format!("{key}.safetensors"), &pca.to_bytes());
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        hourglass_files::read(&self.directory.join(name)).ok()
    }

    /// A cache that can't be written is no reason to fail: the next evaluation fits it again.
    fn write(&self, name: &str, bytes: &[u8]) {
        let _ = fs::create_dir_all(&self.directory)
            .and_then(|()| write_atomically(&self.directory.join(name), bytes));
    }
}

/// Raise this when baselines are fitted in another way, so that earlier ones are not used.
const METHOD: u32 = 2;

/// A name for exactly the images of some subsets, and for how baselines are fitted to them.
pub(super) fn cache_key(subsets: &[&Subset]) -> String {
    let mut hashing = Hashing::new(io::sink());
    let mut add = |bytes: &[u8]| hashing.write_all(bytes).expect("a sink takes everything");
    for number in [METHOD, EVALUATION_SEED as u32] {
        add(&number.to_le_bytes());
    }
    for subset in subsets {
        let dataset = subset.dataset();
        let batch = measuring_batch(dataset.features());
        add(&(batch.get() as u32).to_le_bytes());
        add(format!("{} {}", subset.shape(), subset.len()).as_bytes());
        add(dataset.sha256().as_bytes());
        for index in subset.indices() {
            add(&index.to_le_bytes());
        }
        // Labels are not part of the hash of the pixels.
        for &index in subset.indices() {
            add(&[dataset.label(index as usize).unwrap_or(u8::MAX)]);
        }
    }
    hashing.finish()[..32].into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hourglass_data::{Dataset, Shape};

    use super::*;

    fn subset(pixel: u8, label: u8, height: usize) -> Subset {
        let shape = Shape::new(1, height, 4 / height);
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
