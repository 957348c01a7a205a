//! Codes as columns of an Apache Parquet file: `id`, `label` (where there are labels), and a FLOAT column for each dimension.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::{ConvertedType, Encoding, Repetition, Type as PhysicalType};
use ::parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::types::{Type, TypePtr};
use hourglass_files::open_file;

use super::{BLOCK_ROWS, CodeRows, CodesError, CodesLayout, LabelKind, PendingFile};

/// The most numbers in a row group. Its columns are written one after the other, so its rows wait in memory until then.
const GROUP_NUMBERS: usize = 1 << 22;

/// The most rows in a row group.
const MOST_GROUP_ROWS: usize = 1 << 16;

/// A file that is being written.
pub(super) struct ParquetCodesWriter {
    path: PathBuf,
    layout: CodesLayout,
    writer: SerializedFileWriter<PendingFile>,
    waiting: CodeRows,
}

impl ParquetCodesWriter {
    pub(super) fn create(
        file: PendingFile,
        path: &Path,
        layout: &CodesLayout,
    ) -> Result<Self, CodesError> {
        // Statistics and dictionaries of numbers that hardly repeat would only take space.
        let properties = WriterProperties::builder()
            .set_created_by(concat!("hourglass version ", env!("CARGO_PKG_VERSION")).into())
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::PLAIN)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let writer = schema(layout)
            .and_then(|schema| SerializedFileWriter::new(file, schema, properties.into()));
        Ok(Self {
            writer: writer.map_err(|error| cannot_write(path, error))?,
            path: path.into(),
            layout: layout.clone(),
            waiting: CodeRows::default(),
        })
    }

    pub(super) fn write(&mut self, rows: &CodeRows) -> Result<(), CodesError> {
        let CodeRows { ids, labels, codes } = &mut self.waiting;
        ids.extend_from_slice(&rows.ids);
        labels.extend_from_slice(&rows.labels);
        codes.extend_from_slice(&rows.codes);
        let most = (GROUP_NUMBERS / self.layout.code).clamp(1, MOST_GROUP_ROWS);
        if ids.len() >= most {
            self.write_waiting()?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), CodesError> {
        self.write_waiting()?;
        let file = self.writer.into_inner();
        Ok(file
            .map_err(|error| cannot_write(&self.path, error))?
            .finish()?)
    }

    fn write_waiting(&mut self) -> Result<(), CodesError> {
        let rows = std::mem::take(&mut self.waiting);
        if rows.ids.is_empty() {
            return Ok(());
        }
        let written = write_group(&mut self.writer, &self.layout, &rows);
        written.map_err(|error| cannot_write(&self.path, error))
    }
}

/// The columns of a layout.
fn schema(layout: &CodesLayout) -> Result<TypePtr, ParquetError> {
    let column = |name: &str, kind: PhysicalType, converted: ConvertedType| {
        let column = Type::primitive_type_builder(name, kind)
            .with_repetition(Repetition::REQUIRED)
            .with_converted_type(converted);
        column.build().map(Arc::new)
    };
    let text = |name| column(name, PhysicalType::BYTE_ARRAY, ConvertedType::UTF8);
    let mut columns = vec![text("id")?];
    match layout.labels {
        LabelKind::None => {}
        LabelKind::Numbers => {
            columns.push(column("label", PhysicalType::INT32, ConvertedType::NONE)?);
        }
        LabelKind::Names(_) => columns.push(text("label")?),
    }
    for dimension in 0..layout.code {
        let name = format!("z{dimension}");
        columns.push(column(&name, PhysicalType::FLOAT, ConvertedType::NONE)?);
    }
    let schema = Type::group_type_builder("codes").with_fields(columns);
    schema.build().map(Arc::new)
}

