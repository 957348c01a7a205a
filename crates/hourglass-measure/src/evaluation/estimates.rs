//! Keeps the estimates of log p(x), image by image, in files of the run directory. With thousands of samples an estimate takes
//! minutes, so one that was killed continues where it stopped. Two models can also be compared image by image.
//!
//! `log-likelihood/<split>-<samples>-<hash of the images>.jsonl` grows while the estimate is computed. Its first line says
//! what the estimate is of ([`Origin`]); if that is another model, backend or method, the file is started over. One line per
//! batch follows ([`Line`]). A line counts if it is complete, in its place and has the right checksum; from the first line that
//! does not count on, everything is computed again.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use hourglass_data::{Subset, measuring_batch};
use hourglass_files::{check_target, hex_sha256, read};
use hourglass_store::{RunDirectory, SavedModel};
use serde::{Deserialize, Serialize};

use crate::measures::Estimate;
use crate::source::EVALUATION_SEED;

/// Pixels that are decoded at a time, over all images and samples.
pub(super) const CHUNK: usize = 4_000_000;

/// What the importance weights say about an image.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct ImageEstimate {
    /// log 1/K sum_i w_i
    pub(super) log_likelihood: f64,
    /// Its variance for other samples, by the delta method; not a number with one sample.
    pub(super) variance: f64,
    pub(super) effective_samples: f64,
}

/// Raise this when estimates are computed or written in another way, so that earlier ones are not used.
const FORMAT: u32 = 1;

/// Where the estimates of a model are kept, and what only the caller knows about them.
#[derive(Debug, Clone)]
pub struct EstimateDirectory {
    /// The directory, which is created when there is something to keep.
    pub path: PathBuf,
    /// See [`SavedModel::sha256`].
    pub model_sha256: String,
    /// The name of the backend, since each backend rounds in its own way.
    pub backend: String,
    /// The name of the images' data set.
    pub data: String,
    /// The name of the split.
    pub split: String,
}

/// What the estimates in a file are of: all that they depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    format: u32,
    model_sha256: String,
    backend: String,
    /// The name of the images' data set.
    pub data: String,
    /// The name of the split.
    pub split: String,
    /// The hash of the data set's pixels and of the indices of the images in the split.
    images_sha256: String,
    /// Images in the split.
    pub images: usize,
    /// K, the samples per image.
    pub samples: usize,
    /// Whether the images are binary ones drawn from the split's.
    pub binarized: bool,
    /// See [`super::Density`].
    pub is_likelihood: bool,
    seed: u64,
    /// Images per batch: binary images and samples are drawn per batch.
    batch: usize,
    /// Pixels decoded at a time: samples are drawn for so many at a time.
    chunk: usize,
}

impl EstimateDirectory {
    pub(super) fn origin(
        &self,
        split: &Subset,
        samples: usize,
        binarized: bool,
        is_likelihood: bool,
    ) -> Origin {
        let mut images = split.dataset().sha256().as_bytes().to_vec();
        images.extend(split.indices().iter().flat_map(|index| index.to_le_bytes()));
        Origin {
            format: FORMAT,
            model_sha256: self.model_sha256.clone(),
            backend: self.backend.clone(),
            data: self.data.clone(),
            split: self.split.clone(),
            images_sha256: hex_sha256(&images),
            images: split.len(),
            samples,
            binarized,
            is_likelihood,
            seed: EVALUATION_SEED,
            batch: measuring_batch(split.dataset().features()).get(),
            chunk: CHUNK,
        }
    }

    fn file(&self, origin: &Origin) -> PathBuf {
        let images = &origin.images_sha256[..8];
        self.path.join(format!(
            "{}-{}-{images}.jsonl",
            origin.split, origin.samples
        ))
    }

    /// Opens the file of an estimate, and returns the estimates that it already holds. There is no file if none can be
    /// written, or if another program is writing it.
    pub(super) fn open(&self, origin: Origin) -> (Option<EstimateFile>, Vec<ImageEstimate>) {
        let path = self.file(&origin);
        match EstimateFile::open(&path, &origin) {
            Ok((file, estimates)) => (Some(file), estimates),
            Err(_) => {
                let bytes = read(&path).unwrap_or_default();
                (None, parse(&bytes, &origin).1)
            }
        }
    }
}

/// A batch of a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    batch: usize,
    /// The checksum of the estimates as they are written.
    crc32: u32,
    /// The estimates in the order of the split.
    estimates: Vec<ImageEstimate>,
}

