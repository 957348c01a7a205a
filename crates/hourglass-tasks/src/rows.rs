//! Rows of tables and vectors in the user's units, as CSV, Parquet or NumPy files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::{ConvertedType, Repetition, Type as PhysicalType};
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use ::parquet::errors::ParquetError;
use ::parquet::file::writer::{
    SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter,
};
use ::parquet::schema::types::{Type, TypePtr};
use hourglass_data::Input;
use hourglass_samples::{Column, ColumnKind, Shape};

use crate::codes::{CodesFormat, PendingFile, write_floats, write_header};

/// Cells of a Parquet file that wait until a row group is full.
const GROUP_CELLS: usize = 1 << 22;

/// What can go wrong with a file of rows.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The file can't be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The name says no format.
    #[error("{}: expected a name that ends in .csv, .parquet or .npy", .0.display())]
    Format(PathBuf),
    /// A NumPy array has no texts.
    #[error(
        "{}: expected a name that ends in .csv or .parquet, since the column `{column}` has texts, which an array can't hold",
        path.display()
    )]
    Texts {
        /// The file.
        path: PathBuf,
        /// The first column of texts.
        column: String,
    },
    /// The file can't be written as Parquet.
    #[error("{}: {error}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The library's message.
        error: ParquetError,
    },
}

/// A file of rows that is being written. It gets its name in [`RowsWriter::finish`].
pub struct RowsWriter {
    path: PathBuf,
    input: Input,
    format: Format,
    has_ids: bool,
}

enum Format {
    Npy(PendingFile),
    Csv(Box<csv::Writer<PendingFile>>),
    Parquet {
        writer: Box<SerializedFileWriter<PendingFile>>,
        ids: Vec<String>,
        cells: Vec<Vec<f64>>,
    },
}

impl RowsWriter {
    /// Begins a file of `rows` rows of a model's input, in the format that its name says; `has_ids` says whether each row has
    /// an id, which becomes the first column `id`. Arrays have none.
    ///
    /// # Errors
    /// When the name says no format, the format can't hold the columns, or no file can be created there.
    pub fn create(path: &Path, input: &Input, rows: u64, has_ids: bool) -> Result<Self, RowsError> {
        let unknown = |_| RowsError::Format(path.into());
        let format = match CodesFormat::of(path).map_err(unknown)? {
            CodesFormat::Npy => {
                let texts = input.columns().iter().find(|column| has_texts(column));
                if let Some(column) = texts {
                    return Err(RowsError::Texts {
                        path: path.into(),
                        column: column.name.clone(),
                    });
                }
                let mut file = PendingFile::create(path)?;
                write_header::<f32>(&mut file, &[rows, input.raw_width() as u64])?;
                Format::Npy(file)
            }
            CodesFormat::Csv => {
                let mut writer = csv::Writer::from_writer(PendingFile::create(path)?);
                let id = has_ids.then(|| "id".to_owned());
                let header = id.into_iter().chain(names(input));
                writer.write_record(header).map_err(io::Error::from)?;
                Format::Csv(Box::new(writer))
            }
            CodesFormat::Parquet => {
                let file = PendingFile::create(path)?;
                let writer = schema(input, has_ids)
                    .and_then(|schema| SerializedFileWriter::new(file, schema, Default::default()));
                Format::Parquet {
                    writer: Box::new(writer.map_err(|error| RowsError::Parquet {
                        path: path.into(),
                        error,
                    })?),
                    ids: Vec::new(),
                    cells: vec![Vec::new(); input.raw_width()],
                }
            }
        };
        Ok(Self {
            path: path.into(),
            input: input.clone(),
            format,
            has_ids,
        })
    }

    /// The shape of a row's features.
    pub fn shape(&self) -> Shape {
        self.input.shape()
    }

    /// Writes the next rows, given by their features.
    ///
    /// # Errors
    /// When they can't be written.
    ///
    /// # Shapes
    /// - features: `[any, features]`
    pub fn write(&mut self, ids: &[String], features: &[f32]) -> Result<(), RowsError> {
        let rows = features.chunks_exact(self.input.shape().features());
        for (place, features) in rows.enumerate() {
            let cells = self.input.decode(features);
            let id = || ids.get(place).map_or("", String::as_str);
            match &mut self.format {
                Format::Npy(file) => {
                    let numbers: Vec<f32> = cells.iter().map(|&cell| cell as f32).collect();
                    write_floats(file, &numbers)?;
                }
                Format::Csv(writer) => {
                    let id = self.has_ids.then(|| id().to_owned());
                    let texts = id.into_iter().chain(texts(&self.input, &cells));
                    writer.write_record(texts).map_err(io::Error::from)?;
                }
                Format::Parquet {
                    ids, cells: all, ..
                } => {
                    if self.has_ids {
                        ids.push(id().to_owned());
                    }
                    all.iter_mut()
                        .zip(cells)
                        .for_each(|(column, cell)| column.push(cell));
                }
            }
        }
        match &self.format {
            Format::Parquet { cells, .. } if cells.len() * cells[0].len() >= GROUP_CELLS => {
                self.write_group()
            }
            _ => Ok(()),
        }
    }

