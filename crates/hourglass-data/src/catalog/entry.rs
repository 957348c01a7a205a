//! What the catalog knows of a dataset.

use std::path::PathBuf;

use crate::error::DataError;
use crate::locations::Locations;
use crate::source::idx::find_file;

/// A dataset of the catalog.
#[derive(Debug)]
pub struct Entry {
    /// What `--data` takes.
    pub name: &'static str,
    /// One line.
    pub description: &'static str,
    /// The licence of the data.
    pub licence: &'static str,
    /// Where it comes from and whom to cite.
    pub source: &'static str,
    /// Training images, training labels, test images, test labels.
    pub files: [File; 4],
    /// How the files get here.
    pub content: Content,
}

/// One of the four files, as it is unpacked.
#[derive(Debug)]
pub struct File {
    /// The official name, without `.gz`.
    pub name: &'static str,
    /// SHA-256 in hexadecimal.
    pub sha256: &'static str,
    /// Size.
    pub bytes: u64,
}

/// How a dataset's files get here.
#[derive(Debug)]
pub enum Content {
    /// Part of this program: the gzip-packed files.
    Embedded([&'static [u8]; 4]),
    /// To be fetched: URLs below which lie `NAME.gz`, tried in turn.
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
            Content::Embedded(_) => true,
            Content::Mirrors(_) => self.directory(locations).is_ok_and(|directory| {
                self.files
                    .iter()
                    .all(|file| find_file(&directory, file.name).is_some())
            }),
        }
    }
}