impl Line {
    fn new(batch: usize, estimates: Vec<ImageEstimate>) -> io::Result<Self> {
        Ok(Self {
            batch,
            crc32: crc32fast::hash(&serde_json::to_vec(&estimates)?),
            estimates,
        })
    }

    /// The estimates of a batch of so many images; nothing where the line is not the one that was written, or a number is
    /// none, which JSON has no form for: the variance of one sample, or what a broken model has.
    fn parse(line: &[u8], batch: usize, images: usize) -> Option<Vec<ImageEstimate>> {
        let found: Self = serde_json::from_slice(line).ok()?;
        let crc32 = Self::new(batch, found.estimates.clone()).ok()?.crc32;
        let is_whole = (found.batch, found.crc32, found.estimates.len()) == (batch, crc32, images);
        (is_whole && images > 0).then_some(found.estimates)
    }
}

/// The file of an estimate, to which further batches can be appended.
pub(super) struct EstimateFile {
    /// The file, locked so that no other program writes to it.
    file: fs::File,
}

impl EstimateFile {
    fn open(path: &Path, origin: &Origin) -> io::Result<(Self, Vec<ImageEstimate>)> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        check_target(path)?;
        let mut options = fs::OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path)?;
        match file.file().try_lock() {
            // A file system without locks.
            Err(std::fs::TryLockError::Error(error))
                if error.kind() == io::ErrorKind::Unsupported => {}
            locked => locked?,
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (length, estimates) = parse(&bytes, origin);
        file.set_len(length as u64)?;
        file.seek(SeekFrom::End(0))?;
        let mut found = Self { file };
        if length == 0 {
            found.write(origin)?;
        }
        Ok((found, estimates))
    }

    pub(super) fn append(&mut self, batch: usize, estimates: &[ImageEstimate]) -> io::Result<()> {
        self.write(&Line::new(batch, estimates.to_vec())?)
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text)
    }
}

/// The estimates in a file, up to the first line that is not as it was written, and the length in bytes of these lines and the
/// first one; none where the file is of another origin.
fn parse(bytes: &[u8], origin: &Origin) -> (usize, Vec<ImageEstimate>) {
    // The last line of a killed program may lack its end.
    let mut lines = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .filter(|line| line.ends_with(b"\n"));
    let first = lines.next();
    let Some(first) = first.filter(|line| parse_origin(line).as_ref() == Some(origin)) else {
        return (0, Vec::new());
    };
    let (mut length, mut estimates) = (first.len(), Vec::new());
    for (batch, line) in lines.enumerate() {
        let images = origin.batch.min(origin.images - estimates.len());
        let Some(found) = Line::parse(line, batch, images) else {
            break;
        };
        length += line.len();
        estimates.extend(found);
    }
    (length, estimates)
}

fn parse_origin(line: &[u8]) -> Option<Origin> {
    serde_json::from_slice(line).ok()
}

/// A finished estimate.
#[derive(Debug, Clone)]
pub struct FinishedEstimate {
    /// What the estimate is of.
    pub origin: Origin,
    /// -log p_K(x) in nats of each image, in the order of the split.
    pub importance_weighted_nats: Vec<f64>,
}

impl FinishedEstimate {
    /// The finished estimates in a run directory that are of its model as it is now. Files that can't be read are skipped.
    pub fn all_of(run: &RunDirectory) -> Vec<Self> {
        let files = fs::read_dir(run.log_likelihoods());
        let model_sha256 = SavedModel::in_directory(run.path()).sha256();
        let (Ok(files), Ok(model_sha256)) = (files, model_sha256) else {
            return Vec::new();
        };
        files
            .filter_map(|file| Self::read(&file.ok()?.path()))
            .filter(|estimate| {
                let Origin { format, .. } = estimate.origin;
                format == FORMAT && estimate.origin.model_sha256 == model_sha256
            })
            .collect()
    }

    fn read(path: &Path) -> Option<Self> {
        let bytes = read(path).ok()?;
        let origin = parse_origin(bytes.split(|&byte| byte == b'\n').next()?)?;
        let (_, estimates) = parse(&bytes, &origin);
        let nats = estimates.iter().map(|estimate| -estimate.log_likelihood);
        (estimates.len() == origin.images).then(|| Self {
            importance_weighted_nats: nats.collect(),
            origin,
        })
    }

