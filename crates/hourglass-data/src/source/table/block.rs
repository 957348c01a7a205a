//! What readers of tables give.

use super::fault::TableFault;

/// A cell of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// There is none.
    Missing,
    /// A number of a typed column.
    Number(f64),
    /// A text of a typed column.
    Text(&'a str),
    /// What stands in a text file, which may be a number.
    Field {
        /// The bytes.
        text: &'a [u8],
        /// Whether a comma may be that of a decimal fraction.
        decimal_comma: bool,
    },
}

/// Some rows in the order of the file.
pub(super) trait Block: Send + Sync {
    /// How many.
    fn rows(&self) -> usize;

    /// A cell, by its row in the block and its column in the file.
    fn cell(&self, row: usize, column: usize) -> Cell<'_>;
}

/// A file of a table that is being read.
pub(super) trait Reader: Send {
    /// The names of the columns.
    fn names(&self) -> &[String];

    /// Says which columns are needed, by their places.
    fn choose(&mut self, _columns: &[usize]) -> Result<(), TableFault> {
        Ok(())
    }

    /// The next rows; nothing at the end.
    fn next_block(&mut self) -> Result<Option<Box<dyn Block>>, TableFault>;

    /// How much of the file has been read, and how much there is.
    fn progress(&self) -> (usize, usize);
}

/// What stands for a missing cell in text files: what pandas, R and SQL write.
const MISSING: [&[u8]; 12] = [
    b"", b"NA", b"N/A", b"n/a", b"NaN", b"nan", b"-nan", b"null", b"NULL", b"None", b"?", b"<NA>",
];

/// Whether a field of a text file says that there is no value.
pub(super) fn is_missing(field: &[u8]) -> bool {
    MISSING.contains(&field)
}
