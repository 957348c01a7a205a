//! The columns of a table.

use serde::{Deserialize, Serialize};

use crate::group::Group;
use crate::scaling::Affine;

/// A column of a table that a model is trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the header.
    pub name: String,
    /// What its cells are.
    #[serde(flatten)]
    pub kind: ColumnKind,
    /// What stands for a cell that is missing: the mean of the training rows, in the user's units; of a yes/no column the
    /// share of yes. None where cells must not be missing. A category that is missing is none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<f64>,
    /// Whether another feature says if the cell is missing: 1 if so, or else 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub indicator: bool,
}

/// What the cells of a column are. In the raw form of a row each cell is one number; a missing one is not a number (NaN).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ColumnKind {
    /// Numbers.
    Numeric(Affine),
    /// One of two opposites; raw 0 or 1, and another number only where the values are 0 and 1 and a file has another.
    YesNo {
        /// How no and yes are written.
        values: [String; 2],
    },
    /// One of several values; raw its place among them, and their count for a value that training did not have.
    Categorical {
        /// The values, in the order in which the training file has them.
        values: Vec<String>,
    },
}

impl ColumnKind {
    /// What the cells are, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Numeric(_) => "numbers".into(),
            Self::YesNo { values } => format!("{} or {}", values[0], values[1]),
            Self::Categorical { values } => {
                let shown = values[..values.len().min(8)].join(", ");
                match values.len().saturating_sub(8) {
                    0 => format!("{} values: {shown}", values.len()),
                    more => format!("{} values: {shown} and {more} more", values.len()),
                }
            }
        }
    }
}

impl Column {
    /// The features that a cell becomes.
    pub fn features(&self) -> usize {
        self.value_features() + usize::from(self.indicator)
    }

    /// The features but the indicator.
    fn value_features(&self) -> usize {
        match &self.kind {
            ColumnKind::Numeric(_) | ColumnKind::YesNo { .. } => 1,
            ColumnKind::Categorical { values } => values.len(),
        }
    }

    /// The groups of the column's features.
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        let values = match &self.kind {
            ColumnKind::Numeric(_) => Group::Numeric(1),
            ColumnKind::YesNo { .. } => Group::YesNo(1),
            ColumnKind::Categorical { values } => Group::Categories(values.len()),
        };
        std::iter::once(values).chain(self.indicator.then_some(Group::YesNo(1)))
    }

    /// Appends the features of a raw cell.
    pub fn encode(&self, raw: f64, features: &mut Vec<f32>) {
        let cell = match raw.is_nan() {
            true => self.fill.unwrap_or(raw),
            false => raw,
        };
        match &self.kind {
            ColumnKind::Numeric(affine) => features.push(affine.feature(cell)),
            ColumnKind::YesNo { .. } => features.push(cell as f32),
            ColumnKind::Categorical { values } => {
                let is_it = |place: usize| if place as f64 == raw { 1.0 } else { 0.0 };
                features.extend((0..values.len()).map(is_it));
            }
        }
        if self.indicator {
            features.push(if raw.is_nan() { 1.0 } else { 0.0 });
        }
    }

    /// The raw cell of its features: a number, the more likely of yes and no, or the most likely category.
    ///
    /// # Panics
    /// If these are fewer than [`features`](Self::features).
    pub fn decode(&self, features: &[f32]) -> f64 {
        match &self.kind {
            ColumnKind::Numeric(affine) => affine.value(features[0]),
            ColumnKind::YesNo { .. } => f64::from(u8::from(features[0] >= 0.5)),
            ColumnKind::Categorical { values } => {
                let scores = features[..values.len()].iter().enumerate();
                let best = scores.fold((0, f32::NEG_INFINITY), |best, (place, &score)| {
                    if score > best.1 { (place, score) } else { best }
                });
                best.0 as f64
            }
        }
    }

    /// A raw cell as it is written in a file; empty where it is missing or a category that training did not have.
    pub fn text(&self, raw: f64) -> String {
        match &self.kind {
            _ if raw.is_nan() => String::new(),
            // As many digits as the single precision in which cells are kept has.
            ColumnKind::Numeric(_) => (raw as f32).to_string(),
            ColumnKind::YesNo { values } => match raw {
                0.0 => values[0].clone(),
                1.0 => values[1].clone(),
                other => (other as f32).to_string(),
            },
            ColumnKind::Categorical { values } => {
                values.get(raw as usize).cloned().unwrap_or_default()
            }
        }
    }

    /// What the features of a column say about its cell, as it would be written in a file; where there is none, or another value than
    /// training had, that.
    ///
    /// # Panics
    /// If these are fewer than [`features`](Self::features).
    pub fn told(&self, features: &[f32]) -> String {
        let values = self.value_features();
        let is_none = self.indicator && features[values] > 0.5;
        let is_other = matches!(self.kind, ColumnKind::Categorical { .. })
            && features[..values].iter().all(|&feature| feature == 0.0);
        match (is_none, is_other) {
            (true, _) => "no value".into(),
            (false, true) => "another value or none".into(),
            (false, false) => self.text(self.decode(features)),
        }
    }

    /// The names of the column's features: its own, or `COLUMN=VALUE` for each category, and `COLUMN is missing`.
    pub fn feature_names(&self) -> impl Iterator<Item = String> {
        let name = &self.name;
        let values = match &self.kind {
            ColumnKind::Numeric(_) | ColumnKind::YesNo { .. } => vec![name.clone()],
            ColumnKind::Categorical { values } => {
                let named = values.iter().map(|value| format!("{name}={value}"));
                named.collect()
            }
        };
        let indicator = self.indicator.then(|| format!("{name} is missing"));
        values.into_iter().chain(indicator)
    }
}
