//! Images as quantised, entropy-coded codes.
//!
//! Each dimension of the code is cut into 2^bits steps. They divide the range that the dimension has in these images, or they
//! have one size in all dimensions, so that those that vary little take few bits or none. The number of a step is then
//! range-coded: its high bits by a table of how often they occur, which is stored in the header, its low bits as they are.
//! Restoring gives the middle of the step, which the model decodes; without the model the file is worth nothing.
//!
//! A file, `.hgz`, all numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `89 48 47 5A`, the magic |
//! | 1, 1, 1 | the format's version, 1; `bits`, 1 to 16; `table_bits`, 0 to 8 and at most `bits` |
//! | 12 | channels, height and width |
//! | 4, 8 | the numbers of a code; the images |
//! | 32 | SHA-256 of the model: of its weights' file followed by its settings' |
//! | 8 each | a dimension's range: two float32 |
//! | | a dimension's table: 2^table_bits counts, LEB128, where `table_bits` is not 0 |
//! | 4 | CRC-32 of everything above |
//! | | for each 4096 images: length in words of 4 bytes (4), CRC-32 of the words (4), the words |
//!
//! The tables are turned into probabilities of 24 bits by integer arithmetic, so that every machine reads the same codes.

mod coder;
mod error;
mod format;
mod quantise;
mod spill;

use std::io::{Read, Write};

pub use error::CompressError;
pub use format::{CompressedCodes, Header};
pub use quantise::{MOST_BITS, Steps};
pub use spill::CodeSpill;

use coder::Tables;
use format::{BLOCK_IMAGES, Prelude, write_block};
use hourglass_models::Shape;
use quantise::{Histogram, Quantiser};

/// Writes codes, quantised to `bits` bits per dimension; returns the number of bytes written.
///
/// # Errors
/// When there are no codes, or they can't be written.
pub fn compress(
    spill: &mut CodeSpill,
    bits: u8,
    steps: Steps,
    shape: Shape,
    model_sha256: &str,
    to: &mut impl Write,
) -> Result<u64, CompressError> {
    let quantiser = Quantiser::new(bits, steps.ranges(bits, spill.ranges()?));
    let mut histogram = Histogram::new(&quantiser);
    spill.each_block(BLOCK_IMAGES, |codes| {
        histogram.add(&quantiser, codes);
        Ok(())
    })?;
    let tables = Tables::cheapest(&histogram);
    let header = Header {
        prelude: Prelude::new(bits, tables.bits(), shape, spill, model_sha256)?,
        quantiser: quantiser.clone(),
        tables,
    };
    let mut written = header.write(to)?;
    spill.each_block(BLOCK_IMAGES, |codes| {
        let words = coder::encode(&header.tables, &quantiser, codes)?;
        written += write_block(to, &words)?;
        Ok(())
    })?;
    Ok(written)
}

/// Opens compressed codes of a model.
///
/// # Errors
/// When they are another model's, or damaged.
pub fn open<R: Read>(
    from: R,
    code: usize,
    shape: Shape,
    model_sha256: &str,
) -> Result<CompressedCodes<R>, CompressError> {
    CompressedCodes::open(from, code, shape, model_sha256)
}

#[cfg(test)]
mod tests;
