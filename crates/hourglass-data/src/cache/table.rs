//! The cache of a table: its rows as single-precision numbers, so that a text is read only once.

use std::path::{Path, PathBuf};

use hourglass_files::read;
use hourglass_samples::Input;
use serde::{Deserialize, Serialize};

use super::cached::{damaged, open_split};
use super::keep;
use super::key::Key;
use super::layout::{ABOUT, file};
use super::write::PartFile;
use crate::dataset::{Dataset, IdsWriter, Number, Split, Values};
use crate::error::DataError;
use crate::locations::Locations;

/// The file that holds the rows.
const VALUES: &str = "values";

/// What the cache of a table says about itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TableAbout {
    /// Its columns; not scaled, unless those of a model were asked for.
    pub(crate) input: Input,
    pub(crate) label_names: Option<Vec<String>>,
    pub(crate) notes: Vec<String>,
}

/// A table, with what its cache says about it and where it is kept.
pub(crate) struct CachedTable {
    pub(crate) dataset: Dataset,
    pub(crate) notes: Vec<String>,
    pub(crate) path: PathBuf,
}

/// Opens the cache of a table. Where there is none, `make` first writes it.
pub(crate) fn open_or_make_table(
    locations: &Locations,
    key: &Key,
    name: &str,
    make: impl FnOnce(TableWriter) -> Result<(), DataError>,
) -> Result<CachedTable, DataError> {
    let open = |path: &Path| open(path, name);
    keep::open_or_make(
        locations,
        "tables",
        key,
        open,
        |_| true,
        |directory| make(TableWriter::create(directory)?),
    )
}

fn open(path: &Path, name: &str) -> Result<CachedTable, DataError> {
    let about_path = path.join(ABOUT);
    let about: TableAbout =
        serde_json::from_slice(&read(&about_path)?).map_err(|error| damaged(&about_path, error))?;
    let width = about.input.raw_width();
    let stored = open_split(path, Split::Train, VALUES, width * size_of::<f32>())?;
    let values = Values::new(Number::F32, width, vec![stored.values]);
    let dataset = Dataset::new(name, about.input, values, stored.labels);
    Ok(CachedTable {
        dataset: dataset.with_details(stored.sha256, stored.ids, about.label_names),
        notes: about.notes,
        path: path.into(),
    })
}

/// The files of a table while they are written.
pub(crate) struct TableWriter {
    directory: PathBuf,
    values: PartFile,
    ids: Option<(IdsWriter, PartFile)>,
}

impl TableWriter {
    fn create(directory: &Path) -> Result<Self, DataError> {
        Ok(Self {
            directory: directory.into(),
            values: PartFile::create(file(directory, Split::Train, VALUES))?,
            ids: None,
        })
    }

    /// Writes the next rows.
    pub(crate) fn push(&mut self, rows: &[f32]) -> Result<(), DataError> {
        let bytes: Vec<u8> = rows
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        self.values.write(&bytes)
    }

    /// Writes the id of the next row.
    pub(crate) fn push_id(&mut self, id: &str) -> Result<(), DataError> {
        if self.ids.is_none() {
            let part = PartFile::create(file(&self.directory, Split::Train, "ids"))?;
            self.ids = Some((IdsWriter::new(), part));
        }
        if let Some((ids, part)) = &mut self.ids {
            ids.push(id, &mut part.writer)?;
        }
        Ok(())
    }

    /// Writes the labels, where there are some, and what is to be known of the table.
    pub(crate) fn finish(self, labels: Option<&[u8]>, about: &TableAbout) -> Result<(), DataError> {
        self.values.finish()?;
        if let Some((ids, mut part)) = self.ids {
            ids.finish(&mut part.writer)?;
            part.finish()?;
        }
        if let Some(labels) = labels {
            let mut part = PartFile::create(file(&self.directory, Split::Train, "labels"))?;
            part.write(labels)?;
            part.finish()?;
        }
        let mut part = PartFile::create(self.directory.join(ABOUT))?;
        part.write(&serde_json::to_vec(about).expect("texts and numbers"))?;
        part.finish()
    }
}
