//! Apache Parquet files.

use std::fs::File;
use std::path::Path;

use ::parquet::basic::{Compression, ConvertedType, LogicalType, Type as PhysicalType};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, DataType};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::schema::types::ColumnDescPtr;
use hourglass_files::open_file;
use hourglass_samples::Kind;

use super::block::{Block, Cell, Reader};
use super::fault::TableFault;
use super::open::open_table;
use crate::cache::Progress;
use crate::dataset::Splits;
use crate::error::DataError;
use crate::source::kind::{Request, Source};

/// Cells that are read before rows are converted.
const BLOCK_CELLS: usize = 1 << 19;

/// Rows that are read before they are converted, where there are few columns.
const BLOCK_ROWS: usize = 1 << 14;

/// The first bytes of every Parquet file.
const MAGIC: &[u8] = b"PAR1";

/// An Apache Parquet file.
pub(crate) struct Parquet;

impl Source for Parquet {
    fn describe_file(&self) -> &'static str {
        "a Parquet file"
    }

    fn kind(&self) -> Kind {
        Kind::Table
    }

    fn knows(&self, _: &Path, start: Option<&[u8]>) -> bool {
        start.is_some_and(|start| start.starts_with(MAGIC))
    }

    fn open(
        &self,
        path: &Path,
        request: &Request<'_>,
        progress: Progress<'_>,
    ) -> Result<Splits, DataError> {
        let read = || {
            let file = open_file(path)?.into_file();
            ParquetReader::open(file).map_err(|fault| DataError::format(path, fault))
        };
        open_table(path, request, read, progress)
    }
}

/// A file that is being read.
struct ParquetReader {
    file: SerializedFileReader<File>,
    names: Vec<String>,
    /// The columns that are read, by their places among all.
    chosen: Vec<usize>,
    group: Vec<ColumnReader>,
    next_group: usize,
    left_in_group: usize,
    done: usize,
    rows: usize,
}

impl ParquetReader {
    fn open(file: File) -> Result<Self, TableFault> {
        let file = guarded(|| {
            let file = SerializedFileReader::new(file)?;
            check_places(&file).map(|()| file)
        })?;
        let metadata = file.metadata().file_metadata();
        let rows = usize::try_from(metadata.num_rows()).unwrap_or_default();
        // A nested column has several leaves: its name stands once, before the leaves' own.
        let columns = metadata.schema_descr().columns().iter();
        let names = columns.map(|column| column.path().parts().join("."));
        let names: Vec<String> = names.collect();
        Ok(Self {
            chosen: (0..names.len()).collect(),
            names,
            file,
            group: Vec::new(),
            next_group: 0,
            left_in_group: 0,
            done: 0,
            rows,
        })
    }

    fn column(&self, place: usize) -> ColumnDescPtr {
        let metadata = self.file.metadata().file_metadata();
        metadata.schema_descr().column(place)
    }

    fn open_group(&mut self) -> Result<(), TableFault> {
        let number = self.next_group;
        let (columns, rows) = guarded(|| {
            let group = self.file.get_row_group(number)?;
            let columns = self
                .chosen
                .iter()
                .map(|&column| group.get_column_reader(column));
            let rows = group.metadata().num_rows();
            Ok((columns.collect::<Result<_, _>>()?, rows))
        })?;
        self.group = columns;
        self.left_in_group = usize::try_from(rows)
            .map_err(|_| TableFault::Unreadable(format!("a group of {rows} rows")))?;
        self.next_group += 1;
        Ok(())
    }
}

impl Reader for ParquetReader {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn choose(&mut self, columns: &[usize]) -> Result<(), TableFault> {
        for &place in columns {
            check_type(&self.column(place), &self.names[place])?;
        }
        self.chosen = columns.to_vec();
        Ok(())
    }

    fn next_block(&mut self) -> Result<Option<Box<dyn Block>>, TableFault> {
        while self.left_in_group == 0 {
            if self.next_group == self.file.num_row_groups() {
                return Ok(None);
            }
            self.open_group()?;
        }
        let most = BLOCK_ROWS.min(BLOCK_CELLS / self.chosen.len()).max(1);
        let rows = most.min(self.left_in_group);
        let mut columns: Vec<Option<Cells>> = self.names.iter().map(|_| None).collect();
        let schema = self.file.metadata().file_metadata().schema_descr();
        for (place, reader) in self.chosen.iter().zip(&mut self.group) {
            let is_unsigned = is_unsigned(&schema.column(*place));
            columns[*place] = Some(guarded(|| read_cells(reader, rows, is_unsigned))?);
        }
        self.left_in_group -= rows;
        self.done += rows;
        Ok(Some(Box::new(Columns { columns, rows })))
    }

    fn progress(&self) -> (usize, usize) {
        (self.done, self.rows)
    }
}

/// Refuses what is neither number nor text.
fn check_type(column: &ColumnDescPtr, name: &str) -> Result<(), TableFault> {
    let refuse = |found: String, advice: &'static str| {
        Err(TableFault::ColumnType {
            column: name.into(),
            found,
            advice,
        })
    };
    if column.max_rep_level() > 0 || column.path().parts().len() > 1 {
        let advice = "give each number a column of its own, save the numbers as a .npy array, or leave it out by --columns";
        return refuse("nested values".into(), advice);
    }
    let advice = "convert it to numbers or text, or leave it out by --columns";
    match column.logical_type_ref() {
        // Older files have only this.
        None if is_plain(column.converted_type()) => {}
        None => return refuse(column.converted_type().to_string(), advice),
        Some(
            LogicalType::Integer(_)
            | LogicalType::String
            | LogicalType::Enum
            | LogicalType::Unknown,
        ) => {}
        Some(other) => return refuse(format!("{other:?}"), advice),
    }
    match column.physical_type() {
        PhysicalType::BOOLEAN
        | PhysicalType::INT32
        | PhysicalType::INT64
        | PhysicalType::FLOAT
        | PhysicalType::DOUBLE
        | PhysicalType::BYTE_ARRAY => Ok(()),
        other => refuse(other.to_string(), advice),
    }
}

