//! The kernels for CPU backends. They work in parallel on chunks of fixed size, so that results do not depend on the number of
//! threads.

/// Does work with the widest vectors that the processor has. The loops in it are the compiler's to vectorise; since it keeps the
/// order of operations, results do not depend on the processor.
///
/// Only what is inlined gets wide vectors: so loops are `for` loops, functions `#[inline(always)]`, and the closure gives up a
/// value, which makes it an `FnOnce` itself: others are called through a function that is not always inlined.
macro_rules! vectorised {
    ($work:expr) => {{
        let token = $crate::cpu::Once;
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                token.give_up();
                $work
            },
        )
    }};
}

mod activation;
mod adam;
mod backend;
mod convolution;
mod cross_entropy;
mod exponential;
mod jacobian;
mod linear;
mod matrix;
mod operation;
mod product;
mod team;
mod top_k;

use std::sync::{Mutex, PoisonError};

use rayon::iter::plumbing::{Producer, ProducerCallback};
use rayon::prelude::*;

pub(crate) use adam::{AdamStep, adam};
pub(crate) use convolution::{Convolution, Direction};
pub(crate) use cross_entropy::CrossEntropy;
pub(crate) use jacobian::{GramNorms, ScaledRows};
pub(crate) use linear::{Linear, Product};
pub(crate) use operation::{apply, has_kernels, primitive, tensor};
pub(crate) use team::{PAUSES, cores};
pub(crate) use top_k::KeepLargest;

/// What a closure that is called once gives up.
struct Once;

impl Once {
    #[inline(always)]
    fn give_up(self) {}
}

/// Elements that a thread takes at a time: a multiple of the vector's length that fits into a core's first cache.
const CHUNK: usize = 4096;

/// Parts of a pass for each thread: one that is held up leaves some to the others.
const PARTS: usize = 4;

/// Does work on each item, in parallel.
pub(crate) fn for_each<I: IndexedParallelIterator>(items: I, work: impl Fn(I::Item) + Sync) {
    let parts = PARTS * team::threads();
    for_each_in_parts(items, parts, work);
}

/// Does work on each item, in parallel, in so many parts.
fn for_each_in_parts<I: IndexedParallelIterator>(
    items: I,
    parts: usize,
    work: impl Fn(I::Item) + Sync,
) {
    let count = items.len();
    items.with_producer(InParts { count, parts, work });
}

/// So many items, to be worked on in parts that follow each other.
struct InParts<W> {
    count: usize,
    parts: usize,
    work: W,
}

impl<T, W: Fn(T) + Sync> ProducerCallback<T> for InParts<W> {
    type Output = ();

    fn callback<P: Producer<Item = T>>(self, producer: P) {
        let parts = self.count.min(self.parts);
        if team::threads() == 1 || parts <= 1 {
            return producer.into_iter().for_each(&self.work);
        }
        let mut rest = Some(producer);
        let parts: Vec<Mutex<Option<P>>> = (0..parts)
            .map(|part| {
                let left = rest.take().expect("put back");
                let size = self.count / parts + usize::from(part < self.count % parts);
                let (part, right) = left.split_at(size);
                rest = Some(right);
                Mutex::new(Some(part))
            })
            .collect();
        team::share(parts.len(), &|part| {
            let part = parts[part]
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            part.into_iter().flat_map(P::into_iter).for_each(&self.work);
        });
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_part_that_panics_does_so_where_the_work_was_given_and_the_team_goes_on() {
        let done = AtomicUsize::new(0);
        let pass = |bad: usize| {
            for_each((0..1000_usize).into_par_iter(), |item| {
                assert_ne!(item, bad, "on purpose");
                done.fetch_add(1, Ordering::Relaxed);
            });
        };
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pass(700)));
        let panic = panic.expect_err("a panic");
        let message = panic.downcast_ref::<String>().expect("a message");
        assert!(message.contains("on purpose"), "{message}");
        done.store(0, Ordering::Relaxed);
        pass(1000);
        assert_eq!(done.load(Ordering::Relaxed), 1000);
    }
}
