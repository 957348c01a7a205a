//! The bytes of a file of compressed codes.

use std::io::{self, Read, Write};

use hourglass_files::hex;
use hourglass_models::Shape;

use super::coder::{self, Tables};
use super::quantise::{MOST_BITS, MOST_TABLE_BITS, Quantiser};
use super::{CodeSpill, CompressError};

const MAGIC: [u8; 4] = [0x89, b'H', b'G', b'Z'];
const VERSION: u8 = 1;

/// Images that are coded together in a block. Damage to a block does not affect the others, and one block is in memory at a time.
pub(super) const BLOCK_IMAGES: usize = 4096;

/// The bytes before the ranges.
const PRELUDE_BYTES: usize = 4 + 3 + 12 + 4 + 8 + 32;

/// What a file holds before its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prelude {
    bits: u8,
    table_bits: u8,
    shape: [u32; 3],
    code: u32,
    images: u64,
    model: [u8; 32],
}

impl Prelude {
    pub(super) fn new(
        bits: u8,
        table_bits: u8,
        shape: Shape,
        spill: &CodeSpill,
        model_sha256: &str,
    ) -> Result<Self, CompressError> {
        Ok(Self {
            bits,
            table_bits,
            // Networks have at most 2^30 parameters, so sides and codes are far below 2^32.
            shape: shape.to_array().map(|side| side as u32),
            code: spill.code() as u32,
            images: spill.images(),
            model: parse_sha256(model_sha256)?,
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([VERSION, self.bits, self.table_bits]);
        bytes.extend(self.shape.iter().flat_map(|side| side.to_le_bytes()));
        bytes.extend(self.code.to_le_bytes());
        bytes.extend(self.images.to_le_bytes());
        bytes.extend(self.model);
        bytes
    }

    /// Parses the start of a file; refuses other files, and those of another model.
    fn parse(
        bytes: &[u8; PRELUDE_BYTES],
        code: usize,
        shape: Shape,
        model_sha256: &str,
    ) -> Result<Self, CompressError> {
        if bytes[..4] != MAGIC {
            return Err(CompressError::NotOurs {
                found: format!("its first bytes are {:02x?}", &bytes[..4]),
            });
        }
        if bytes[4] != VERSION {
            return Err(CompressError::Version { found: bytes[4] });
        }
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mut model = [0; 32];
        model.copy_from_slice(&bytes[31..63]);
        let prelude = Self {
            bits: bytes[5],
            table_bits: bytes[6],
            shape: [word(7), word(11), word(15)],
            code: word(19),
            images: u64::from(word(23)) | u64::from(word(27)) << 32,
            model,
        };
        if prelude.model != parse_sha256(model_sha256)? {
            return Err(CompressError::OtherModel {
                expected: model_sha256.into(),
                found: hex(&prelude.model),
            });
        }
        let fits = prelude.code as usize == code
            && prelude.shape == shape.to_array().map(|side| side as u32);
        let bits = (1..=MOST_BITS).contains(&prelude.bits)
            && prelude.table_bits <= prelude.bits.min(MOST_TABLE_BITS);
        if !(fits && bits && prelude.images > 0) {
            let expected = format!("images of {shape} with codes of {code} numbers");
            return Err(CompressError::damaged(expected, format!("{prelude:?}")));
        }
        Ok(prelude)
    }
}

fn parse_sha256(text: &str) -> Result<[u8; 32], CompressError> {
    let mut bytes = [0; 32];
    let digits: Option<Vec<u8>> = (0..32)
        .map(|place| {
            let digits = text.get(2 * place..2 * place + 2)?;
            u8::from_str_radix(digits, 16).ok()
        })
        .collect();
    match digits {
        Some(digits) if text.len() == 64 => {
            bytes.copy_from_slice(&digits);
            Ok(bytes)
        }
        _ => Err(CompressError::BadModel { found: text.into() }),
    }
}

/// What comes before the blocks in a file.
#[derive(Debug, Clone)]
pub struct Header {
    pub(super) prelude: Prelude,
    pub(super) quantiser: Quantiser,
    pub(super) tables: Tables,
}

impl Header {
    /// Returns the number of bytes written.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<u64> {
        let mut bytes = self.prelude.to_bytes();
        for [low, high] in self.quantiser.ranges() {
            bytes.extend(low.to_le_bytes());
            bytes.extend(high.to_le_bytes());
        }
        for &count in self.tables.counts().iter().flatten() {
            push_leb128(&mut bytes, count);
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        to.write_all(&bytes)?;
        Ok(bytes.len() as u64)
    }

    /// The number of images in the file.
    pub fn images(&self) -> u64 {
        self.prelude.images
    }

    /// The number of bits that each dimension is quantised to.
    pub fn bits(&self) -> u8 {
        self.prelude.bits
    }
}

fn push_leb128(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Writes the words of a block; returns the number of bytes written.
pub(super) fn write_block(to: &mut impl Write, words: &[u32]) -> io::Result<u64> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    to.write_all(&(words.len() as u32).to_le_bytes())?;
    to.write_all(&crc32fast::hash(&bytes).to_le_bytes())?;
    to.write_all(&bytes)?;
    Ok(8 + bytes.len() as u64)
}

/// Reads bytes and keeps their checksum.
struct Checked<R> {
    from: R,
    crc: crc32fast::Hasher,
}

impl<R: Read> Checked<R> {
    fn take<const LENGTH: usize>(&mut self, what: &str) -> Result<[u8; LENGTH], CompressError> {
        let mut bytes = [0; LENGTH];
        read_whole(&mut self.from, &mut bytes, what)?;
        self.crc.update(&bytes);
        Ok(bytes)
    }

    fn float(&mut self) -> Result<f32, CompressError> {
        Ok(f32::from_le_bytes(self.take("the ranges")?))
    }

    /// Reads a count; none that we write takes more than two bytes.
    fn count(&mut self) -> Result<u64, CompressError> {
        let [first] = self.take("the tables")?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let [second] = self.take("the tables")?;
        match second {
            1..0x80 => Ok(u64::from(first & 0x7f) | u64::from(second) << 7),
            _ => Err(CompressError::damaged("counts of 14 bits", "others")),
        }
    }
}

fn read_whole(from: &mut impl Read, bytes: &mut [u8], what: &str) -> Result<(), CompressError> {
    from.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => CompressError::damaged(what, "the end of the file"),
        _ => error.into(),
    })
}

