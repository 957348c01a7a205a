//! Groups of features that belong together.

use serde::{Deserialize, Serialize};

/// Neighbouring features of one kind, in the order of the features: what a likelihood has to know of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// So many numbers.
    Numeric(usize),
    /// So many features that are 0 or 1.
    YesNo(usize),
    /// One of so many categories: the feature of the right one is 1, the others are 0.
    Categories(usize),
}

impl Group {
    /// Features in the group.
    pub const fn features(self) -> usize {
        match self {
            Self::Numeric(count) | Self::YesNo(count) | Self::Categories(count) => count,
        }
    }

    /// Adds a group to a list. Numbers beside numbers are one group, and so are features of yes or no.
    pub fn push_to(self, groups: &mut Vec<Self>) {
        match (groups.last_mut(), self) {
            (Some(Self::Numeric(count)), Self::Numeric(more))
            | (Some(Self::YesNo(count)), Self::YesNo(more)) => *count += more,
            _ => groups.push(self),
        }
    }
}
