//! Work on the CPU kernels' own threads.

use burn::tensor::backend::Backend;

/// How often a thread looks for work before it goes to sleep: some 25 microseconds, which is longer than most gaps between
/// kernels. The default of 65,536 holds up whatever else runs on the same cores.
#[cfg(feature = "cpu")]
const SPINS: u32 = 2048;

/// Does work that uses the kernels of `B` on the threads that they run on, where `B` has any, and keeps those awake between
/// kernels: waking them for each takes longer than many kernels take themselves.
///
/// Work from several threads is done in turn: a worker that waits for a part of one would else begin with another, within the first
/// one's backward pass, whose graph Burn has locked.
pub fn on_workers<B: Backend, R: Send>(work: impl FnOnce() -> R + Send) -> R {
    #[cfg(feature = "cpu")]
    if crate::cpu::runs_here::<B>() && rayon::current_thread_index().is_none() {
        use std::sync::atomic::Ordering::Relaxed;
        use std::sync::{Mutex, PoisonError};

        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        spindle::SPIN_LIMIT.store(SPINS, Relaxed);
        return spindle::with_lock(rayon::current_num_threads(), work);
    }
    work()
}
