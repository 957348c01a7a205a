//! Text files of separated values.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::csv::{ByteRecord, ErrorKind, ReaderBuilder};
use flate2::bufread::MultiGzDecoder;
use hourglass_files::{hex_sha256, open_file};
use hourglass_samples::Kind;

use super::block::{Block, Cell, Reader, is_missing};
use super::columns::parse;
use super::fault::TableFault;
use super::open::{open_cached, open_table};
use crate::cache::Progress;
use crate::dataset::Splits;
use crate::error::DataError;
use crate::source::kind::{Request, Source};
use crate::source::unpack::is_packed;

/// Rows that are read before they are converted.
const BLOCK_ROWS: usize = 8192;

/// Cells that are read before rows are converted, where rows are wide.
const BLOCK_CELLS: usize = 1 << 20;

/// The most columns of a text file.
const MOST_COLUMNS: usize = 1 << 17;

/// The most bytes of a row.
const MOST_ROW_BYTES: u64 = 1 << 26;

/// How cells may be separated, the usual way first.
const SEPARATORS: [u8; 4] = *b",;\t|";

/// The names of such files end like this.
const EXTENSIONS: [&str; 4] = ["csv", "tsv", "tab", "txt"];

/// The mark at the start of texts that Windows programs write.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A text file of separated values.
pub(crate) struct Csv;

impl Source for Csv {
    fn describe_file(&self) -> &'static str {
        "a .csv or .tsv file"
    }

    fn kind(&self) -> Kind {
        Kind::Table
    }

    fn knows(&self, path: &Path, start: Option<&[u8]>) -> bool {
        let has_extension = path.extension().is_some_and(|extension| {
            EXTENSIONS
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known))
        });
        start.is_some() && has_extension
    }

    fn reads_packed(&self) -> bool {
        true
    }

    fn open(
        &self,
        path: &Path,
        request: &Request<'_>,
        progress: Progress<'_>,
    ) -> Result<Splits, DataError> {
        let read = || CsvReader::open(path);
        open_table(path, request, read, progress)
    }
}

/// Opens a table of the catalog that is part of the program, whose column of labels is `label` unless another is named.
pub(crate) fn open_packed_table(
    file: &str,
    packed: &'static [u8],
    label: &str,
    request: &Request<'_>,
    progress: Progress<'_>,
) -> Result<Splits, DataError> {
    let path = Path::new(request.name).join(file);
    let mut options = request.options.rows.clone();
    options.label.get_or_insert_with(|| label.into());
    let state = hex_sha256(packed);
    let read = || CsvReader::new(Box::new(packed), packed.len() as u64, &path, true);
    open_cached(
        &path,
        (request.name, &state),
        request,
        &options,
        read,
        progress,
    )
}

/// A text file that is being read.
struct CsvReader {
    records: ::csv::Reader<Box<dyn Read + Send>>,
    names: Vec<String>,
    read: Arc<AtomicU64>,
    /// Bytes that were read, unpacked, since the last row.
    since_row: Arc<AtomicU64>,
    bytes: u64,
    rows: u64,
    decimal_comma: bool,
}

impl CsvReader {
    fn open(path: &Path) -> Result<Self, DataError> {
        let file = open_file(path)?;
        let bytes = file.metadata()?.len();
        Self::new(Box::new(file), bytes, path, is_packed(path))
    }

    /// Reads a file of so many bytes; `path` names it in errors.
    fn new(
        file: Box<dyn Read + Send>,
        bytes: u64,
        path: &Path,
        is_packed: bool,
    ) -> Result<Self, DataError> {
        let fault = |fault: TableFault| DataError::format(path, fault);
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            from: file,
            read: read.clone(),
        };
        let buffered = BufReader::with_capacity(1 << 20, counted);
        let mut text: Box<dyn Read + Send> = match is_packed {
            true => Box::new(BufReader::with_capacity(
                1 << 20,
                MultiGzDecoder::new(buffered),
            )),
            false => Box::new(buffered),
        };
        let head = first_line(&mut text).map_err(|error| unreadable(path, &error))?;
        let line = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&head);
        if line.iter().all(u8::is_ascii_whitespace) {
            return Err(fault(TableFault::Empty(match line.is_empty() {
                true => "an empty file",
                false => "an empty first line",
            })));
        }
        let separator = separator_of(line);
        let since_row = Arc::new(AtomicU64::new(0));
        let all: Box<dyn Read + Send> = Box::new(Limited {
            from: io::Cursor::new(line.to_vec()).chain(text),
            since_row: since_row.clone(),
        });
        let mut records = ReaderBuilder::new()
            .delimiter(separator)
            .trim(::csv::Trim::All)
            .buffer_capacity(1 << 18)
            .from_reader(all);
        let header = records
            .byte_headers()
            .map_err(|error| fault(of_csv(&error, 0)))?;
        let decimal_comma = separator != b',';
        let names = names_of(header, decimal_comma).map_err(fault)?;
        Ok(Self {
            records,
            names,
            read,
            since_row,
            bytes,
            rows: 0,
            decimal_comma,
        })
    }
}

