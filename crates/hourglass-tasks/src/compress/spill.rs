//! Keeps codes on disk until all are there, since their ranges are known only then.

use std::io::{BufReader, Read, Seek, SeekFrom, Write};

use super::CompressError;

/// Codes in a temporary file that nobody else sees, and the range of each dimension.
#[derive(Debug)]
pub struct CodeSpill {
    file: std::fs::File,
    code: usize,
    images: u64,
    ranges: Vec<[f32; 2]>,
}

impl CodeSpill {
    /// A spill file without codes yet, which will have `code` numbers each.
    ///
    /// # Errors
    /// When no temporary file can be created.
    pub fn new(code: usize) -> Result<Self, CompressError> {
        Ok(Self {
            file: tempfile::tempfile()?,
            code,
            images: 0,
            ranges: vec![[f32::INFINITY, f32::NEG_INFINITY]; code],
        })
    }

    /// Adds codes.
    ///
    /// # Errors
    /// When one is not finite, or they can't be written.
    ///
    /// # Shapes
    /// - codes: `[any, code]`, row-major
    pub fn add(&mut self, codes: &[f32]) -> Result<(), CompressError> {
        let mut bytes = Vec::with_capacity(codes.len() * 4);
        for row in codes.chunks_exact(self.code) {
            for (&value, [low, high]) in row.iter().zip(&mut self.ranges) {
                if !value.is_finite() {
                    return Err(CompressError::NotFinite {
                        image: self.images,
                        found: value,
                    });
                }
                *low = low.min(value);
                *high = high.max(value);
                bytes.extend(value.to_le_bytes());
            }
            self.images += 1;
        }
        Ok(self.file.write_all(&bytes)?)
    }

    /// The number of images added.
    pub fn images(&self) -> u64 {
        self.images
    }

    /// How many numbers a code has.
    pub fn code(&self) -> usize {
        self.code
    }

    /// The smallest and the largest value of each dimension.
    pub(super) fn ranges(&self) -> Result<Vec<[f32; 2]>, CompressError> {
        match self.images {
            0 => Err(CompressError::NoImages),
            _ => Ok(self.ranges.clone()),
        }
    }

    /// Reads the codes from the first one on, so many images at a time.
    pub(super) fn each_block(
        &mut self,
        images: usize,
        mut each: impl FnMut(&[f32]) -> Result<(), CompressError>,
    ) -> Result<(), CompressError> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(&self.file);
        let mut left = self.images;
        while left > 0 {
            let rows = left.min(images as u64) as usize;
            let mut bytes = vec![0; rows * self.code * 4];
            reader.read_exact(&mut bytes)?;
            let codes: Vec<f32> = bytes
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect();
            each(&codes)?;
            left -= rows as u64;
        }
        self.file.seek(SeekFrom::End(0))?;
        Ok(())
    }
}