    /// Writes the waiting rows of a Parquet file.
    fn write_group(&mut self) -> Result<(), RowsError> {
        let Format::Parquet { writer, ids, cells } = &mut self.format else {
            return Ok(());
        };
        let columns = self.input.columns();
        let ids = self.has_ids.then(|| std::mem::take(ids));
        let written = (|| {
            let mut group = writer.next_row_group()?;
            if let Some(ids) = &ids {
                let texts: Vec<ByteArray> =
                    ids.iter().map(|id| ByteArray::from(id.as_str())).collect();
                let mut writer = next_column(&mut group)?;
                writer
                    .typed::<ByteArrayType>()
                    .write_batch(&texts, None, None)?;
                writer.close()?;
            }
            for (place, cells) in cells.iter_mut().enumerate() {
                let cells = std::mem::take(cells);
                let mut writer = next_column(&mut group)?;
                match columns.get(place).filter(|column| has_texts(column)) {
                    Some(column) => {
                        let texts = cells
                            .iter()
                            .map(|&cell| ByteArray::from(column.text(cell).as_str()));
                        let texts: Vec<ByteArray> = texts.collect();
                        writer
                            .typed::<ByteArrayType>()
                            .write_batch(&texts, None, None)?;
                    }
                    None => {
                        _ = writer
                            .typed::<DoubleType>()
                            .write_batch(&cells, None, None)?
                    }
                }
                writer.close()?;
            }
            group.close().map(drop)
        })();
        written.map_err(|error| RowsError::Parquet {
            path: self.path.clone(),
            error,
        })
    }

    /// Ends the file, and gives it its name.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(mut self) -> Result<(), RowsError> {
        if matches!(&self.format, Format::Parquet { cells, .. } if cells.iter().any(|column| !column.is_empty()))
        {
            self.write_group()?;
        }
        let file = match self.format {
            Format::Npy(file) => file,
            Format::Csv(writer) => {
                let file = writer.into_inner();
                file.map_err(|error| io::Error::other(error.to_string()))?
            }
            Format::Parquet { writer, .. } => {
                writer.into_inner().map_err(|error| RowsError::Parquet {
                    path: self.path.clone(),
                    error,
                })?
            }
        };
        Ok(file.finish()?)
    }
}

fn next_column<'a>(
    group: &'a mut SerializedRowGroupWriter<'_, PendingFile>,
) -> Result<SerializedColumnWriter<'a>, ParquetError> {
    let next = group.next_column()?;
    next.ok_or_else(|| ParquetError::General("fewer columns than cells".into()))
}

/// Whether cells are written as texts: categories, and opposites that are not 0 and 1.
fn has_texts(column: &Column) -> bool {
    match &column.kind {
        ColumnKind::Numeric(_) => false,
        ColumnKind::YesNo { values } => values != &["0", "1"],
        ColumnKind::Categorical { .. } => true,
    }
}

/// The names of the columns: of vectors `x0`, `x1` and so on.
fn names(input: &Input) -> impl Iterator<Item = String> {
    (0..input.raw_width()).map(|place| match input.columns().get(place) {
        Some(column) => column.name.clone(),
        None => format!("x{place}"),
    })
}

/// The cells of a row as they are written in a text file.
fn texts(input: &Input, cells: &[f64]) -> impl Iterator<Item = String> {
    cells
        .iter()
        .enumerate()
        .map(|(place, &cell)| match input.columns().get(place) {
            Some(column) => column.text(cell),
            None => (cell as f32).to_string(),
        })
}

fn schema(input: &Input, has_ids: bool) -> Result<TypePtr, ParquetError> {
    let text = |name: &str| {
        let text = Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY);
        text.with_converted_type(ConvertedType::UTF8)
            .with_repetition(Repetition::REQUIRED)
            .build()
    };
    let number = |name: &str| {
        let number = Type::primitive_type_builder(name, PhysicalType::DOUBLE);
        number.with_repetition(Repetition::REQUIRED).build()
    };
    let id = has_ids.then(|| text("id"));
    let columns = names(input).enumerate().map(|(place, name)| {
        match input.columns().get(place).is_some_and(has_texts) {
            true => text(&name),
            false => number(&name),
        }
    });
    let fields = id
        .into_iter()
        .chain(columns)
        .map(|field| field.map(Arc::new));
    let schema = Type::group_type_builder("rows").with_fields(fields.collect::<Result<_, _>>()?);
    Ok(Arc::new(schema.build()?))
}
