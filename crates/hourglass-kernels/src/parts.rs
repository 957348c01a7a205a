//! Work that is done in parts, by several threads.

#[cfg(feature = "cpu")]
use rayon::iter::IndexedParallelIterator;

/// Does work on each part of so many values, which gets the part's number too: in parallel, where there are kernels at all.
pub fn for_each_part<T: Send>(
    values: &mut [T],
    size: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    #[cfg(feature = "cpu")]
    crate::cpu::for_each(
        rayon::prelude::ParallelSliceMut::par_chunks_mut(values, size).enumerate(),
        |(number, part)| work(number, part),
    );
    #[cfg(not(feature = "cpu"))]
    for (number, part) in values.chunks_mut(size).enumerate() {
        work(number, part);
    }
}
