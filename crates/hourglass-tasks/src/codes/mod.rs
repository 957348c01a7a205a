//! Files of codes: `.npy`, `.csv` and `.parquet`. They are written and read in blocks, so that they can hold any number of codes.
//!
//! What is read is bit for bit what was written: `.npy` and `.parquet` hold the float32 numbers themselves, `.csv` the shortest
//! decimals that are read back as the same float32. Each row is an image. It has the numbers of the image's code, `z0`, `z1` and
//! so on, preceded by the image's id and label, where the format has a place for them and the images have some.

mod error;
mod npy;
mod parquet;
mod reader;
mod table;
mod writer;

use std::path::Path;

pub use error::CodesError;
pub use hourglass_files::PendingFile;
pub use npy::{write_floats, write_header};
pub use reader::CodesReader;
pub use writer::CodesWriter;

/// Rows that are read at a time.
const BLOCK_ROWS: usize = 1024;

/// A kind of file that codes are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodesFormat {
    /// NumPy's array `[images, code]` of float32, without ids and labels.
    Npy,
    /// Text with the columns `id`, `label` (where there are labels), `z0`, `z1` and so on.
    Csv,
    /// Apache Parquet with the same columns.
    Parquet,
}

impl CodesFormat {
    /// The format that a path's extension names.
    ///
    /// # Errors
    /// When it names none.
    pub fn of(path: &Path) -> Result<Self, CodesError> {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        match extension.to_str() {
            Some("npy") => Ok(Self::Npy),
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(CodesError::UnknownFormat { path: path.into() }),
        }
    }
}

/// What a file of codes is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodesLayout {
    /// Images.
    pub images: usize,
    /// How many numbers a code has.
    pub code: usize,
    /// Whether there are labels, and their names.
    pub labels: LabelKind,
}

/// The kind of labels that a table of images has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelKind {
    /// None.
    None,
    /// Numbers.
    Numbers,
    /// Numbers that stand for names; the names are written.
    Names(Vec<String>),
}

impl LabelKind {
    /// The kind of labels that a dataset has.
    pub fn of(dataset: &hourglass_data::Dataset) -> Self {
        match (dataset.labels(), dataset.label_names()) {
            (None, _) => Self::None,
            (Some(_), None) => Self::Numbers,
            (Some(_), Some(names)) => Self::Names(names.to_vec()),
        }
    }

    /// How a label is written in tables.
    pub fn text(&self, label: u8) -> String {
        match self {
            Self::Names(names) => names.get(usize::from(label)).cloned(),
            _ => None,
        }
        .unwrap_or_else(|| label.to_string())
    }
}

/// Some images of a file of codes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CodeRows {
    /// The ids of the images; empty if they were read from a file without ids.
    pub ids: Vec<String>,
    /// Their labels; empty if there are none, or if the codes were read from a file, since decoding needs no labels.
    pub labels: Vec<u8>,
    /// `[rows, code]`, row-major.
    pub codes: Vec<f32>,
}

/// The id of an image in a file of codes: its path below the folder, or its number.
pub fn image_id(dataset: &hourglass_data::Dataset, index: u32) -> String {
    let id = dataset.id(index as usize);
    id.map_or_else(|| index.to_string(), str::to_owned)
}

/// Refuses values that are not finite; `first` is the place of the first row in the file.
fn check_finite(path: &Path, codes: &[f32], code: usize, first: usize) -> Result<(), CodesError> {
    match codes.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(place) => Err(CodesError::NotFinite {
            path: path.into(),
            row: first + place / code,
            column: place % code,
            found: codes[place],
        }),
    }
}

#[cfg(test)]
mod tests;
