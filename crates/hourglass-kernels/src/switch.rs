//! Turning the kernels off.

use std::cell::Cell;

thread_local! {
    static IS_OFF: Cell<bool> = const { Cell::new(false) };
}

/// Does work with Burn's own operations alone: slower, and to compare the kernels with. It holds for the calling thread.
pub fn without_kernels<R>(work: impl FnOnce() -> R) -> R {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            IS_OFF.set(self.0);
        }
    }
    let _before = Before(IS_OFF.replace(true));
    work()
}

#[cfg(feature = "cpu")]
pub(crate) fn is_off() -> bool {
    IS_OFF.get()
}