/// Whether an older file's annotation is that of a number or a text.
fn is_plain(converted: ConvertedType) -> bool {
    matches!(
        converted,
        ConvertedType::NONE
            | ConvertedType::UTF8
            | ConvertedType::ENUM
            | ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64
            | ConvertedType::INT_8
            | ConvertedType::INT_16
            | ConvertedType::INT_32
            | ConvertedType::INT_64
    )
}

/// Whether whole numbers are to be read without a sign.
fn is_unsigned(column: &ColumnDescPtr) -> bool {
    let by_logical_type = matches!(
        column.logical_type_ref(),
        Some(LogicalType::Integer(whole)) if !whole.is_signed
    );
    let converted = column.converted_type();
    by_logical_type || matches!(converted, ConvertedType::UINT_32 | ConvertedType::UINT_64)
}

/// Some rows, column after column; nothing of those that are not read.
struct Columns {
    columns: Vec<Option<Cells>>,
    rows: usize,
}

/// Cells of one column; missing numbers are not numbers.
enum Cells {
    Numbers(Vec<f64>),
    Texts(Vec<Option<ByteArray>>),
}

impl Block for Columns {
    fn rows(&self) -> usize {
        self.rows
    }

    fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        match &self.columns[column] {
            Some(Cells::Numbers(numbers)) if numbers[row].is_nan() => Cell::Missing,
            Some(Cells::Numbers(numbers)) => Cell::Number(numbers[row]),
            Some(Cells::Texts(texts)) => match &texts[row] {
                Some(text) => match std::str::from_utf8(text.data()) {
                    Ok(text) => Cell::Text(text),
                    Err(_) => Cell::Field {
                        text: text.data(),
                        decimal_comma: false,
                    },
                },
                None => Cell::Missing,
            },
            None => Cell::Missing,
        }
    }
}

/// The next cells of a column.
fn read_cells(
    reader: &mut ColumnReader,
    rows: usize,
    is_unsigned: bool,
) -> Result<Cells, ParquetError> {
    let numbers = |numbers: Vec<Option<f64>>| {
        Cells::Numbers(
            numbers
                .into_iter()
                .map(|number| number.unwrap_or(f64::NAN))
                .collect(),
        )
    };
    Ok(match reader {
        ColumnReader::BoolColumnReader(column) => {
            numbers(read(column, rows, |bit| f64::from(u8::from(bit)))?)
        }
        ColumnReader::Int32ColumnReader(column) => {
            numbers(read(column, rows, |number| match is_unsigned {
                true => f64::from(number.cast_unsigned()),
                false => f64::from(number),
            })?)
        }
        ColumnReader::Int64ColumnReader(column) => {
            numbers(read(column, rows, |number| match is_unsigned {
                true => number.cast_unsigned() as f64,
                false => number as f64,
            })?)
        }
        ColumnReader::FloatColumnReader(column) => numbers(read(column, rows, f64::from)?),
        ColumnReader::DoubleColumnReader(column) => numbers(read(column, rows, |number| number)?),
        ColumnReader::ByteArrayColumnReader(column) => {
            Cells::Texts(read(column, rows, |text| text)?)
        }
        _ => return Err(ParquetError::General("a column of another type".into())),
    })
}

/// The next values of a column that is not nested, nothing where they are null.
fn read<T: DataType, V>(
    column: &mut ColumnReaderImpl<T>,
    rows: usize,
    convert: impl Fn(T::T) -> V,
) -> Result<Vec<Option<V>>, ParquetError> {
    let (mut values, mut levels) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
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
    // Without levels, no value can be missing.
    let is_there = |row: usize| levels.get(row).is_none_or(|&level| level > 0);
    let mut values = values.into_iter().map(convert);
    Ok((0..rows)
        .map(|row| is_there(row).then(|| values.next()).flatten())
        .collect())
}

/// Turns a panic into an error: the library panics at some damaged files.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, TableFault> {
    // The buffers that are read into are dropped after a panic.
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
    let message = match read {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the reader can't make sense of it".into(),
    };
    Err(TableFault::Unreadable(format!(
        "expected a whole Parquet file: {message}"
    )))
}

/// Refuses columns with negative places or sizes, at which the library panics.
fn check_places(file: &SerializedFileReader<File>) -> Result<(), ParquetError> {
    let groups = file.metadata().row_groups().iter();
    let mut columns = groups.flat_map(|group| group.columns());
    let is_bad = columns.any(|column| {
        let dictionary = column.dictionary_page_offset();
        column.data_page_offset() < 0
            || dictionary.is_some_and(|place| place < 0)
            || column.compressed_size() < 0
    });
    if is_bad {
        return Err(ParquetError::General("a column at a negative place".into()));
    }
    let mut columns = file
        .metadata()
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    let is_readable =
        |compression| matches!(compression, Compression::SNAPPY | Compression::UNCOMPRESSED);
    match columns.find(|column| !is_readable(column.compression())) {
        Some(column) => Err(ParquetError::General(format!(
            "its columns are compressed by {}, of which this program reads only SNAPPY and none; save it with \
             compression=\"snappy\"",
            column.compression()
        ))),
        None => Ok(()),
    }
}
