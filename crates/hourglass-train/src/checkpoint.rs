//! Checkpoints: one file with everything that a run needs to go on as if it had never stopped.
//!
//! The file consists of the magic bytes, the length of the header as a little-endian u64, the header in JSON (the state, and the
//! lengths of the records), the records, and the CRC-32 of all that in 4 bytes.

use std::path::{Path, PathBuf};

use hourglass_files::write_atomically;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::phases::Phase;

const MAGIC: &[u8; 8] = b"HGLASS\x00\x02";

/// Where a run stands, without its weights.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The resolved recipe, in TOML.
    pub recipe: String,
    /// SHA-256 of the training images.
    pub dataset: String,
    /// The name of the backend, since each backend rounds in its own way.
    pub backend: String,
    /// The phases before this one.
    pub finished: Vec<FinishedPhase>,
    /// The phase.
    pub phase: Phase,
    /// Steps done in it.
    pub step: u64,
    /// Seconds of training in it so far.
    pub seconds: f64,
    /// Length of metrics.jsonl in bytes.
    pub metrics_bytes: u64,
    /// Sums of the terms over the images of the epoch so far, by name.
    pub sums: Vec<(String, f64)>,
    /// Images in those sums.
    pub summed_images: u64,
    /// The best value that early stopping has seen, and its step.
    pub best: Option<(f64, u64)>,
    /// The number of evaluations since then.
    pub evaluations_since_best: u64,
}

/// A phase that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinishedPhase {
    /// The phase.
    pub phase: Phase,
    /// Steps done.
    pub steps: u64,
    /// Passes over the images; not a whole number if the phase ended within one.
    pub epochs: f64,
    /// The step of the weights that were kept, if the phase stopped early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_step: Option<u64>,
    /// Seconds of training, including those before the run was resumed.
    pub seconds: f64,
}

/// A checkpoint, read or to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Where the run stands.
    pub state: State,
    /// The record of what the phase trains.
    pub trainee: Vec<u8>,
    /// The optimiser's record.
    pub optimizer: Vec<u8>,
    /// The record of the best trainee so far, where the phase stops early; else empty.
    pub best_trainee: Vec<u8>,
    /// The record of the whole model as it was when the phase began; empty where that is what the phase trains.
    pub model: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    state: State,
    lengths: [usize; 4],
}

/// A checkpoint that can't be written or read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file can't be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is not a whole checkpoint.
    #[error(
        "{path}: expected a checkpoint of this version of hourglass, found {found}; \
         delete it to start the run over, or restore a copy"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: &'static str,
    },
}

impl Checkpoint {
    /// Replaces the file by this checkpoint atomically.
    ///
    /// # Errors
    /// Names the path; the checkpoint that was there is still there.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let blobs = [
            &self.trainee,
            &self.optimizer,
            &self.best_trainee,
            &self.model,
        ];
        let header = Header {
            state: self.state.clone(),
            lengths: blobs.map(Vec::len),
        };
        let header = serde_json::to_vec(&header).map_err(std::io::Error::from)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        blobs.iter().for_each(|blob| bytes.extend_from_slice(blob));
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        Ok(write_atomically(path, &bytes)?)
    }

    /// Reads a checkpoint, or nothing where there is none.
    ///
    /// # Errors
    /// Names the path, and what is wrong with the file.
    pub fn read(path: &Path) -> Result<Option<Self>, CheckpointError> {
        if !path.exists() {
            return Ok(None);
        }
        let bytes = hourglass_files::read(path)?;
        let damaged = |found| CheckpointError::Damaged {
            path: path.to_owned(),
            found,
        };
        if !bytes.starts_with(MAGIC) {
            return Err(damaged("other content"));
        }
        let (content, checksum) = bytes
            .split_last_chunk::<4>()
            .ok_or_else(|| damaged("a truncated file"))?;
        if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
            return Err(damaged("a wrong checksum"));
        }
        Self::parse(&content[MAGIC.len()..])
            .map(Some)
            .ok_or_else(|| damaged("other settings"))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (length, bytes) = bytes.split_first_chunk::<8>()?;
        let (header, bytes) =
            bytes.split_at_checked(u64::from_le_bytes(*length).try_into().ok()?)?;
        let Header { state, lengths } = serde_json::from_slice(header).ok()?;
        let (trainee, bytes) = bytes.split_at_checked(lengths[0])?;
        let (optimizer, bytes) = bytes.split_at_checked(lengths[1])?;
        let (best_trainee, model) = bytes.split_at_checked(lengths[2])?;
        (model.len() == lengths[3]).then(|| Self {
            state,
            trainee: trainee.to_vec(),
            optimizer: optimizer.to_vec(),
            best_trainee: best_trainee.to_vec(),
            model: model.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_damage_is_found() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("checkpoint");
        assert_eq!(Checkpoint::read(&path).expect("no checkpoint"), None);
        let checkpoint = Checkpoint {
            state: State {
                step: 7,
                sums: vec![("loss".into(), 0.1 + 0.2)],
                ..State::default()
            },
            trainee: vec![1, 2, 3],
            optimizer: vec![4; 100],
            best_trainee: Vec::new(),
            model: vec![5, 6],
        };
        checkpoint.write(&path).expect("written");
        assert_eq!(Checkpoint::read(&path).expect("read"), Some(checkpoint));

        let bytes = std::fs::read(&path).expect("read");
        for damage in [bytes[..bytes.len() - 1].to_vec(), b"text".to_vec(), {
            let mut flipped = bytes.clone();
            flipped[60] ^= 1;
            flipped
        }] {
            std::fs::write(&path, damage).expect("written");
            assert!(matches!(
                Checkpoint::read(&path),
                Err(CheckpointError::Damaged { .. })
            ));
        }
    }
}
