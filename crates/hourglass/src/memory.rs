//! The allocator of the program.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Gives the system what memory is free, which the allocator keeps for a while to use it again.
#[expect(unsafe_code, reason = "the allocator has this in C alone")]
pub(crate) fn give_back_memory() {
    // SAFETY: it may be called at any time.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
