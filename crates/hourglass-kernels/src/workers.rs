//! Work on the CPU kernels' own threads.

use burn::tensor::backend::Backend;

/// Does work that uses the kernels of `B` on one of the threads that they run on, where `B` has any: handing each kernel over
/// from a thread outside takes longer than many of them take themselves.
pub fn on_workers<B: Backend, R: Send>(work: impl FnOnce() -> R + Send) -> R {
    #[cfg(feature = "cpu")]
    if crate::cpu::runs_here::<B>() {
        return rayon::scope(|_| work());
    }
    work()
}
