//! The IDX format of MNIST: its header, the four files of a dataset, and how they are opened.

pub(crate) mod four_files;
mod header;
mod source;

pub(crate) use four_files::{FILE_NAMES, assemble, find_file};
pub use header::{Header, IdxFault, Kind, parse_header};
pub(crate) use source::Idx;
