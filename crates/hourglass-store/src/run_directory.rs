//! Run directories, which hold everything that a run produces.

use std::ffi::{OsStr, OsString};
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use hourglass_files::{
    PendingFiles, check_target, is_left, is_temporary_of, read_to_string, remove_stale,
    write_atomically,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{CONFIG_FILE, WEIGHTS_FILE};

const RECIPE: &str = "config.toml";
/// The file that is locked by the program that works on the run.
const LOCK: &str = ".lock";
/// The name from which the temporary names of an import's files are made.
const IMPORT: &str = "import";

/// The directory of a run. It holds `config.toml`, `metrics.jsonl` and `checkpoint/`; once the run is finished, also
/// `config.json`, `model.safetensors`, `summary.json` and `figures/`; and `log-likelihood/`, if that was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Creates the directory of a new run; if none is named, `runs/<family>-<n>` with the first n that is free.
    ///
    /// # Errors
    /// When the directory can't be made, or holds something.
    pub fn create(path: Option<&Path>, family: &str) -> io::Result<Self> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => next_free(Path::new("runs"), family)?,
        };
        claim(&path, ", or go on with that run by --resume")?;
        Ok(Self { path })
    }

    /// Creates the directory of a model that was trained elsewhere, and begins its files. An import that is killed leaves
    /// nothing behind that is in the way of the next one.
    ///
    /// # Errors
    /// When the directory can't be made, or holds something.
    pub fn create_for_import(path: &Path) -> io::Result<(Self, PendingFiles)> {
        claim(path, "")?;
        let files = PendingFiles::create(path, IMPORT)?;
        Ok((Self { path: path.into() }, files))
    }

    /// An existing directory.
    pub fn open(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Claims the run for this program for as long as the file is held, since two programs that train in it at once would
    /// destroy it.
    ///
    /// # Errors
    /// When another program has it.
    pub fn lock(&self) -> io::Result<std::fs::File> {
        let path = self.path.join(LOCK);
        check_target(&path)?;
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(false);
        let (file, path) = options.open(path)?.into_parts();
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

    /// The checkpoint from which a resumed run continues.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint").join("checkpoint.bin")
    }

    /// Pictures.
    pub fn figures(&self) -> PathBuf {
        self.path.join("figures")
    }

    /// The estimates of the log-likelihood that `evaluate` keeps.
    pub fn log_likelihoods(&self) -> PathBuf {
        self.path.join("log-likelihood")
    }

    /// Writes the recipe and makes the directories.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn prepare(&self, recipe: &str) -> io::Result<()> {
        write_atomically(&self.recipe(), recipe.as_bytes())?;
        fs::create_dir_all(self.path.join("checkpoint"))?;
        fs::create_dir_all(self.figures())
    }
}

/// Creates a directory if it does not exist. It is an error, to which `more_advice` is added, if the directory holds something;
/// what a killed program has left there does not count, and is removed.
fn claim(path: &Path, more_advice: &str) -> io::Result<()> {
    fs::create_dir_all(path)?;
    if is_in_use(path)? {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!(
                "{}: expected a new or an empty directory, found one that is in use; name another with --out{more_advice}",
                path.display()
            ),
        ));
    }
    // The files of an import are there one after the other, its settings last.
    let weights = path.join(WEIGHTS_FILE);
    if weights.exists() {
        fs::remove_file(weights)?;
    }
    remove_stale(path, |name| is_temporary_of(name, Path::new(IMPORT)));
    Ok(())
}

/// Whether a directory holds more than what a run or an import leaves that is killed at its start.
fn is_in_use(path: &Path) -> io::Result<bool> {
    let names: Vec<_> = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<_>>()?;
    let is_of_import = |name: &OsStr| is_temporary_of(name, Path::new(IMPORT));
    let was_imported =
        names.iter().any(|name| is_of_import(name)) && names.iter().all(|name| name != CONFIG_FILE);
    let may_go = |name: &OsString| {
        name == LOCK
            || is_temporary_of(name, Path::new(RECIPE))
            || is_of_import(name) && is_left(&path.join(name))
            || name == WEIGHTS_FILE && was_imported
    };
    Ok(!names.iter().all(may_go))
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
    /// The phase, in runs of several phases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Steps done.
    pub step: u64,
    /// Epochs done; not a whole number if training ends within one.
    pub epoch: f64,
    /// `train`: means over the images of the epoch, as they were trained on; else the split that was measured.
    pub split: String,
    /// The terms by name.
    #[serde(flatten)]
    pub terms: Map<String, Value>,
}

impl MetricsLine {
    /// The name of a term: in a run of several phases each phase has terms of its own.
    pub fn title(&self, term: &str) -> String {
        match &self.phase {
            Some(phase) => format!("{term}, {phase}"),
            None => term.to_owned(),
        }
    }
}

/// `metrics.jsonl`, open for more lines.
#[derive(Debug)]
pub struct MetricsFile {
    file: fs::File,
    bytes: u64,
}

impl MetricsFile {
    /// Opens the file and drops what lies beyond `bytes`: lines that a killed run wrote after its last checkpoint.
    ///
    /// # Errors
    /// When the file can't be opened, or is shorter than that.
    pub fn open(path: &Path, bytes: u64) -> io::Result<Self> {
        check_target(path)?;
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

    /// The length of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn append(&mut self, line: &MetricsLine) -> io::Result<()> {
        use std::io::Write;
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// Makes sure that the lines are on the disk before a checkpoint counts on them.
    ///
    /// # Errors
    /// When they can't be written to the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Reads the lines of `metrics.jsonl`.
///
/// # Errors
/// When the file can't be read or a line is not of this form.
pub fn read_metrics(path: &Path) -> io::Result<Vec<MetricsLine>> {
    let text = read_to_string(path)?;
    text.lines()
        .map(|line| {
            serde_json::from_str(line)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: u64) -> MetricsLine {
        MetricsLine {
            phase: None,
            step,
            epoch: 0.5,
            split: "train".into(),
            terms: Map::from_iter([("loss".into(), Value::from(0.1))]),
        }
    }

    #[test]
    fn a_run_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run");
        let run = RunDirectory::create(Some(&path), "sparse").expect("a run");
        run.prepare("family = \"sparse\"").expect("a recipe");
        let error = RunDirectory::create(Some(&path), "sparse").expect_err("in use");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn one_program_at_a_time_has_a_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = RunDirectory::create(Some(folder.path()), "sparse").expect("a run");
        let held = run.lock().expect("a lock");
        let error = run.lock().expect_err("held").to_string();
        assert!(error.contains("no other program"), "{error}");
        drop(held);
        run.lock().expect("a lock");
    }

    #[test]
    fn lines_after_the_last_checkpoint_are_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("metrics.jsonl");
        let mut file = MetricsFile::open(&path, 0).expect("a file");
        file.append(&line(1)).expect("a line");
        let kept = file.bytes();
        file.append(&line(2)).expect("a line");
        let mut file = MetricsFile::open(&path, kept).expect("a file");
        file.append(&line(3)).expect("a line");
        assert_eq!(read_metrics(&path).expect("lines"), [line(1), line(3)]);
        let error = MetricsFile::open(&path, 1 << 20).expect_err("too short");
        assert!(error.to_string().contains("shorter than the checkpoint"));
    }
}
