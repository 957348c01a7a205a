//! Writing codes in blocks.

use std::path::{Path, PathBuf};

use super::parquet::ParquetCodesWriter;
use super::{
    CodeRows, CodesError, CodesFormat, CodesLayout, PendingFile, check_finite, npy, table,
};

/// A file of codes that is being written. It gets its name in [`CodesWriter::finish`].
pub struct CodesWriter {
    path: PathBuf,
    layout: CodesLayout,
    written: usize,
    format: Format,
}

enum Format {
    Npy(PendingFile),
    Csv(Box<csv::Writer<PendingFile>>),
    Parquet(Box<ParquetCodesWriter>),
}

impl CodesWriter {
    /// Begins a file, in the format that its name says.
    ///
    /// # Errors
    /// When the name says no format, or no file can be created there.
    pub fn create(path: &Path, layout: CodesLayout) -> Result<Self, CodesError> {
        let format = CodesFormat::of(path)?;
        let mut file = PendingFile::create(path)?;
        let format = match format {
            CodesFormat::Npy => {
                npy::write_header::<f32>(&mut file, &[layout.images as u64, layout.code as u64])?;
                Format::Npy(file)
            }
            CodesFormat::Csv => {
                let mut writer = csv::Writer::from_writer(file);
                let written = writer.write_record(table::header(&layout));
                written.map_err(std::io::Error::from)?;
                Format::Csv(Box::new(writer))
            }
            CodesFormat::Parquet => {
                Format::Parquet(Box::new(ParquetCodesWriter::create(file, path, &layout)?))
            }
        };
        Ok(Self {
            path: path.into(),
            layout,
            written: 0,
            format,
        })
    }

    /// Adds the next images, with an id each, and a label each where the layout has labels.
    ///
    /// # Errors
    /// When they can't be written, or a number is not finite.
    pub fn write(&mut self, rows: &CodeRows) -> Result<(), CodesError> {
        let code = self.layout.code;
        check_finite(&self.path, &rows.codes, code, self.written)?;
        self.written += rows.codes.len() / code;
        match &mut self.format {
            Format::Npy(file) => Ok(npy::write_floats(file, &rows.codes)?),
            Format::Csv(writer) => table::write_rows(writer, &self.layout, rows),
            Format::Parquet(writer) => writer.write(rows),
        }
    }

    /// Ends the file, and gives it its name.
    ///
    /// # Errors
    /// When it can't be written, or does not have as many images as its layout says.
    pub fn finish(self) -> Result<(), CodesError> {
        if self.written != self.layout.images {
            let expected = format!("{} images", self.layout.images);
            return Err(CodesError::content(
                &self.path,
                expected,
                self.written.to_string(),
            ));
        }
        match self.format {
            Format::Npy(file) => Ok(file.finish()?),
            Format::Csv(writer) => table::finish(*writer),
            Format::Parquet(writer) => writer.finish(),
        }
    }
}
