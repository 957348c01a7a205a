//! The IDX format of MNIST: its header, the four files of a dataset, and how they are opened.

mod four_files;
mod header;
mod source;

pub use four_files::FILE_NAMES;
pub(crate) use four_files::{assemble, find_file};
pub use header::{Header, IdxFault, Kind, parse_header};
pub(crate) use source::Idx;
