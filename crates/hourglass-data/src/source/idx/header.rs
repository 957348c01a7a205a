//! The IDX format of MNIST: a big-endian header (magic number, then one u32 per dimension) and the bytes of the items.
//!
//! A header is parsed and checked against the length of the file before anything else is done with it, so that a file's
//! claims about its size never cause an allocation.

use std::cmp::Ordering;
use std::fmt;
use std::path::Path;

use crate::dataset::Bytes;
use crate::error::DataError;
use hourglass_samples::Shape;

/// Magic number of a file of u8 with three dimensions: images.
const IMAGES_MAGIC: u32 = 0x0000_0803;
/// Magic number of a file of u8 with one dimension: labels.
const LABELS_MAGIC: u32 = 0x0000_0801;

/// What an IDX file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Grey images: count, height, width.
    Images,
    /// One byte per image.
    Labels,
}

impl Kind {
    fn magic(self) -> u32 {
        match self {
            Self::Images => IMAGES_MAGIC,
            Self::Labels => LABELS_MAGIC,
        }
    }

    fn header_bytes(self) -> usize {
        match self {
            Self::Images => 16,
            Self::Labels => 8,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "images",
            Self::Labels => "labels",
        })
    }
}

/// A header that fits its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many images or labels follow.
    pub count: usize,
    /// Shape of one image; one pixel for labels.
    pub shape: Shape,
}

/// What is wrong with an IDX file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdxFault {
    /// The file ends inside the header.
    #[error(
        "expected an IDX header of {expected} bytes, found a file of {found}; fetch or copy it again"
    )]
    ShortHeader {
        /// Bytes of the header.
        expected: usize,
        /// Bytes of the file.
        found: usize,
    },
    /// The first four bytes are not those of the expected kind.
    #[error("expected an IDX file of {expected} (magic number {:#010x}), found {}", expected.magic(), describe_magic(*found))]
    WrongMagic {
        /// The kind expected.
        expected: Kind,
        /// The first four bytes.
        found: u32,
    },
    /// The header claims no items, or empty ones.
    #[error(
        "expected at least one item of at least one pixel, found {count} {kind} of {height}x{width}"
    )]
    Empty {
        /// The kind of file.
        kind: Kind,
        /// Items.
        count: u32,
        /// Rows of an item.
        height: u32,
        /// Columns of an item.
        width: u32,
    },
    /// The header claims more bytes than can be addressed.
    #[error(
        "the header claims {count} images of {height}x{width}, more than this machine can address; the file is damaged"
    )]
    Overflow {
        /// Items.
        count: u32,
        /// Rows of an item.
        height: u32,
        /// Columns of an item.
        width: u32,
    },
    /// The file ends before the last item.
    #[error(
        "truncated: the header says {count} {kind}, so expected {expected} bytes, found {found}; fetch or copy it again"
    )]
    Truncated {
        /// The kind of file.
        kind: Kind,
        /// Items.
        count: usize,
        /// Bytes expected.
        expected: usize,
        /// Bytes of the file.
        found: usize,
    },
    /// The file goes on after the last item.
    #[error(
        "too long: the header says {count} {kind}, so expected {expected} bytes, found {found}; the file is damaged or of another kind"
    )]
    Trailing {
        /// The kind of file.
        kind: Kind,
        /// Items.
        count: usize,
        /// Bytes expected.
        expected: usize,
        /// Bytes of the file.
        found: usize,
    },
}

/// Says what a file with this magic number is.
fn describe_magic(magic: u32) -> String {
    match magic {
        IMAGES_MAGIC => "an IDX file of images; are the two files swapped?".into(),
        LABELS_MAGIC => "an IDX file of labels; are the two files swapped?".into(),
        _ if magic >> 16 == 0x1f8b => "gzip data; unpack the file, or name it .gz".into(),
        _ => format!("{magic:#010x}, which is neither images nor labels of bytes"),
    }
}

/// Parses the header of `bytes`, the whole file, and checks that the items fill the rest of it exactly.
pub fn parse_header(bytes: &[u8], kind: Kind) -> Result<Header, IdxFault> {
    let (header, expected) = parse_start(bytes, kind)?;
    let (count, found) = (header.count, bytes.len());
    match found.cmp(&expected) {
        Ordering::Less => Err(IdxFault::Truncated {
            kind,
            count,
            expected,
            found,
        }),
        Ordering::Greater => Err(IdxFault::Trailing {
            kind,
            count,
            expected,
            found,
        }),
        Ordering::Equal => Ok(header),
    }
}

/// The header of a file that begins with `bytes`, and how many bytes it says that the file has.
fn parse_start(bytes: &[u8], kind: Kind) -> Result<(Header, usize), IdxFault> {
    let mut words = bytes
        .chunks_exact(4)
        .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    let short = IdxFault::ShortHeader {
        expected: kind.header_bytes(),
        found: bytes.len(),
    };
    let found = words.next().ok_or_else(|| short.clone())?;
    if found != kind.magic() {
        return Err(IdxFault::WrongMagic {
            expected: kind,
            found,
        });
    }
    let count = words.next().ok_or_else(|| short.clone())?;
    let (height, width) = match kind {
        Kind::Images => (
            words.next().ok_or_else(|| short.clone())?,
            words.next().ok_or(short)?,
        ),
        Kind::Labels => (1, 1),
    };
    if count == 0 || height == 0 || width == 0 {
        return Err(IdxFault::Empty {
            kind,
            count,
            height,
            width,
        });
    }
    let expected = (height as usize)
        .checked_mul(width as usize)
        .and_then(|pixels| pixels.checked_mul(count as usize))
        .and_then(|payload| payload.checked_add(kind.header_bytes()))
        .ok_or(IdxFault::Overflow {
            count,
            height,
            width,
        })?;
    let header = Header {
        count: count as usize,
        shape: Shape::new(1, height as usize, width as usize),
    };
    Ok((header, expected))
}

/// The length in bytes that the header of an IDX file gives, of which `start` holds the first bytes. `path` is for the error.
pub(super) fn claimed_bytes(start: &[u8], kind: Kind, path: &Path) -> Result<u64, DataError> {
    match parse_start(start, kind) {
        Ok((_, bytes)) => Ok(bytes as u64),
        Err(fault) => Err(DataError::format(path, fault)),
    }
}

/// Checks the IDX file in `bytes` and returns its header and its items. `path` is for the error.
pub(super) fn read(bytes: Bytes, kind: Kind, path: &Path) -> Result<(Header, Bytes), DataError> {
    let header = parse_header(&bytes, kind).map_err(|fault| DataError::format(path, fault))?;
    Ok((header, bytes.skip(kind.header_bytes())))
}
