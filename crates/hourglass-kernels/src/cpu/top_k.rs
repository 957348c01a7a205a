//! The k largest values of each row, the rows in parallel.

use burn::tensor::TensorMetadata;
use burn::tensor::ops::FloatTensor;
use rayon::prelude::*;

use super::backend::Cpu;
use super::for_each;
use super::operation::Operation;
use crate::largest::places_of_largest;

/// See [`crate::keep_largest`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeepLargest {
    pub(crate) k: usize,
}

impl Operation<1> for KeepLargest {
    /// The places of what is kept, row by row.
    type State<C: Cpu> = Vec<Vec<u32>>;

    fn forward<C: Cpu>(self, [values]: [FloatTensor<C>; 1]) -> (FloatTensor<C>, Vec<Vec<u32>>) {
        let values = C::contiguous(values);
        let mut places = vec![Vec::new(); values.shape()[0]];
        let rows = C::values(&values).par_chunks_exact(values.shape()[1]);
        for_each(places.par_iter_mut().zip(rows), |(places, row)| {
            *places = places_of_largest(row, self.k).collect();
        });
        (masked::<C>(&values, &places), places)
    }

    fn backward<C: Cpu>(
        self,
        places: Vec<Vec<u32>>,
        outer: FloatTensor<C>,
        _wanted: [bool; 1],
    ) -> [Option<FloatTensor<C>>; 1] {
        [Some(masked::<C>(&C::contiguous(outer), &places))]
    }
}

/// The values in their places, and 0 elsewhere.
fn masked<C: Cpu>(values: &FloatTensor<C>, places: &[Vec<u32>]) -> FloatTensor<C> {
    let shape = values.shape();
    let source = C::values(values);
    let mut kept = vec![0.0; source.len()];
    let rows = kept
        .chunks_exact_mut(shape[1])
        .zip(source.chunks_exact(shape[1]));
    for ((row, source), places) in rows.zip(places) {
        for &place in places {
            row[place as usize] = source[place as usize];
        }
    }
    C::from_values(kept, shape)
}