/// The names of the columns in a header.
fn names_of(header: &ByteRecord, decimal_comma: bool) -> Result<Vec<String>, TableFault> {
    if header.len() > MOST_COLUMNS {
        return Err(TableFault::TooWide {
            most: MOST_COLUMNS,
            found: header.len(),
        });
    }
    // pandas names columns 0, 1, 2 ... where they have no names.
    let is_count = |(place, field): (usize, &[u8])| parse(field, false) == Some(place as f64);
    let are_numbers = header
        .iter()
        .all(|field| parse(field, decimal_comma).is_some() || is_missing(field));
    let are_counted = header
        .iter()
        .filter(|field| !field.is_empty())
        .enumerate()
        .all(is_count);
    if are_numbers && !are_counted {
        let shown: Vec<_> = header.iter().take(4).map(String::from_utf8_lossy).collect();
        return Err(TableFault::NoHeader(shown.join(", ")));
    }
    let names = header
        .iter()
        .map(|field| String::from_utf8_lossy(field).into_owned());
    Ok(names.collect())
}

/// The separator that stands most often in a header, outside of quotes.
fn separator_of(line: &[u8]) -> u8 {
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut is_quoted = false;
    for byte in line {
        is_quoted ^= *byte == b'"';
        if let (false, Some(place)) = (is_quoted, SEPARATORS.iter().position(|other| other == byte))
        {
            counts[place] += 1;
        }
    }
    let best = counts.iter().max().copied().unwrap_or_default();
    let place = counts.iter().position(|&count| count == best);
    SEPARATORS[place.unwrap_or_default()]
}

/// The first line, or as much of it as a header may have.
fn first_line(text: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    let mut is_quoted = false;
    while line.len() < 64 * MOST_COLUMNS && text.read(&mut byte)? == 1 {
        line.push(byte[0]);
        is_quoted ^= byte[0] == b'"';
        if byte[0] == b'\n' && !is_quoted {
            break;
        }
    }
    Ok(line)
}

fn unreadable(path: &Path, error: &io::Error) -> DataError {
    match is_packed(path) {
        true => DataError::Gzip {
            path: path.into(),
            reason: error.to_string(),
        },
        false => DataError::format(path, TableFault::Unreadable(error.to_string())),
    }
}

/// `rows` have been read before.
fn of_csv(error: &::csv::Error, rows: u64) -> TableFault {
    match error.kind() {
        ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => TableFault::Ragged {
            row: pos.as_ref().map_or(rows + 1, ::csv::Position::record),
            line: pos.as_ref().map_or(0, ::csv::Position::line),
            expected: *expected_len,
            found: *len,
        },
        _ => TableFault::Unreadable(format!("row {}: {error}", rows + 1)),
    }
}

impl Reader for CsvReader {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn next_block(&mut self) -> Result<Option<Box<dyn Block>>, TableFault> {
        let rows = BLOCK_ROWS.min(BLOCK_CELLS / self.names.len()).max(1);
        let mut block = Vec::with_capacity(rows);
        while block.len() < rows {
            let mut record = ByteRecord::new();
            let is_there = self.records.read_byte_record(&mut record);
            if !is_there.map_err(|error| of_csv(&error, self.rows))? {
                break;
            }
            self.rows += 1;
            self.since_row.store(0, Ordering::Relaxed);
            block.push(record);
        }
        let records = Records {
            records: block,
            decimal_comma: self.decimal_comma,
        };
        Ok((records.rows() > 0).then(|| Box::new(records) as Box<dyn Block>))
    }

    fn progress(&self) -> (usize, usize) {
        (
            self.read.load(Ordering::Relaxed) as usize,
            self.bytes as usize,
        )
    }
}

struct Records {
    records: Vec<ByteRecord>,
    decimal_comma: bool,
}

impl Block for Records {
    fn rows(&self) -> usize {
        self.records.len()
    }

    fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        Cell::Field {
            text: &self.records[row][column],
            decimal_comma: self.decimal_comma,
        }
    }
}

/// Counts the bytes that are read.
struct Counted<R> {
    from: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Refuses a row that goes on and on, as after a quotation mark that is never closed.
struct Limited<R> {
    from: R,
    since_row: Arc<AtomicU64>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        let before = self.since_row.fetch_add(count as u64, Ordering::Relaxed);
        match before > MOST_ROW_BYTES {
            true => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "expected a row of at most {MOST_ROW_BYTES} bytes, found a longer one; is a quotation mark missing?"
                ),
            )),
            false => Ok(count),
        }
    }
}
