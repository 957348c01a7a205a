//! Writing the files of a cache.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::images::Images;
use super::layout::file;
use super::stamp;
use crate::dataset::{IdsWriter, Split};
use crate::error::DataError;
use hourglass_files::Hashing;

/// A split's files while they are written.
pub(super) struct SplitWriter {
    directory: PathBuf,
    split: Split,
    pixels: PartFile,
    labels: Vec<u8>,
    ids: Option<(IdsWriter, PartFile)>,
}

impl SplitWriter {
    pub(super) fn create(directory: &Path, split: Split) -> Result<Self, DataError> {
        Ok(Self {
            directory: directory.into(),
            split,
            pixels: PartFile::create(file(directory, split, "pixels"))?,
            labels: Vec::new(),
            ids: None,
        })
    }

    pub(super) fn push(
        &mut self,
        pixels: &[u8],
        images: &dyn Images,
        index: usize,
    ) -> Result<(), DataError> {
        self.pixels.write(pixels)?;
        self.labels.extend(images.label(index));
        if let Some(id) = images.id(index) {
            if self.ids.is_none() {
                let part = PartFile::create(file(&self.directory, self.split, "ids"))?;
                self.ids = Some((IdsWriter::new(), part));
            }
            if let Some((ids, part)) = &mut self.ids {
                ids.push(&id, &mut part.writer)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), DataError> {
        self.pixels.finish()?;
        if !self.labels.is_empty() {
            let mut part = PartFile::create(file(&self.directory, self.split, "labels"))?;
            part.write(&self.labels)?;
            part.finish()?;
        }
        if let Some((ids, mut part)) = self.ids {
            ids.finish(&mut part.writer)?;
            part.finish()?;
        }
        Ok(())
    }
}

/// A file while it is written.
pub(super) struct PartFile {
    path: PathBuf,
    file: fs_err::File,
    pub(super) writer: Hashing<BufWriter<fs_err::File>>,
}

impl PartFile {
    pub(super) fn create(path: PathBuf) -> Result<Self, DataError> {
        let file = fs_err::File::create(&path)?;
        let writer = Hashing::new(BufWriter::new(file.try_clone()?));
        Ok(Self { path, file, writer })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        Ok(self.writer.write_all(bytes)?)
    }

    /// Makes sure that the file is on disk, and stamps it.
    pub(super) fn finish(mut self) -> Result<(), DataError> {
        self.writer.flush()?;
        self.file.sync_all()?;
        stamp::stamp(&self.path, &self.writer.finish());
        Ok(())
    }
}
