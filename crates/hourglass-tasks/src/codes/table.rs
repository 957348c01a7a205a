//! Codes as text in CSV, with the columns `id`, `label`, `z0`, `z1` and so on.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err::File;
use hourglass_files::open_file;

use super::{BLOCK_ROWS, CodeRows, CodesError, CodesLayout, LabelKind, PendingFile};

/// The most bytes of a field: none that we write is longer, and this bounds the lines of a hostile file.
const MOST_FIELD_BYTES: usize = 1 << 16;

pub(super) fn header(layout: &CodesLayout) -> Vec<String> {
    let label = (layout.labels != LabelKind::None).then(|| "label".into());
    let codes = (0..layout.code).map(|place| format!("z{place}"));
    ["id".into()]
        .into_iter()
        .chain(label)
        .chain(codes)
        .collect()
}

/// Writes rows; see [`super::CodesWriter`].
pub(super) fn write_rows(
    writer: &mut csv::Writer<PendingFile>,
    layout: &CodesLayout,
    rows: &CodeRows,
) -> Result<(), CodesError> {
    let mut number = String::new();
    for (row, codes) in rows.codes.chunks_exact(layout.code).enumerate() {
        let mut field = |text: &str| writer.write_field(text).map_err(io::Error::from);
        field(&rows.ids[row])?;
        if layout.labels != LabelKind::None {
            field(&layout.labels.text(rows.labels[row]))?;
        }
        for value in codes {
            use std::fmt::Write;
            number.clear();
            // The shortest decimal that is read back as the same float32, with an exponent where it is long.
            let _ = write!(number, "{value:?}");
            field(&number)?;
        }
        writer
            .write_record(None::<&[u8]>)
            .map_err(io::Error::from)?;
    }
    Ok(())
}

/// Ends the file.
pub(super) fn finish(mut writer: csv::Writer<PendingFile>) -> Result<(), CodesError> {
    writer.flush()?;
    let mut file = writer
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))?;
    file.flush()?;
    Ok(file.finish()?)
}

/// A table that is read in blocks.
pub(super) struct CsvCodes {
    path: PathBuf,
    reader: csv::Reader<Bounded<File>>,
    id: Option<usize>,
    /// The column of each dimension.
    columns: Vec<usize>,
    record: csv::StringRecord,
    row: usize,
}

impl CsvCodes {
    pub(super) fn open(path: &Path, code: usize) -> Result<Self, CodesError> {
        let file = Bounded {
            file: open_file(path)?,
            since_record: 0,
            most: (code + 2).saturating_mul(MOST_FIELD_BYTES),
        };
        let mut reader = csv::Reader::from_reader(file);
        let headers = reader.headers().map_err(|error| unreadable(path, &error))?;
        let place = |name: &str| headers.iter().position(|header| header == name);
        let mut columns = Vec::with_capacity(code);
        for dimension in 0..code {
            let name = format!("z{dimension}");
            columns.push(place(&name).ok_or_else(|| {
                let expected = format!(
                    "the columns z0 to z{}, the size of the model's code",
                    code - 1
                );
                CodesError::content(path, expected, format!("no {name}"))
            })?);
        }
        if place(&format!("z{code}")).is_some() {
            let expected = format!("a code of {code} dimensions, the model's");
            return Err(CodesError::content(path, expected, format!("a z{code}")));
        }
        Ok(Self {
            path: path.into(),
            id: place("id"),
            columns,
            reader,
            record: csv::StringRecord::new(),
            row: 0,
        })
    }

    pub(super) fn next_rows(&mut self) -> Result<Option<CodeRows>, CodesError> {
        let mut rows = CodeRows::default();
        for _ in 0..BLOCK_ROWS {
            let read = self.reader.read_record(&mut self.record);
            if !read.map_err(|error| unreadable(&self.path, &error))? {
                break;
            }
            self.reader.get_mut().since_record = 0;
            if let Some(id) = self.id {
                rows.ids.push(self.record[id].to_owned());
            }
            for (dimension, &column) in self.columns.iter().enumerate() {
                let text = &self.record[column];
                rows.codes.push(text.trim().parse().map_err(|_| {
                    let place = format!("row {}, z{dimension}: a number", self.row);
                    let found: String = text.chars().take(40).collect();
                    CodesError::content(&self.path, place, format!("`{found}`"))
                })?);
            }
            self.row += 1;
        }
        Ok((!rows.codes.is_empty()).then_some(rows))
    }
}

fn unreadable(path: &Path, error: &csv::Error) -> CodesError {
    CodesError::content(path, "a table of comma-separated values", error.to_string())
}

/// A file whose rows are bounded in length, since the reader holds a whole row in memory.
struct Bounded<R> {
    file: R,
    since_record: usize,
    most: usize,
}

impl<R: io::Read> io::Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.since_record += read;
        if self.since_record > self.most {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a row of more than {} bytes", self.most),
            ));
        }
        Ok(read)
    }
}
