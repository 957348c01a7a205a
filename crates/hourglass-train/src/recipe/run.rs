//! What holds for all phases of a run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What holds for all phases of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// The seed of weights, order and noise.
    pub seed: u64,
    /// Steps between checkpoints, at most.
    pub checkpoint_steps: u64,
    /// Seconds between checkpoints, at most.
    pub checkpoint_seconds: f64,
    /// A directory with a model of the same network, whose weights the training begins with; random ones where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

impl RunConfig {
    /// The keys, which stand in `[training]`.
    pub(super) const KEYS: [&str; 4] = ["seed", "checkpoint_steps", "checkpoint_seconds", "from"];
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            checkpoint_steps: 1000,
            checkpoint_seconds: 60.0,
            from: None,
        }
    }
}
