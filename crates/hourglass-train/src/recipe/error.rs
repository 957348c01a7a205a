//! What can be wrong with a recipe.

use std::fmt::{Display, Formatter};
use std::path::PathBuf;

use hourglass_models::ConfigError;
use thiserror::Error;

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingOrigin {
    /// In a line of a file, counted from 1.
    Line(PathBuf, usize),
    /// By an option of the command line, such as `--set network.code=3`.
    CommandLine(String),
    /// Nowhere in a file, in which it is missing.
    File(PathBuf),
}

impl Display for SettingOrigin {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(path, line) => write!(formatter, "{}, line {line}", path.display()),
            Self::CommandLine(text) => formatter.write_str(text),
            Self::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

/// A recipe that can't be used.
#[derive(Debug, Error)]
pub enum RecipeError {
    /// The file can't be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The text is not a recipe.
    #[error("{path}: {message}")]
    Parse {
        /// The recipe.
        path: PathBuf,
        /// What is wrong and where.
        message: String,
    },
    /// An override is not `key.path=value`.
    #[error("--set {given}: expected KEY.PATH=VALUE, such as training.learning_rate=0.001{detail}")]
    Override {
        /// What was given.
        given: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A key that is to be unset is not there.
    #[error(
        "--set {key}=: expected a key that the recipe sets ({known}), found one that it does not set"
    )]
    Unset {
        /// The key.
        key: String,
        /// The keys that are there.
        known: String,
    },
    /// A setting does not exist, or has a value that can't be used.
    #[error("{}: {message}", Placed(.key, .origin.as_ref()))]
    Setting {
        /// The setting's path.
        key: String,
        /// Where it was made; none where it is a default or missing.
        origin: Option<SettingOrigin>,
        /// What was expected and found.
        message: String,
    },
}

impl RecipeError {
    /// Whether the mistake was made on the command line.
    pub fn is_of_command_line(&self) -> bool {
        match self {
            Self::Override { .. } | Self::Unset { .. } => true,
            Self::Setting { origin, .. } => matches!(origin, Some(SettingOrigin::CommandLine(_))),
            Self::Io(_) | Self::Parse { .. } => false,
        }
    }
}

impl From<ConfigError> for RecipeError {
    fn from(error: ConfigError) -> Self {
        Self::Setting {
            message: format!("expected {}, found {}", error.expected, error.found),
            key: error.key,
            origin: None,
        }
    }
}

/// A key, and where it was set.
pub(super) struct Placed<'a>(pub(super) &'a str, pub(super) Option<&'a SettingOrigin>);

impl std::fmt::Display for Placed<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(key, origin) = self;
        write!(formatter, "`{key}`")?;
        origin.map_or(Ok(()), |origin| write!(formatter, " ({origin})"))
    }
}

/// Returns an error unless `holds`.
pub(super) fn check(
    holds: bool,
    key: &str,
    expected: &'static str,
    found: impl std::fmt::Display,
) -> Result<(), RecipeError> {
    if holds {
        return Ok(());
    }
    Err(RecipeError::Setting {
        key: key.to_owned(),
        origin: None,
        message: format!("expected {expected}, found {found}"),
    })
}
