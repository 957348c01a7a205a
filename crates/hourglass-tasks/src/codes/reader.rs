//! Reading codes in blocks.

use std::path::{Path, PathBuf};

use super::npy::NpyCodes;
use super::parquet::ParquetCodesReader;
use super::table::CsvCodes;
use super::{CodeRows, CodesError, CodesFormat, check_finite};

/// An iterator over the blocks of a file of codes. After an error it ends.
pub struct CodesReader {
    path: PathBuf,
    code: usize,
    rows: usize,
    format: Option<Format>,
}

enum Format {
    Npy(NpyCodes),
    Csv(Box<CsvCodes>),
    Parquet(Box<ParquetCodesReader>),
}

impl CodesReader {
    /// Opens a file of codes of `code` numbers each, in the format that its name says.
    ///
    /// # Errors
    /// When it can't be read, or holds something else.
    pub fn open(path: &Path, code: usize) -> Result<Self, CodesError> {
        let format = match CodesFormat::of(path)? {
            CodesFormat::Npy => Format::Npy(NpyCodes::open(path, code)?),
            CodesFormat::Csv => Format::Csv(Box::new(CsvCodes::open(path, code)?)),
            CodesFormat::Parquet => {
                Format::Parquet(Box::new(ParquetCodesReader::open(path, code)?))
            }
        };
        Ok(Self {
            path: path.into(),
            code,
            rows: 0,
            format: Some(format),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many images there are, where that is known before all are read.
    pub fn images(&self) -> Option<u64> {
        match self.format.as_ref()? {
            Format::Npy(npy) => Some(npy.images()),
            Format::Csv(_) => None,
            Format::Parquet(parquet) => Some(parquet.images()),
        }
    }

    /// How many images there are. The whole file is read once for that, so that a fault in it is found before its codes are
    /// used.
    ///
    /// # Errors
    /// When the file can't be read, or holds something else.
    pub fn count_images(path: &Path, code: usize) -> Result<u64, CodesError> {
        let mut images = 0;
        for rows in Self::open(path, code)? {
            images += (rows?.codes.len() / code) as u64;
        }
        Ok(images)
    }

    fn read(&mut self) -> Result<Option<CodeRows>, CodesError> {
        let rows = match &mut self.format {
            None => None,
            Some(Format::Npy(npy)) => match npy.images() {
                0 => None,
                _ => Some(npy.next_rows()?),
            },
            Some(Format::Csv(table)) => table.next_rows()?,
            Some(Format::Parquet(parquet)) => parquet.next_rows()?,
        };
        if let Some(rows) = &rows {
            check_finite(&self.path, &rows.codes, self.code, self.rows)?;
            self.rows += rows.codes.len() / self.code;
        }
        Ok(rows)
    }
}

impl Iterator for CodesReader {
    type Item = Result<CodeRows, CodesError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            self.format = None;
        }
        read.transpose()
    }
}
