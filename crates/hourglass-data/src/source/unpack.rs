//! Unpacks gzip files as streams. A file gets its final name only when it is complete and on disk, and no more is unpacked
//! than its first bytes say there is.

use std::ffi::OsStr;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use hourglass_files::{Hashing, PendingFile, hash_file, open_file, remove_stale};

use crate::cache::stamp;
use crate::error::DataError;
use crate::locations::Locations;

/// The first bytes of a file that a source is shown: as many as the longest header has, that of a `.npy` file.
pub(crate) const START_BYTES: usize = 12 + 4096;

/// How long an unpacked file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Exactly so many bytes, as its header says.
    Exactly(u64),
    /// At most so many bytes, since no usable file has more.
    AtMost(u64),
}

impl Length {
    fn most(self) -> u64 {
        match self {
            Self::Exactly(bytes) | Self::AtMost(bytes) => bytes,
        }
    }
}

/// An unpacked file that has no name yet; dropping it removes it.
pub(crate) struct Unpacked {
    file: PendingFile,
    target: PathBuf,
    /// SHA-256 of the unpacked bytes.
    pub(crate) sha256: String,
}

/// Unpacks `packed` into a file that is to be at `target`. `length` is given the first bytes.
pub(crate) fn unpack(
    packed: &Path,
    target: &Path,
    length: impl FnOnce(&[u8]) -> Result<Length, DataError>,
) -> Result<Unpacked, DataError> {
    let unreadable = |error: io::Error| DataError::Gzip {
        path: packed.into(),
        reason: error.to_string(),
    };
    let mut source = MultiGzDecoder::new(BufReader::new(open_file(packed)?));
    let mut start = Vec::new();
    let mut head = source.by_ref().take(START_BYTES as u64);
    head.read_to_end(&mut start).map_err(unreadable)?;
    let length = length(&start)?;
    remove_stale(directory(target), is_unpacking);
    let mut file = PendingFile::create(target)?;
    let mut hashing = Hashing::new(&mut file);
    // One byte more, so that a file that goes on is noticed.
    let mut source = start
        .as_slice()
        .chain(source)
        .take(length.most().saturating_add(1));
    let mut found = 0;
    let copied = copy(&mut source, &mut hashing, |count| found += count as u64);
    copied.map_err(|error| match error {
        CopyError::Read(error) => unreadable(error),
        CopyError::Write(error) => error.into(),
    })?;
    let sha256 = hashing.finish();
    check(packed, length, found)?;
    let target = target.into();
    Ok(Unpacked {
        file,
        target,
        sha256,
    })
}

fn check(packed: &Path, length: Length, found: u64) -> Result<(), DataError> {
    let is_right = match length {
        Length::Exactly(expected) => found == expected,
        Length::AtMost(most) => found <= most,
    };
    match is_right {
        true => Ok(()),
        false => Err(DataError::UnpackedLength {
            path: packed.into(),
            expected: length.most(),
            found: match found > length.most() {
                true => "more".into(),
                false => found.to_string(),
            },
        }),
    }
}

fn directory(target: &Path) -> &Path {
    target.parent().unwrap_or(Path::new("."))
}

/// Whether this is the name of a file that is being unpacked, or that a killed program left, even one of version 0.1.0.
fn is_unpacking(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let is_copy = name.starts_with('.') && name.contains(".idx.") && name.ends_with(".tmp");
    is_copy || name.starts_with(".unpacking-")
}

impl Unpacked {
    /// Gives the file its name, and stamps it.
    pub(crate) fn persist(self) -> Result<(), DataError> {
        self.file.finish()?;
        stamp::stamp(&self.target, &self.sha256);
        Ok(())
    }
}

/// Whether the file at `path` is packed, as its name says.
pub(crate) fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// The first bytes of the file at `path`, [`START_BYTES`] or all where there are fewer: of a packed file, of what it unpacks to.
pub(crate) fn start_of(path: &Path) -> Result<Vec<u8>, DataError> {
    let mut start = Vec::new();
    let file = BufReader::new(open_file(path)?);
    if !is_packed(path) {
        file.take(START_BYTES as u64).read_to_end(&mut start)?;
        return Ok(start);
    }
    let mut unpacked = MultiGzDecoder::new(file).take(START_BYTES as u64);
    let read = unpacked.read_to_end(&mut start);
    read.map_err(|error| DataError::Gzip {
        path: path.into(),
        reason: error.to_string(),
    })?;
    Ok(start)
}

/// The unpacked file of `path`: itself, or its copy in the data directory. `length` is given the first bytes of what is
/// unpacked.
pub(crate) fn unpacked(
    path: &Path,
    locations: &Locations,
    length: impl FnOnce(&[u8]) -> Result<Length, DataError>,
) -> Result<PathBuf, DataError> {
    match is_packed(path) {
        true => unpack_once(path, &locations.data_directory()?.join("unpacked"), length),
        false => Ok(path.into()),
    }
}

/// The unpacked copy of `packed` in `cache`, made where it is not there yet. `length` is given the first bytes.
///
/// It is named by the hash of the packed file, so that a changed file never meets an old copy, and used again only while
/// its stamp holds.
fn unpack_once(
    packed: &Path,
    cache: &Path,
    length: impl FnOnce(&[u8]) -> Result<Length, DataError>,
) -> Result<PathBuf, DataError> {
    let target = cache.join(format!("{}.idx", hash_file(packed)?));
    if stamp::stamped(&target).is_none() {
        fs_err::create_dir_all(cache)?;
        unpack(packed, &target, length)?.persist()?;
    }
    Ok(target)
}

/// Copies `source` to `target`, and tells a failure to read from a failure to write.
pub(crate) fn copy(
    source: &mut impl Read,
    target: &mut impl Write,
    mut copied: impl FnMut(usize),
) -> Result<(), CopyError> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return target.flush().map_err(CopyError::Write),
            Ok(count) => {
                target
                    .write_all(&buffer[..count])
                    .map_err(CopyError::Write)?;
                copied(count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyError::Read(error)),
        }
    }
}

/// Which side of a copy failed.
pub(crate) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}
