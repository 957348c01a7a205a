//! What a model takes: the kind of its samples, and how they become features and back.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::column::{Column, ColumnKind};
use crate::group::Group;
use crate::scaling::{Affine, Scaling};
use crate::shape::Shape;

/// What samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Pictures.
    Image,
    /// Rows of columns with names.
    Table,
    /// Rows of numbers.
    Vectors,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Image, Self::Table, Self::Vectors];

    /// One sample of the kind.
    pub const fn one(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Table => "row",
            Self::Vectors => "vector",
        }
    }

    /// Several samples of the kind.
    pub const fn many(self) -> &'static str {
        match self {
            Self::Image => "images",
            Self::Table => "rows",
            Self::Vectors => "vectors",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Image => "image",
            Self::Table => "table",
            Self::Vectors => "vectors",
        })
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.to_string() == name);
        found.ok_or_else(|| format!("expected image, table or vectors, found {name}"))
    }
}

/// What is done about cells without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// The file is refused.
    #[default]
    Refuse,
    /// The mean of the column's training rows stands for them.
    Mean,
    /// The same, and one more feature says which are missing, for each column with missing cells among the training rows.
    Indicator,
}

impl Missing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Refuse, Self::Mean, Self::Indicator];
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refuse => "refuse",
            Self::Mean => "mean",
            Self::Indicator => "indicator",
        })
    }
}

impl FromStr for Missing {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|what| what.to_string() == name);
        found.ok_or_else(|| format!("expected refuse, mean or indicator, found {name}"))
    }
}

/// What a model takes. A sample has a raw form, in the user's units, and features, which the network gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Input {
    /// Images of bytes, which are divided by 255.
    Image {
        /// The shape of each.
        shape: Shape,
    },
    /// Rows of a table.
    Table {
        /// How numeric columns were scaled.
        scaling: Scaling,
        /// What is done about missing cells.
        missing: Missing,
        /// The columns, in the order of the features.
        columns: Vec<Column>,
    },
    /// Vectors of numbers.
    Vectors {
        /// Numbers in each.
        width: usize,
        /// How they were scaled.
        scaling: Scaling,
        /// The scaling of each number; empty where they are taken as they are.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        affine: Vec<Affine>,
    },
}

