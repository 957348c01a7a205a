//! Run directories: where everything that a run makes is kept.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use hourglass_store::{temporary_path, write_atomically};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const RECIPE: &str = "config.toml";
/// Locked by the program that works on the run.
const LOCK: &str = ".lock";

/// A directory of a run: `config.toml`, `metrics.jsonl`, `checkpoint/`, and when it is done `config.json`,
/// `model.safetensors`, `summary.json` and `figures/`; and `log-likelihood/`, where that was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Makes a directory for a new run; where none is named, `runs/<family>-<n>` with the first n that is free.
    ///
    /// # Errors
    /// When the directory can't be made, or holds something.
    pub fn create(path: Option<&Path>, family: &str) -> io::Result<Self> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => next_free(Path::new("runs"), family)?,
        };
        if path.exists() && is_in_use(&path)? {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!(
                    "{}: expected a new or an empty directory, found one that is in use; name another with --out, or \
                     go on with that run by --resume",
                    path.display()
                ),
            ));
        }
        fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    /// A directory that is there.
    pub fn open(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Claims the run for this program, for as long as the file is held: two that train in it at once would destroy it.
    ///
    /// # Errors
    /// When another program has it.
    pub fn lock(&self) -> io::Result<std::fs::File> {
        let path = self.path.join(LOCK);
        let (file, path) = fs::File::create(path)?.into_parts();
        match file.try_lock() {
            Ok(()) => Ok(file),
            // A file system without locks.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(file)
            }
            Err(TryLockError::Error(error)) => Err(io::Error::new(
                error.kind(),
                format!("{}: {error}", path.display()),
            )),
            Err(TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!(
                    "{}: expected a run that no other program works on, found that one does; wait for it, or stop it",
                    self.path.display()
                ),
            )),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The resolved recipe.
    pub fn recipe(&self) -> PathBuf {
        self.path.join(RECIPE)
    }

    /// The numbers of every evaluation.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The final numbers; the last file that a run writes.
    pub fn summary(&self) -> PathBuf {
        self.path.join("summary.json")
    }

    /// What a resumed run goes on from.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint").join("checkpoint.bin")
    }

    /// Pictures.
    pub fn figures(&self) -> PathBuf {
        self.path.join("figures")
    }

    /// What `evaluate` keeps of its estimates of the log-likelihood.
    pub fn log_likelihoods(&self) -> PathBuf {
        self.path.join("log-likelihood")
    }

    /// Writes the recipe and makes the directories.
    pub(crate) fn prepare(&self, recipe: &str) -> io::Result<()> {
        write_atomically(&self.recipe(), recipe.as_bytes())?;
        fs::create_dir_all(self.path.join("checkpoint"))?;
        fs::create_dir_all(self.figures())
    }
}

/// Whether a directory holds more than what a run that was killed at once has left.
fn is_in_use(path: &Path) -> io::Result<bool> {
    let unfinished = temporary_path(Path::new(RECIPE));
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != LOCK && name != unfinished.as_os_str() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Claims the first free `<family>-<n>`: making the directory is what claims it, so that two runs never share one.
fn next_free(parent: &Path, family: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(parent)?;
    let mut number = 1;
    loop {
        let path = parent.join(format!("{family}-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsLine {
    /// The phase, in runs of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Steps done.
    pub step: u64,
    /// Epochs done; not whole where training ends within one.
    pub epoch: f64,
    /// `train`: means over the images of the epoch, as they were trained on; else the split that was measured.
    pub split: String,
    /// The terms by name.
    #[serde(flatten)]
    pub terms: Map<String, Value>,
}

/// `metrics.jsonl`, open for more lines.
#[derive(Debug)]
pub(crate) struct MetricsFile {
    file: fs::File,
    bytes: u64,
}

impl MetricsFile {
    /// Opens the file and drops what lies beyond `bytes`: lines that a killed run wrote after its last checkpoint.
    pub(crate) fn open(path: &Path, bytes: u64) -> io::Result<Self> {
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?;
        if file.metadata()?.len() < bytes {
            let message = format!(
                "{}: shorter than the checkpoint says: expected {bytes} bytes at least",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        file.set_len(bytes)?;
        Ok(Self { file, bytes })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn append(&mut self, line: &MetricsLine) -> io::Result<()> {
        use std::io::Write;
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// Makes sure that the lines are on the disk before a checkpoint counts on them.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Reads the lines of `metrics.jsonl`.
///
/// # Errors
/// When the file can't be read or a line is not of this form.
pub fn read_metrics(path: &Path) -> io::Result<Vec<MetricsLine>> {
    let text = fs::read_to_string(path)?;
    text.lines()
        .map(|line| {
            serde_json::from_str(line)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
        })
        .collect()
}
