//! Threads that stay awake through a training step.

use burn::tensor::backend::Backend;
#[cfg(feature = "cpu")]
use rayon::iter::IndexedParallelIterator;

/// Does work that uses the kernels of `B`, where `B` has any, on a team of threads that stay awake from one kernel to the next:
/// waking them for each takes longer than many kernels take themselves. Work from several threads is done in turn.
///
/// In it rayon has one thread, since the team has the others.
pub fn on_workers<B: Backend, R: Send>(work: impl FnOnce() -> R + Send) -> R {
    #[cfg(feature = "cpu")]
    if crate::cpu::runs_here::<B>()
        && rayon::current_thread_index().is_none()
        && let Ok(team) = &*team::POOL
    {
        let _turn = team::TURN
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        return team.install(|| spindle::with_lock(rayon::current_num_threads(), work));
    }
    work()
}

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

#[cfg(feature = "cpu")]
mod team {
    use std::sync::atomic::Ordering::Relaxed;
    use std::sync::{LazyLock, Mutex};

    use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

    /// How long a thread of the team (and of faer's products elsewhere) waits awake, in instructions to pause: some 25
    /// microseconds where one takes 40 cycles at 3 GHz, longer than most gaps between kernels. Spindle's 65,536 hold up whatever
    /// else runs on the same cores.
    const PAUSES: u32 = 2048;

    /// A pool of its own: kernels outside of the team use the global one, and the team may have to wait for them, since a
    /// backward pass locks the graphs of others.
    pub(super) static POOL: LazyLock<Result<ThreadPool, ThreadPoolBuildError>> =
        LazyLock::new(|| {
            spindle::SPIN_LIMIT.store(PAUSES, Relaxed);
            ThreadPoolBuilder::new().build()
        });

    pub(super) static TURN: Mutex<()> = Mutex::new(());
}