impl Input {
    /// What the samples are.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Image { .. } => Kind::Image,
            Self::Table { .. } => Kind::Table,
            Self::Vectors { .. } => Kind::Vectors,
        }
    }

    /// What a sample is, in words: `28 × 28 grey`, `30 columns` or `768 numbers`.
    pub fn describe(&self) -> String {
        match self {
            Self::Image { shape } => {
                let colour = if shape.channels == 1 {
                    "grey"
                } else {
                    "colour"
                };
                format!("{} × {} {colour}", shape.height, shape.width)
            }
            Self::Table { columns, .. } => format!("{} columns", columns.len()),
            Self::Vectors { width, .. } => format!("{width} numbers"),
        }
    }

    /// The shape of what the network gets; `[1, 1, features]` of rows and vectors.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Image { shape } => *shape,
            Self::Table { columns, .. } => {
                Shape::new(1, 1, columns.iter().map(Column::features).sum())
            }
            Self::Vectors { width, .. } => Shape::new(1, 1, *width),
        }
    }

    /// Numbers in the raw form of a sample: pixels, columns, or the numbers of a vector.
    pub fn raw_width(&self) -> usize {
        match self {
            Self::Image { shape } => shape.features(),
            Self::Table { columns, .. } => columns.len(),
            Self::Vectors { width, .. } => *width,
        }
    }

    /// The columns of a table; none of others.
    pub fn columns(&self) -> &[Column] {
        match self {
            Self::Table { columns, .. } => columns,
            Self::Image { .. } | Self::Vectors { .. } => &[],
        }
    }

    /// The kinds of the features, in their order.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups = Vec::new();
        match self {
            Self::Table { columns, .. } => {
                let each = columns.iter().flat_map(Column::groups);
                each.for_each(|group| group.push_to(&mut groups));
            }
            Self::Image { .. } | Self::Vectors { .. } => {
                Group::Numeric(self.raw_width()).push_to(&mut groups);
            }
        }
        groups
    }

    /// Appends the features of a sample.
    ///
    /// # Shapes
    /// - raw: `[raw width]`; missing cells are not a number
    /// - features: grows by `[features]`
    pub fn encode(&self, raw: &[f64], features: &mut Vec<f32>) {
        match self {
            Self::Image { .. } => features.extend(raw.iter().map(|&byte| byte as f32 / 255.0)),
            Self::Table { columns, .. } => {
                for (column, &cell) in columns.iter().zip(raw) {
                    column.encode(cell, features);
                }
            }
            Self::Vectors { affine, .. } if affine.is_empty() => {
                features.extend(raw.iter().map(|&value| value as f32));
            }
            Self::Vectors { affine, .. } => {
                let pairs = affine.iter().zip(raw);
                features.extend(pairs.map(|(affine, &value)| affine.feature(value)));
            }
        }
    }

    /// The same input, which takes rows with missing cells too: where training had none, the centre of a column's scale stands for
    /// them, or 1/2 of yes and no.
    pub fn allowing_missing(&self) -> Self {
        let mut input = self.clone();
        if let Self::Table {
            missing, columns, ..
        } = &mut input
        {
            for column in columns.iter_mut().filter(|column| column.fill.is_none()) {
                column.fill = match &column.kind {
                    ColumnKind::Numeric(affine) => Some(affine.centre),
                    ColumnKind::YesNo { .. } => Some(0.5),
                    ColumnKind::Categorical { .. } => None,
                };
            }
            if *missing == Missing::Refuse {
                *missing = Missing::Mean;
            }
        }
        input
    }

    /// The raw form of a sample's features.
    ///
    /// # Shapes
    /// - features: `[features]`
    /// - output: `[raw width]`
    pub fn decode(&self, features: &[f32]) -> Vec<f64> {
        match self {
            Self::Image { .. } => features.iter().map(|&x| f64::from(x) * 255.0).collect(),
            Self::Table { columns, .. } => {
                let mut rest = features;
                let cells = columns.iter().map(|column| {
                    let (own, others) = rest.split_at(column.features());
                    rest = others;
                    column.decode(own)
                });
                cells.collect()
            }
            Self::Vectors { affine, .. } if affine.is_empty() => {
                features.iter().map(|&value| f64::from(value)).collect()
            }
            Self::Vectors { affine, .. } => {
                let pairs = affine.iter().zip(features);
                pairs
                    .map(|(affine, &feature)| affine.value(feature))
                    .collect()
            }
        }
    }

    /// What makes this no input that a program has written, if anything.
    pub fn fault(&self) -> Option<String> {
        let is_counted = match self {
            Self::Image { shape } => shape.checked_features(),
            Self::Table { columns, .. } => columns
                .iter()
                .try_fold(0_usize, |sum, column| sum.checked_add(column.features())),
            Self::Vectors { width, .. } => Some(*width),
        };
        if is_counted.is_none_or(|features| features == 0) {
            return Some(match self {
                Self::Image { shape } => format!(
                    "`shape`: expected [channels, height, width] with at least one pixel and not more than can be counted, \
                     found {:?}",
                    shape.to_array()
                ),
                _ => "`input`: expected at least one feature, found none".into(),
            });
        }
        let is_usable = |affine: &Affine| {
            let is_positive = |number: f64| number.is_finite() && number > 0.0;
            affine.centre.is_finite()
                && is_positive(affine.scale)
                && affine.bend.is_none_or(is_positive)
        };
        match self {
            Self::Image { .. } => None,
            Self::Table { columns, .. } => columns.iter().find_map(|column| {
                let is_right = match &column.kind {
                    ColumnKind::Numeric(affine) => is_usable(affine),
                    ColumnKind::YesNo { .. } => true,
                    ColumnKind::Categorical { values } => !values.is_empty(),
                };
                let is_right = is_right && column.fill.is_none_or(f64::is_finite);
                (!is_right).then(|| {
                    format!(
                        "`input`: the column {}: expected finite numbers and a positive scale, found others",
                        column.name
                    )
                })
            }),
            Self::Vectors { width, affine, .. } => {
                let is_right =
                    affine.is_empty() || affine.len() == *width && affine.iter().all(is_usable);
                (!is_right).then(|| {
                    format!(
                        "`input`: expected a finite centre and a positive scale for each of {width} numbers, found others"
                    )
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: ColumnKind) -> Column {
        Column {
            name: name.into(),
            kind,
            fill: Some(0.25),
            indicator: name == "colour",
        }
    }

    fn table() -> Input {
        let texts = |values: &[&str]| values.iter().map(|&text| text.to_owned()).collect();
        let affine = Affine::new(Scaling::Standard, 10.0, 4.0);
        Input::Table {
            scaling: Scaling::Standard,
            missing: Missing::Indicator,
            columns: vec![
                column("weight", ColumnKind::Numeric(affine)),
                column(
                    "smokes",
                    ColumnKind::YesNo {
                        values: ["no".into(), "yes".into()],
                    },
                ),
                column(
                    "colour",
                    ColumnKind::Categorical {
                        values: texts(&["red", "green", "blue"]),
                    },
                ),
            ],
        }
    }

    #[test]
    fn a_row_becomes_features_and_comes_back() {
        let input = table();
        assert_eq!(input.shape(), Shape::new(1, 1, 6));
        let mut features = Vec::new();
        input.encode(&[12.0, 1.0, 2.0], &mut features);
        assert_eq!(features, [0.5, 1.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(input.decode(&features), [12.0, 1.0, 2.0]);
        let texts = input.columns().iter().zip(input.decode(&features));
        let texts: Vec<String> = texts.map(|(column, cell)| column.text(cell)).collect();
        assert_eq!(texts, ["12", "yes", "blue"]);
        assert_eq!(
            input.groups(),
            [
                Group::Numeric(1),
                Group::YesNo(1),
                Group::Categories(3),
                Group::YesNo(1)
            ]
        );
    }

    #[test]
    fn missing_and_unknown_cells_have_features_of_their_own() {
        let mut features = Vec::new();
        table().encode(&[f64::NAN, f64::NAN, f64::NAN], &mut features);
        assert_eq!(features, [(0.25 - 10.0) / 4.0, 0.25, 0.0, 0.0, 0.0, 1.0]);
        features.clear();
        table().encode(&[10.0, 0.0, 3.0], &mut features);
        assert_eq!(features, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn an_input_is_read_as_it_was_written() {
        let vectors = Input::Vectors {
            width: 2,
            scaling: Scaling::MinMax,
            affine: vec![Affine::IDENTITY; 2],
        };
        let image = Input::Image {
            shape: Shape::new(1, 2, 3),
        };
        for input in [table(), vectors, image] {
            let text = serde_json::to_string(&input).expect("JSON");
            assert_eq!(
                serde_json::from_str::<Input>(&text).expect(&text),
                input,
                "{text}"
            );
            assert_eq!(input.fault(), None);
        }
    }

    #[test]
    fn damaged_inputs_are_noticed() {
        for (from, to) in [
            (r#""scale":4.0"#, r#""scale":0.0"#),
            (r#"["red","green","blue"]"#, "[]"),
            (r#""centre":10.0"#, r#""centre":1e999"#),
        ] {
            let text = serde_json::to_string(&table()).expect("JSON");
            assert!(text.contains(from), "{text}");
            let damaged = serde_json::from_str::<Input>(&text.replace(from, to));
            let is_noticed = damaged.map_or(true, |input| input.fault().is_some());
            assert!(is_noticed, "{to}");
        }
    }
}