/// An iterator over compressed codes, block by block. It ends after an error.
#[derive(Debug)]
pub struct CompressedCodes<R> {
    from: R,
    header: Header,
    left: u64,
    ended: bool,
}

impl<R: Read> CompressedCodes<R> {
    pub(super) fn open(
        from: R,
        code: usize,
        shape: Shape,
        model_sha256: &str,
    ) -> Result<Self, CompressError> {
        let crc = crc32fast::Hasher::new();
        let mut from = Checked { from, crc };
        let start = from.take::<4>("a header").map_err(|error| match error {
            CompressError::Damaged { found, .. } => CompressError::NotOurs { found },
            error => error,
        })?;
        let mut bytes = [0; PRELUDE_BYTES];
        bytes[..4].copy_from_slice(&start);
        if start == MAGIC {
            let rest: [u8; PRELUDE_BYTES - 4] = from.take("a header")?;
            bytes[4..].copy_from_slice(&rest);
        }
        let prelude = Prelude::parse(&bytes, code, shape, model_sha256)?;
        let ranges = (0..code).map(|_| Ok([from.float()?, from.float()?]));
        let ranges = ranges.collect::<Result<Vec<_>, CompressError>>()?;
        let mut counts = Vec::new();
        if prelude.table_bits > 0 {
            for _ in 0..code {
                let table = (0..1_u32 << prelude.table_bits).map(|_| from.count());
                counts.push(table.collect::<Result<Vec<_>, _>>()?);
            }
        }
        let found = from.crc.clone().finalize();
        let expected = u32::from_le_bytes(from.take("the header's checksum")?);
        if found != expected {
            let (expected, found) = (format!("{expected:08x}"), format!("{found:08x}"));
            return Err(CompressError::damaged(
                format!("a header of CRC-32 {expected}"),
                found,
            ));
        }
        let is_range = |[low, high]: &[f32; 2]| low.is_finite() && high.is_finite() && low <= high;
        let tables = Tables::of_counts(prelude.table_bits, counts);
        let (true, Some(tables)) = (ranges.iter().all(is_range), tables) else {
            return Err(CompressError::damaged(
                "ranges and counts of codes",
                "others",
            ));
        };
        Ok(Self {
            from: from.from,
            left: prelude.images,
            header: Header {
                quantiser: Quantiser::new(prelude.bits, ranges),
                prelude,
                tables,
            },
            ended: false,
        })
    }

    /// What comes before the codes in the file.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads to the end without decoding, to check that the file is complete.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(mut self) -> Result<(), CompressError> {
        while self.next_words()?.is_some() {}
        Ok(())
    }

    /// The words of the next block, and its images.
    fn next_words(&mut self) -> Result<Option<(Vec<u32>, usize)>, CompressError> {
        if self.left == 0 {
            let mut more = [0];
            return match self.from.read(&mut more)? {
                0 => Ok(None),
                _ => Err(CompressError::damaged("the end of the file", "more of it")),
            };
        }
        let images = self.left.min(BLOCK_IMAGES as u64) as usize;
        let mut start = [0; 8];
        read_whole(&mut self.from, &mut start, "a block of codes")?;
        let length = u32::from_le_bytes([start[0], start[1], start[2], start[3]]);
        let expected = u32::from_le_bytes([start[4], start[5], start[6], start[7]]);
        let most = coder::most_words(&self.header.tables, &self.header.quantiser, images);
        if u64::from(length) > most {
            let expected = format!("at most {most} words for {images} images");
            return Err(CompressError::damaged(expected, length.to_string()));
        }
        let mut bytes = vec![0; length as usize * 4];
        read_whole(&mut self.from, &mut bytes, "a whole block of codes")?;
        let found = crc32fast::hash(&bytes);
        if found != expected {
            let expected = format!("a block of CRC-32 {expected:08x}");
            return Err(CompressError::damaged(expected, format!("{found:08x}")));
        }
        self.left -= images as u64;
        let words = bytes.chunks_exact(4);
        let words = words.map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        Ok(Some((words.collect(), images)))
    }

    fn next_codes(&mut self) -> Result<Option<Vec<f32>>, CompressError> {
        let Some((words, images)) = self.next_words()? else {
            return Ok(None);
        };
        let Header {
            tables, quantiser, ..
        } = &self.header;
        coder::decode(tables, quantiser, words, images).map(Some)
    }
}

impl<R: Read> Iterator for CompressedCodes<R> {
    type Item = Result<Vec<f32>, CompressError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let codes = self.next_codes();
        self.ended = !matches!(codes, Ok(Some(_)));
        codes.transpose()
    }
}
