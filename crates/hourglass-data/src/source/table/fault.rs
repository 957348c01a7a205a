//! What is wrong with a table.

use super::place::Place;

/// What is wrong with a table; rows are counted from 1, without the header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableFault {
    /// The file can't be read, or not understood at all.
    #[error("{0}")]
    Unreadable(String),
    /// There is no header, or nothing below it.
    #[error("expected a header line and at least one row, found {0}")]
    Empty(&'static str),
    /// The first line looks like a row.
    #[error(
        "expected a header line with the names of the columns, found numbers only (`{0}`); add such a line"
    )]
    NoHeader(String),
    /// Two columns have one name, or a column has none.
    #[error("expected a different name for each column, found {0}; rename or remove one of them")]
    Names(String),
    /// There are too many columns.
    #[error(
        "expected at most {most} columns, found {found}; tables so wide are better kept as a .npy array of numbers"
    )]
    TooWide {
        /// The most that can be read.
        most: usize,
        /// How many there are.
        found: usize,
    },
    /// A row is longer or shorter than the header.
    #[error("row {row} (line {line}): expected {expected} cells, as in the header, found {found}")]
    Ragged {
        /// The row.
        row: u64,
        /// The line of the file.
        line: u64,
        /// Cells in the header.
        expected: u64,
        /// Cells in the row.
        found: u64,
    },
    /// A cell that should be a number is none.
    #[error(
        "{place}: expected a number, as in the rows before, found `{found}`; correct it, name the column by --categorical, or \
         leave it out by --columns"
    )]
    NotANumber {
        /// Where.
        place: Place,
        /// What stands there.
        found: String,
    },
    /// A number is infinite, or too large for single precision.
    #[error(
        "{place}: expected a finite number, found {found}; correct it, or leave the cell empty and choose --missing mean"
    )]
    NotFinite {
        /// Where.
        place: Place,
        /// What stands there.
        found: String,
    },
    /// A cell without a value.
    #[error(
        "{place}: expected a value, found none; fill the cell, or choose --missing mean or --missing indicator"
    )]
    Missing {
        /// Where.
        place: Place,
    },
    /// A model was trained without missing cells.
    #[error(
        "{place}: expected a value, found none: the model was trained on rows without missing cells; fill the cell, or train \
         with --missing mean or --missing indicator"
    )]
    MissingForModel {
        /// Where.
        place: Place,
    },
    /// A text is not UTF-8.
    #[error(
        "{place}: expected text in UTF-8, found other bytes (`{found}`); save the file in that encoding"
    )]
    Encoding {
        /// Where.
        place: Place,
        /// The text, with what could be read of it.
        found: String,
    },
    /// A column has too many different texts.
    #[error(
        "{place}: expected at most {most} different values in a column of text, found more; if it names the rows, say so by \
         --id, or leave it out by --columns"
    )]
    TooManyValues {
        /// Where.
        place: Place,
        /// The most values.
        most: usize,
    },
    /// There are too many different labels.
    #[error(
        "{place}: expected at most 256 different labels, found more; name another column by --label"
    )]
    TooManyLabels {
        /// Where.
        place: Place,
    },
    /// A column that is named is not there.
    #[error("{what}: expected a column of the file ({known}), found `{name}`{close}")]
    UnknownColumn {
        /// What names it.
        what: &'static str,
        /// The name.
        name: String,
        /// The columns that there are.
        known: String,
        /// A name that is close, in words.
        close: String,
    },
    /// Columns of a model are not there.
    #[error("expected the columns that the model was trained on, found none named {0}")]
    MissingColumns(String),
    /// A yes/no column of a model has another value.
    #[error(
        "{place}: expected {values}, as in the rows that the model was trained on, found `{found}`"
    )]
    OtherValue {
        /// Where.
        place: Place,
        /// The two values.
        values: String,
        /// What stands there.
        found: String,
    },
    /// A column is named as categorical that is no feature.
    #[error(
        "--categorical: expected a column of the features, found `{0}`, which is none; leave it out"
    )]
    NotAFeature(String),
    /// A row has no label.
    #[error(
        "{place}: expected a label, found none; fill the cell, or name another column by --label"
    )]
    NoLabel {
        /// Where.
        place: Place,
    },
    /// Nothing is left to learn from.
    #[error("expected at least one column of features, found none but {0}")]
    NoFeatures(String),
    /// A column of a kind that is no number and no text.
    #[error("the column `{column}`: expected numbers, yes/no or text, found {found}; {advice}")]
    ColumnType {
        /// The column.
        column: String,
        /// What it is.
        found: String,
        /// What to do.
        advice: &'static str,
    },
}
