//! Limits for the threads of other libraries, which the kernels share the cores with.

/// Keeps rayon's threads to as many as there are cores, however many `RAYON_NUM_THREADS` asks for, since more only wait for each
/// other. It also has faer's threads, in products that are not ours, wait awake for as long as those of the kernels do: their
/// own limit is 32 times as long, and holds up whatever else runs on the same cores. Call it once, before there is other work.
pub fn limit_threads() {
    #[cfg(feature = "cpu")]
    {
        use std::sync::atomic::Ordering::Relaxed;

        spindle::SPIN_LIMIT.store(crate::cpu::PAUSES, Relaxed);
        let cores = crate::cpu::cores();
        let asked = std::env::var("RAYON_NUM_THREADS").ok();
        let asked = asked.and_then(|number| number.trim().parse().ok());
        if asked.is_some_and(|asked: usize| asked > cores) {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(cores);
            // Where there is a pool already, its size is as it is.
            let _ = pool.build_global();
        }
    }
}
