//! What the catalog knows of a dataset.

use std::path::PathBuf;

use crate::error::DataError;
use crate::locations::Locations;
use crate::source::idx::find_file;

/// A dataset of the catalog.
#[derive(Debug)]
pub struct Entry {
    /// The name that `--data` takes.
    pub name: &'static str,
    /// A description in one line.
    pub description: &'static str,
    /// The licence of the data.
    pub licence: &'static str,
    /// Where it comes from and whom to cite.
    pub source: &'static str,
    /// Training images, training labels, test images, test labels; or a table.
    pub files: &'static [File],
    /// Where the files come from.
    pub content: Content,
}

/// One of the files, after unpacking.
#[derive(Debug)]
pub struct File {
    /// The official name, without `.gz`.
    pub name: &'static str,
    /// SHA-256 in hexadecimal.
    pub sha256: &'static str,
    /// The size.
    pub bytes: u64,
}

/// Where a dataset's files come from.
#[derive(Debug)]
pub enum Content {
    /// From this program, which embeds the files, compressed with gzip.
    Embedded([&'static [u8]; 4]),
    /// From this program, which embeds a table as CSV, compressed with gzip.
    Table {
        /// The compressed file.
        packed: &'static [u8],
        /// The column of labels.
        label: &'static str,
    },
    /// From a download: base URLs, tried in turn, below each of which lies `NAME.gz`.
    Mirrors(&'static [&'static str]),
}

impl Entry {
    /// The directory that holds the fetched files.
    pub fn directory(&self, locations: &Locations) -> Result<PathBuf, DataError> {
        Ok(locations.data_directory()?.join(self.name))
    }

    /// Whether the dataset can be opened without fetching it: embedded, or all files there. Their content is not checked.
    pub fn is_here(&self, locations: &Locations) -> bool {
        match self.content {
            Content::Embedded(_) | Content::Table { .. } => true,
            Content::Mirrors(_) => self.directory(locations).is_ok_and(|directory| {
                self.files
                    .iter()
                    .all(|file| find_file(&directory, file.name).is_some())
            }),
        }
    }
}
