//! How Hourglass opens files and writes them.
//!
//! What is read is a regular file: a pipe could be waited for without end. What is written is whole or not there: it is
//! written under a temporary name that nobody can know before, and renamed.

mod pending;
mod regular;
mod temporary;
mod together;

pub use pending::{PendingFile, write_atomically, write_quickly};
pub use regular::{check_target, open_file, read, read_to_string};
pub use temporary::{is_left, is_temporary_of, remove_stale};
pub use together::PendingFiles;
