//! The datasets that can be opened by name: what is known of each, where it is downloaded from, and how it is opened.

mod entries;
mod entry;
pub(crate) mod fetch;
mod open;

pub use entries::{ENTRIES, closest, find};
pub use entry::{Content, Entry, File};
pub(crate) use open::open;

pub use crate::source::idx::four_files::FILE_NAMES;
