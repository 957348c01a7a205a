//! What every kind of source must do: recognise what is of its kind, and open it.

use std::path::Path;

use super::unpack::Length;
use hourglass_samples::Kind;

use crate::cache::Progress;
use crate::dataset::Splits;
use crate::error::DataError;
use crate::locations::Locations;
use crate::options::DataOptions;

/// A kind of file or directory that holds samples. To add a kind, write a file with a type that implements this trait, and
/// add one line to the list of [all kinds](super).
pub(crate) trait Source: Sync {
    /// What a file of this kind is called in errors, such as `a .npy file`.
    fn describe_file(&self) -> &'static str;

    /// What a path of this kind is called in errors, where a directory is more usual than a file.
    fn describe_path(&self) -> &'static str {
        self.describe_file()
    }

    /// What the samples are.
    fn kind(&self) -> Kind {
        Kind::Image
    }

    /// Whether a packed file is read as it is, and need not be unpacked.
    fn reads_packed(&self) -> bool {
        false
    }

    /// Whether what lies at `path` is of this kind. The first kind in the list that says so opens it.
    ///
    /// `start` holds the first bytes of a file, [`START_BYTES`](super::unpack::START_BYTES) or all where there are fewer, and
    /// is None for a directory. Of a packed file these are bytes of what it unpacks to, and `path` has no `.gz` at its end.
    fn knows(&self, path: &Path, start: Option<&[u8]>) -> bool;

    /// How long a file that begins with `start` is, so that no more of it is unpacked. `path` is the packed file, for errors.
    /// Kinds that don't say it set no limit.
    fn unpacked_length(&self, _start: &[u8], _path: &Path) -> Result<Length, DataError> {
        Ok(Length::AtMost(u64::MAX))
    }

    /// Opens what lies at `path`: the path that was requested, or where a packed file was unpacked to. Images are brought to
    /// the requested shape where they have another; meanwhile `progress` is called.
    fn open(
        &self,
        path: &Path,
        request: &Request<'_>,
        progress: Progress<'_>,
    ) -> Result<Splits, DataError>;
}

/// What was asked for.
pub(crate) struct Request<'a> {
    /// The catalog name or the path.
    pub(crate) name: &'a str,
    pub(crate) locations: &'a Locations,
    pub(crate) options: &'a DataOptions,
    /// The names of the labels of the training samples, where these are opened already: they keep their numbers.
    pub(crate) label_names: &'a [String],
}

/// Says what bytes of no known kind look like.
pub(crate) fn describe(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(16)];
    let readable = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    match start {
        [] => "an empty file".into(),
        text if text.iter().all(readable) => "text".into(),
        _ => format!("data that starts {start:02x?}"),
    }
}
