//! Work on the CPU kernels' own threads.

use burn::tensor::backend::Backend;

/// Does work that uses the kernels of `B` on one of the threads that they run on, where `B` has any: handing each kernel over
/// from a thread outside takes longer than many of them take themselves.
///
/// Work from several threads is done in turn: a worker that waits for a part of one would else begin with another, within the first
/// one's backward pass, whose graph Burn has locked.
pub fn on_workers<B: Backend, R: Send>(work: impl FnOnce() -> R + Send) -> R {
    #[cfg(feature = "cpu")]
    if crate::cpu::runs_here::<B>() && rayon::current_thread_index().is_none() {
        static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _turn = TURN
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        return rayon::scope(|_| work());
    }
    work()
}