fn write_group(
    writer: &mut SerializedFileWriter<PendingFile>,
    layout: &CodesLayout,
    rows: &CodeRows,
) -> Result<(), ParquetError> {
    let texts = |texts: &mut dyn Iterator<Item = String>| -> Vec<ByteArray> {
        texts
            .map(|text| ByteArray::from(text.into_bytes()))
            .collect()
    };
    let mut group = writer.next_row_group()?;
    let ids = texts(&mut rows.ids.iter().cloned());
    write_column::<ByteArrayType>(&mut group, &ids)?;
    let labels = rows.labels.iter();
    match &layout.labels {
        LabelKind::None => {}
        LabelKind::Numbers => {
            let labels: Vec<i32> = labels.map(|&label| label.into()).collect();
            write_column::<Int32Type>(&mut group, &labels)?;
        }
        LabelKind::Names(_) => {
            let labels = texts(&mut labels.map(|&label| layout.labels.text(label)));
            write_column::<ByteArrayType>(&mut group, &labels)?;
        }
    }
    for dimension in 0..layout.code {
        let numbers = rows.codes.iter().skip(dimension).step_by(layout.code);
        let numbers: Vec<f32> = numbers.copied().collect();
        write_column::<FloatType>(&mut group, &numbers)?;
    }
    group.close().map(|_| ())
}

fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, PendingFile>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has no such column".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

fn cannot_write(path: &Path, error: ParquetError) -> CodesError {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => CodesError::Io(*error),
            Err(error) => CodesError::content(path, "to write a parquet file", error.to_string()),
        },
        error => CodesError::content(path, "to write a parquet file", error.to_string()),
    }
}

/// A file that is read in blocks.
pub(super) struct ParquetCodesReader {
    path: PathBuf,
    file: SerializedFileReader<std::fs::File>,
    id: Option<usize>,
    /// The column of each dimension.
    columns: Vec<usize>,
    next_group: usize,
    group: Option<Group>,
}

/// The columns of a row group, each at its own position.
struct Group {
    left: usize,
    ids: Option<ColumnReaderImpl<ByteArrayType>>,
    codes: Vec<ColumnReaderImpl<FloatType>>,
}

impl ParquetCodesReader {
    pub(super) fn open(path: &Path, code: usize) -> Result<Self, CodesError> {
        let file = open_file(path)?.into_file();
        let file = guarded(|| {
            let file = SerializedFileReader::new(file)?;
            check_places(&file).map(|()| file)
        });
        let file = file.map_err(|error| unreadable(path, &error))?;
        let schema = file.metadata().file_metadata().schema_descr();
        // Only top-level columns: `z0`, but not `a.z0`.
        let place = |name: &str| {
            let mut columns = schema.columns().iter();
            columns
                .position(|column| column.path().parts() == [name] && column.max_rep_level() == 0)
        };
        let content = |expected: String, found: String| CodesError::content(path, expected, found);
        let mut columns = Vec::with_capacity(code);
        for dimension in 0..code {
            let name = format!("z{dimension}");
            let Some(column) = place(&name) else {
                let expected = format!(
                    "the columns z0 to z{}, the size of the model's code",
                    code - 1
                );
                return Err(content(expected, format!("no {name}")));
            };
            let kind = schema.column(column).physical_type();
            if kind != PhysicalType::FLOAT {
                let found = format!("{kind}; save the codes as float32");
                return Err(content(format!("{name} of type FLOAT"), found));
            }
            columns.push(column);
        }
        if place(&format!("z{code}")).is_some() {
            let expected = format!("a code of {code} dimensions, the model's");
            return Err(content(expected, format!("a z{code}")));
        }
        let id = place("id")
            .filter(|&column| schema.column(column).physical_type() == PhysicalType::BYTE_ARRAY);
        Ok(Self {
            path: path.into(),
            id,
            columns,
            next_group: 0,
            group: None,
            file,
        })
    }

    pub(super) fn images(&self) -> u64 {
        let rows = self.file.metadata().file_metadata().num_rows();
        u64::try_from(rows).unwrap_or(0)
    }

