//! The data of principal components: rows that can be read as often as is needed, and their mean.

use super::error::{MOST_BYTES, PcaError};

/// Rows that can be read as often as is needed.
pub struct Rows<'a> {
    /// How many.
    pub count: usize,
    /// The length of each.
    pub features: usize,
    /// Reads all of them from the first, in blocks of `[any, features]`, row-major.
    pub read: &'a dyn Fn() -> Box<dyn Iterator<Item = Vec<f32>> + 'a>,
}

/// Refuses a fit that would need too much memory: so many vectors, to find so many components.
pub(super) fn check_bytes(
    vectors: usize,
    components: usize,
    features: usize,
) -> Result<(), PcaError> {
    let bytes = vectors
        .saturating_mul(features)
        .saturating_mul(size_of::<f64>());
    match bytes > MOST_BYTES {
        true => Err(PcaError::TooLarge {
            components,
            features,
            bytes,
        }),
        false => Ok(()),
    }
}

/// The mean of rows as they come.
pub(super) struct Mean {
    sums: Vec<f64>,
    rows: usize,
}

impl Mean {
    pub(super) fn new(features: usize) -> Self {
        Self {
            sums: vec![0.0; features],
            rows: 0,
        }
    }

    pub(super) fn add(&mut self, rows: &[f32]) {
        for row in rows.chunks_exact(self.sums.len()) {
            self.rows += 1;
            let sums = self.sums.iter_mut().zip(row);
            sums.for_each(|(sum, &value)| *sum += f64::from(value));
        }
    }

    pub(super) fn finish(mut self) -> Result<Vec<f64>, PcaError> {
        if self.rows == 0 {
            return Err(PcaError::NoRows);
        }
        self.sums
            .iter_mut()
            .for_each(|sum| *sum /= self.rows as f64);
        // No sum of finite f32 overflows an f64, so it is finite if and only if the values are.
        match self.sums.iter().all(|mean| mean.is_finite()) {
            true => Ok(self.sums),
            false => Err(PcaError::NotFinite { place: "rows" }),
        }
    }
}
