//! What is wrong with a file of vectors.

/// What is wrong with a file of vectors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VectorsFault {
    /// The file's description of itself can't be read.
    #[error("{0}")]
    Unreadable(String),
    /// The numbers are of a type that can't be read.
    #[error("expected real numbers, little-endian, found {0}; save array.astype(numpy.float32)")]
    Type(String),
    /// The array is stored column by column.
    #[error(
        "expected an array in C order, found Fortran order; save numpy.ascontiguousarray of it"
    )]
    FortranOrder,
    /// The array is no matrix, or an empty one.
    #[error(
        "expected an array of [vectors, numbers] with at least one of each, found {0:?}; reshape it before it is saved"
    )]
    Axes(Vec<u64>),
    /// The file is not as long as it says.
    #[error("the file says {expected} bytes of numbers, found {found}; write or copy it again")]
    Length {
        /// Bytes that the array takes.
        expected: u128,
        /// Bytes that there are.
        found: usize,
    },
    /// It is open which array is meant.
    #[error("expected one array of [vectors, numbers], found {0}; name one by --array")]
    Several(String),
    /// The array that is named is not there.
    #[error("--array {name}: expected an array of the file, which has {known}")]
    NoArray {
        /// The name.
        name: String,
        /// The arrays that there are.
        known: String,
    },
    /// A number is infinite, none, or too large for single precision.
    #[error(
        "row {row}, number {column}: expected a finite number in the range of single precision, found {found}; remove such rows, or replace the number"
    )]
    NotFinite {
        /// The row, from 1.
        row: usize,
        /// The number's place in the row, from 1.
        column: usize,
        /// What stands there.
        found: String,
    },
    /// A shard differs from the first.
    #[error(
        "expected {expected}, as in {first}, found {found}; all files of a folder must hold vectors of one kind"
    )]
    Disagree {
        /// The first file.
        first: String,
        /// Its type and width.
        expected: String,
        /// Those of this file.
        found: String,
    },
    /// A model takes vectors of another width.
    #[error("expected vectors of {expected} numbers, as the model was trained on, found {found}")]
    Width {
        /// Numbers in a vector that the model takes.
        expected: usize,
        /// Numbers found.
        found: usize,
    },
    /// Labels that are no labels.
    #[error("--label {name}: {reason}")]
    Labels {
        /// What was named.
        name: String,
        /// What was expected and found.
        reason: String,
    },
}
