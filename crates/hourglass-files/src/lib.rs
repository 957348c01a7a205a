//! How Hourglass opens files, writes them and tells one content from another.
//!
//! Only regular files are read, since a program could wait for a pipe without end. A file that is written is either whole or not
//! there: it is written under a temporary name that nobody can know before, and then renamed.

mod hashing;
mod pending;
mod regular;
mod temporary;
mod together;

pub use hashing::{Hashing, hash_file, hex, hex_sha256};
pub use pending::{PendingFile, write_atomically, write_quickly};
pub use regular::{check_target, open_file, read, read_to_string};
pub use temporary::{is_left, is_temporary_of, remove_stale};
pub use together::PendingFiles;