    /// Whether both estimates are of the same images (and of the same binary images drawn from them, if any), with the same
    /// number of samples, and of the same kind: a likelihood or not. The models and the backends may differ.
    pub fn is_comparable(&self, other: &Self) -> bool {
        let of = |origin: &Origin| Origin {
            model_sha256: String::new(),
            backend: String::new(),
            // This is only a name; the images are compared by their hash.
            data: String::new(),
            ..origin.clone()
        };
        of(&self.origin) == of(&other.origin)
    }

    /// The mean over the images, with its standard error.
    pub fn mean(&self) -> Option<Estimate> {
        Estimate::mean(&self.importance_weighted_nats)
    }

    /// The mean over the images of the difference to `first` in nats, with the standard error s_d / sqrt(n), s_d the standard
    /// deviation of the differences. Below 0, this is the better model. None where the two can't be compared.
    pub fn difference_to(&self, first: &Self) -> Option<Estimate> {
        if !self.is_comparable(first) {
            return None;
        }
        let pairs = self
            .importance_weighted_nats
            .iter()
            .zip(&first.importance_weighted_nats);
        let differences: Vec<f64> = pairs.map(|(own, first)| own - first).collect();
        Estimate::mean(&differences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(model: &str, samples: usize, nats: [f64; 3]) -> FinishedEstimate {
        let origin = Origin {
            format: FORMAT,
            model_sha256: model.into(),
            backend: "ndarray".into(),
            data: "digits".into(),
            split: "test".into(),
            images_sha256: "1".into(),
            images: 3,
            samples,
            binarized: true,
            is_likelihood: true,
            seed: EVALUATION_SEED,
            batch: 500,
            chunk: CHUNK,
        };
        FinishedEstimate {
            origin,
            importance_weighted_nats: nats.to_vec(),
        }
    }

    #[test]
    fn a_line_has_the_images_of_its_batch() {
        let of_image = r#"{"log_likelihood": -90.1, "variance": 0.3, "effective_samples": 2.0}"#;
        let of_image: ImageEstimate = serde_json::from_str(of_image).expect("an estimate");
        let origin = Origin {
            batch: 2,
            ..estimate("a", 5, [0.0; 3]).origin
        };
        let found = |batches: &[usize]| {
            let mut text = serde_json::to_string(&origin).expect("JSON") + "\n";
            for (batch, &images) in batches.iter().enumerate() {
                let line = Line::new(batch, vec![of_image; images]).expect("JSON");
                text += &(serde_json::to_string(&line).expect("JSON") + "\n");
            }
            parse(text.as_bytes(), &origin).1.len()
        };
        assert_eq!(found(&[2]), 2);
        assert_eq!(found(&[2, 1]), 3);
        for wrong in [&[1, 2][..], &[3], &[0, 2]] {
            assert_eq!(found(wrong), 0, "{wrong:?}");
        }
        assert_eq!(found(&[2, 2]), 2);
        assert_eq!(found(&[2, 1, 0, 1]), 3);
    }

    #[test]
    fn a_difference_has_the_error_of_the_pairs() {
        let first = estimate("a", 5, [90.0, 80.0, 130.0]);
        let second = estimate("b", 5, [89.0, 78.0, 124.0]);
        // Differences -1, -2, -6: mean -3, squares 4 + 1 + 9 = 14, so s_d^2 = 7 and s_d / sqrt(3) = sqrt(7 / 3). Taken
        // apart, the errors of the two means are above 15.
        let found = second.difference_to(&first).expect("the same images");
        assert_eq!(found.value, -3.0);
        let error = found.standard_error.expect("more than one image");
        assert!((error - (7.0_f64 / 3.0).sqrt()).abs() < 1e-15, "{error}");
        assert_eq!(first.mean().expect("images").value, 100.0);
    }

    #[test]
    fn only_what_is_of_the_same_kind_is_compared() {
        let first = estimate("a", 5, [1.0; 3]);
        assert_eq!(first.difference_to(&estimate("b", 6, [1.0; 3])), None);
        type Change = fn(&mut Origin);
        let changes: [Change; 5] = [
            |origin| origin.images_sha256 = "2".into(),
            |origin| origin.split = "train".into(),
            |origin| origin.binarized = false,
            |origin| origin.is_likelihood = false,
            |origin| origin.batch += 1,
        ];
        for change in changes {
            let mut other = first.clone();
            change(&mut other.origin);
            assert!(!other.is_comparable(&first), "{other:?}");
        }
        let mut other = first.clone();
        other.origin.backend = "wgpu".into();
        other.origin.data = "copied/digits".into();
        assert!(other.is_comparable(&first));
    }
}
