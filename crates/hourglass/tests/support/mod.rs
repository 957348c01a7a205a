//! Running the program in a directory of its own, on small recipes.

#![allow(dead_code, reason = "each test file uses a part of this")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A quick recipe; its network is small and its images are few.
pub const RECIPE: &str = r#"
family = "undercomplete"

[network]
kind = "mlp"
hidden = [16]
code = 4

[objective]
likelihood = "squared_error"

[data]
limit = 500
validation = 0.1

[training]
steps = 60
batch_size = 50
"#;

/// A directory in which the program is run, with a data directory of its own that is empty.
pub struct Workplace {
    directory: TempDir,
}

/// What a run of the program gave.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; nothing where a signal ended the program.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn from_output(output: Output) -> Self {
        let ran = Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!ran.stderr.contains("panicked"), "{ran:#?}");
        ran
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// The program ended with `code`, said all of `parts` on stderr, and nothing on stdout.
    #[track_caller]
    pub fn fails(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "expected `{part}` in\n{}",
                self.stderr
            );
        }
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

impl Workplace {
    pub fn new() -> Self {
        let workplace = Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        fs::create_dir(workplace.path("data")).expect("a directory");
        workplace
    }

    /// A path in this directory.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(relative)
    }

    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, content).expect("written");
        path
    }

    /// The program with these arguments, not started yet. Nothing of this machine but its CPU reaches it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hourglass"));
        command
            .current_dir(self.directory.path())
            .args(arguments)
            .env("HOURGLASS_DATA", self.path("data"))
            .env_remove("HOURGLASS_MIRROR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from_output(self.command(arguments).output().expect("the program runs"))
    }

    /// Trains [`RECIPE`] into `out`, on the CPU.
    pub fn train(&self, out: &str, more: &[&str]) -> Ran {
        self.write("recipe.toml", RECIPE);
        let arguments = ["train", "recipe.toml", "--backend", "ndarray", "--out", out];
        self.run(&[&arguments, more].concat())
    }

    /// The paths of all files and directories here, apart from data, sorted.
    pub fn listing(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        list(self.directory.path(), &mut found);
        found.sort();
        found
    }
}

fn list(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            list(&path, found);
        }
        found.push(path);
    }
}

/// An IDX file of `count` images with `side` x `side` pixels, drawn by a small generator.
pub fn idx_images(count: u32, side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0x0803, count, side, side] {
        bytes.extend(word.to_be_bytes());
    }
    let mut state = 1_u32;
    bytes.extend((0..count * side * side).map(|_| {
        // Numerical Recipes' linear congruential generator; the high byte is the random one.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }));
    bytes
}

/// An IDX file of `count` labels.
pub fn idx_labels(count: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0x0801, count] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend((0..count).map(|index| (index % 10) as u8));
    bytes
}

/// The bytes of a file.
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
