//! Files of codes: `.npy`, `.csv` and `.parquet`, written and read in blocks, so that there may be any number of them.
//!
//! What is read is bit for bit what was written: `.npy` and `.parquet` hold the float32 numbers themselves, `.csv` the shortest
//! decimals that are read back as the same float32. A row is an image: its id and its label, where the format has a place for
//! them and there are some, and the numbers of its code, `z0`, `z1` and so on.

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

/// Rows that are read at once.
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
    /// Numbers of a code.
    pub code: usize,
    /// Whether there are labels, and what they are called.
    pub labels: LabelKind,
}

/// What labels a table of images has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelKind {
    /// None.
    None,
    /// Numbers.
    Numbers,
    /// Numbers that stand for names: the names are written.
    Names(Vec<String>),
}

impl LabelKind {
    /// The labels of a dataset.
    pub fn of(dataset: &hourglass_data::Dataset) -> Self {
        match (dataset.labels(), dataset.label_names()) {
            (None, _) => Self::None,
            (Some(_), None) => Self::Numbers,
            (Some(_), Some(names)) => Self::Names(names.to_vec()),
        }
    }

    /// What a label is called in tables.
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
    /// What the images are called; empty in a file that was read where it has no ids.
    pub ids: Vec<String>,
    /// Their labels; empty where there are none, and in what was read, since decoding needs none.
    pub labels: Vec<u8>,
    /// `[rows, code]`, row-major.
    pub codes: Vec<f32>,
}

/// What an image of a dataset is called: its path below the folder, or its number.
pub fn image_id(dataset: &hourglass_data::Dataset, index: u32) -> String {
    let id = dataset.id(index as usize);
    id.map_or_else(|| index.to_string(), str::to_owned)
}

/// Refuses a code that is no number; `first` is the first row's place in the file.
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
