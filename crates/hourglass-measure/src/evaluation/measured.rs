//! What was measured, or why it was not.

use serde::{Deserialize, Serialize};

/// A number or a table, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Measured<T> {
    /// What was measured.
    Value(T),
    /// Why it was not.
    LeftOut {
        /// The reason.
        left_out: String,
    },
}

impl<T> Measured<T> {
    /// What was measured, if it was.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::LeftOut { .. } => None,
        }
    }
}

pub(super) fn left_out<T>(reason: impl Into<String>) -> Measured<T> {
    Measured::LeftOut {
        left_out: reason.into(),
    }
}

impl<T, E: std::fmt::Display> From<Result<T, E>> for Measured<T> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Value(value),
            Err(reason) => left_out(reason.to_string()),
        }
    }
}
