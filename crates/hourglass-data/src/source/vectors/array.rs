//! Where an array of numbers lies in a file.

use super::fault::VectorsFault;
use crate::dataset::{Bytes, Number};

/// An array as its file describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub(super) number: Number,
    pub(super) axes: Vec<u64>,
    /// Where its numbers begin in the file.
    pub(super) start: usize,
}

impl Array {
    /// Vectors and numbers in each.
    pub(super) fn matrix(&self) -> Result<[usize; 2], VectorsFault> {
        match *self.axes.as_slice() {
            [rows, width] if rows > 0 && width > 0 && rows <= u64::from(u32::MAX) => {
                Ok([rows as usize, width as usize])
            }
            _ => Err(VectorsFault::Axes(self.axes.clone())),
        }
    }

    /// The size in bytes; the axes may be anything.
    pub(super) fn bytes(&self) -> u128 {
        let numbers = self
            .axes
            .iter()
            .fold(1_u128, |product, &axis| product.saturating_mul(axis.into()));
        numbers.saturating_mul(self.number.bytes() as u128)
    }

    /// The array's part of the bytes of a file, where that is whole.
    pub(super) fn take(&self, file: Bytes) -> Result<Bytes, VectorsFault> {
        let found = file.len().saturating_sub(self.start);
        let expected = self.bytes();
        match expected <= found as u128 {
            true => Ok(file.skip(self.start).limit(expected as usize)),
            false => Err(VectorsFault::Length { expected, found }),
        }
    }

    pub(super) fn describe(&self) -> String {
        let width = self.axes.last().copied().unwrap_or_default();
        format!("vectors of {width} numbers ({:?})", self.number).to_lowercase()
    }
}
