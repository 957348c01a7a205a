//! Codes as a NumPy array `[images, code]` of float32.

use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use fs_err::File;
use hourglass_data::read_npy_header;
use hourglass_files::open_file;
use npyz::{AutoSerialize, Order, WriteOptions, WriterBuilder};

use super::{BLOCK_ROWS, CodeRows, CodesError};

/// Writes the header of a NumPy array of little-endian numbers, which are to follow.
///
/// # Errors
/// When the header can't be written.
pub fn write_header<T: AutoSerialize>(file: &mut impl Write, shape: &[u64]) -> io::Result<()> {
    let options = WriteOptions::new_header_only().dtype(T::default_dtype());
    options.shape(shape).writer(file).write_header_only()?;
    Ok(())
}

/// Writes numbers in little-endian bytes.
///
/// # Errors
/// When they can't be written.
pub fn write_floats(file: &mut impl Write, numbers: &[f32]) -> io::Result<()> {
    let bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    file.write_all(&bytes)
}

/// An array that is read in blocks.
pub(super) struct NpyCodes {
    path: PathBuf,
    file: BufReader<File>,
    left: u64,
    code: usize,
}

impl NpyCodes {
    pub(super) fn open(path: &Path, code: usize) -> Result<Self, CodesError> {
        let file = open_file(path)?;
        let bytes = file.metadata()?.len();
        let mut file = BufReader::new(file);
        let header = read_npy_header(&mut file);
        let (header, _) = header.map_err(|error| {
            CodesError::content(path, "a .npy header", format!("none: {error}"))
        })?;
        let dtype = header.dtype().descr();
        let content = |expected: &str, found: String| CodesError::content(path, expected, found);
        if dtype.trim_matches('\'') != "<f4" {
            return Err(content(
                "float32 (<f4)",
                format!("{dtype}; save codes.astype(numpy.float32)"),
            ));
        }
        if header.order() != Order::C {
            return Err(content(
                "an array in C order",
                "Fortran order; save numpy.ascontiguousarray of it".into(),
            ));
        }
        let images = match *header.shape() {
            [images, width] if width == code as u64 => images,
            ref shape => {
                let expected = format!("[images, {code}], the size of the model's code");
                return Err(content(&expected, format!("{shape:?}")));
            }
        };
        let found = bytes - file.stream_position()?;
        let expected = u128::from(images) * code as u128 * 4;
        if expected != u128::from(found) {
            let expected = format!("{expected} bytes of numbers, as its header says");
            return Err(content(
                &expected,
                format!("{found}; write or copy the file again"),
            ));
        }
        Ok(Self {
            path: path.into(),
            file,
            left: images,
            code,
        })
    }

    pub(super) fn images(&self) -> u64 {
        self.left
    }

    pub(super) fn next_rows(&mut self) -> Result<CodeRows, CodesError> {
        let rows = self.left.min(BLOCK_ROWS as u64);
        let mut bytes = vec![0; rows as usize * self.code * 4];
        self.file.read_exact(&mut bytes).map_err(|error| {
            CodesError::content(&self.path, "as many numbers as at first", error.to_string())
        })?;
        self.left -= rows;
        let numbers = bytes.chunks_exact(4);
        Ok(CodeRows {
            codes: numbers
                .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect(),
            ..CodeRows::default()
        })
    }
}