    pub(super) fn next_rows(&mut self) -> Result<Option<CodeRows>, CodesError> {
        loop {
            if let Some(group) = self.group.as_mut().filter(|group| group.left > 0) {
                let rows = guarded(|| group.next_rows());
                return rows
                    .map(Some)
                    .map_err(|error| unreadable(&self.path, &error));
            }
            if self.next_group == self.file.num_row_groups() {
                return Ok(None);
            }
            let opened = guarded(|| self.open_group(self.next_group));
            self.group = Some(opened.map_err(|error| unreadable(&self.path, &error))?);
            self.next_group += 1;
        }
    }

    fn open_group(&self, index: usize) -> Result<Group, ParquetError> {
        let group = self.file.get_row_group(index)?;
        let rows = group.metadata().num_rows();
        let codes = self.columns.iter().map(|&column| {
            let column = group.get_column_reader(column)?;
            Ok(get_typed_column_reader::<FloatType>(column))
        });
        let ids = self.id.map(|column| {
            let column = group.get_column_reader(column)?;
            Ok::<_, ParquetError>(get_typed_column_reader::<ByteArrayType>(column))
        });
        Ok(Group {
            left: usize::try_from(rows)
                .map_err(|_| ParquetError::General(format!("a group of {rows} rows")))?,
            codes: codes.collect::<Result<_, ParquetError>>()?,
            ids: ids.transpose()?,
        })
    }
}

impl Group {
    fn next_rows(&mut self) -> Result<CodeRows, ParquetError> {
        let rows = self.left.min(BLOCK_ROWS);
        let mut codes = vec![0.0; rows * self.codes.len()];
        let width = self.codes.len();
        for (dimension, column) in self.codes.iter_mut().enumerate() {
            let numbers = read_column(column, rows)?;
            for (row, number) in numbers.into_iter().enumerate() {
                codes[row * width + dimension] = number;
            }
        }
        let ids = match &mut self.ids {
            Some(column) => read_column(column, rows)?,
            None => Vec::new(),
        };
        self.left -= rows;
        Ok(CodeRows {
            ids: ids
                .iter()
                .map(|id| String::from_utf8_lossy(id.data()).into_owned())
                .collect(),
            codes,
            labels: Vec::new(),
        })
    }
}

/// Turns a panic into an error: the library panics at some damaged files.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    // The buffers that are read into are dropped after a panic.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let message = "a file that the reader can't make sense of".into();
        Err(ParquetError::General(message))
    })
}

/// Refuses columns with negative places or sizes, at which the library panics.
fn check_places(file: &SerializedFileReader<std::fs::File>) -> Result<(), ParquetError> {
    let groups = file.metadata().row_groups().iter();
    let mut columns = groups.flat_map(|group| group.columns());
    let bad = columns.any(|column| {
        column.data_page_offset() < 0
            || column
                .dictionary_page_offset()
                .is_some_and(|place| place < 0)
            || column.compressed_size() < 0
    });
    match bad {
        true => Err(ParquetError::General("a column at a negative place".into())),
        false => Ok(()),
    }
}

/// The next values of a column; none may be missing.
fn read_column<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    rows: usize,
) -> Result<Vec<T::T>, ParquetError> {
    let (mut values, mut levels) = (Vec::with_capacity(rows), Vec::new());
    let mut done = 0;
    while done < rows {
        let (records, _, _) =
            column.read_records(rows - done, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            let message = format!("a column that ends after {done} of {rows} rows");
            return Err(ParquetError::General(message));
        }
        done += records;
    }
    if values.len() != rows {
        let message = format!("{} values missing", rows.abs_diff(values.len()));
        return Err(ParquetError::General(message));
    }
    Ok(values)
}

fn unreadable(path: &Path, error: &ParquetError) -> CodesError {
    CodesError::content(path, "a whole parquet file of codes", error.to_string())
}
