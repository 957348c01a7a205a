//! Threads that share the parts of a pass, on a machine that others may use as well.
//!
//! Whoever gives the work takes part in it, and each thread takes the next part that nobody has: a thread that is not there,
//! since something else has its core, is not waited for, unless it was stopped in the middle of a part. Between passes
//! the threads wait awake for a moment, as waking them takes longer than many passes do, and then sleep. They never yield: on a
//! busy machine a thread that yields gives away its whole share of the time.

use std::any::Any;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// How long a thread waits awake, in instructions to pause: some 25 microseconds where one takes 40 cycles at 3 GHz, longer
/// than most gaps between passes.
pub(crate) const PAUSES: u32 = 2048;

/// A thread that still works so long after all others, and for longer than they did at all, has lost its core: parts are tens of
/// microseconds, a turn on a busy core some milliseconds.
const LATE: Duration = Duration::from_micros(500);

/// How long the others do without a team whose threads lose their cores.
const REST: Duration = Duration::from_millis(50);

/// Work on the part of this number.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// The threads that work at a time, the one that gives the work included: no more than there are cores to run them, however many
/// are asked for, since threads that take turns on a core only wait for each other.
pub(super) fn threads() -> usize {
    rayon::current_num_threads().min(cores())
}

/// The cores that this process may use.
pub(crate) fn cores() -> usize {
    static CORES: LazyLock<usize> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));
    *CORES
}

/// Does so many parts of a pass, each once, on the team, where it is free; else, as within a part, on this thread.
///
/// # Panics
/// With the panic of a part, when the others are done.
pub(super) fn share(parts: usize, work: &Work<'_>) {
    if parts > 1
        && threads() > 1
        && let Some(mut pace) = TEAM.turn()
        && !pace.rests()
    {
        let panic = TEAM.share(parts, work, &mut pace);
        drop(pace);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        return;
    }
    (0..parts).for_each(work);
}

static TEAM: LazyLock<&Team> = LazyLock::new(|| {
    let team: &Team = Box::leak(Box::default());
    for number in 1..threads() {
        let worker = std::thread::Builder::new().name(format!("kernels-{number}"));
        // One that can't be had is not missed: the others take its parts.
        if worker.spawn(|| team.serve()).is_err() {
            break;
        }
    }
    team
});

#[derive(Default)]
struct Team {
    /// Held by the thread whose pass it is.
    turn: Mutex<Pace>,
    /// The parts of the pass, in the upper half, and the next one that nobody has, in the lower.
    claims: AtomicU64,
    /// The work, a `&Work`. Only who has claimed a part may read it.
    work: AtomicPtr<()>,
    /// Parts that are not done.
    unfinished: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    workers: Bell,
    giver: Bell,
}

impl Team {
    /// The right to give the team work, unless another thread, or a pass around this call, has it.
    fn turn(&self) -> Option<MutexGuard<'_, Pace>> {
        match self.turn.try_lock() {
            Ok(pace) => Some(pace),
            Err(TryLockError::Poisoned(pace)) => Some(pace.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn share(&self, parts: usize, work: &Work<'_>, pace: &mut Pace) -> Option<Box<dyn Any + Send>> {
        let work: *const &Work<'_> = &work;
        self.work.store(work.cast_mut().cast(), Ordering::Relaxed);
        self.unfinished.store(parts, Ordering::Relaxed);
        self.claims.store((parts as u64) << 32, Ordering::SeqCst);
        self.workers.ring();
        let start = Instant::now();
        while self.do_part() {}
        if self.unfinished.load(Ordering::SeqCst) > 0 {
            let worked = start.elapsed();
            pace.await_others(worked, || {
                self.giver
                    .wait(|| self.unfinished.load(Ordering::SeqCst) == 0);
            });
        }
        held(&self.panic).take()
    }

    /// A worker's life.
    fn serve(&self) {
        loop {
            self.workers.wait(|| {
                let claims = self.claims.load(Ordering::SeqCst);
                claims as u32 != (claims >> 32) as u32
            });
            while self.do_part() {}
        }
    }

    /// Does the next part that nobody has, if there is one.
    #[expect(
        unsafe_code,
        reason = "threads that outlive a pass borrow its work, which the standard library allows only those that do not"
    )]
    fn do_part(&self) -> bool {
        let next = |claims: u64| (claims as u32 != (claims >> 32) as u32).then_some(claims + 1);
        let Ok(claims) = self
            .claims
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
        else {
            return false;
        };
        let work = self.work.load(Ordering::Relaxed).cast_const();
        // SAFETY: `share` stored a pointer to its `&Work` before it opened the claims of its pass, and does not return, nor does
        // another pass begin, before every part of it is counted as done. This one is claimed and is not, so the reference and
        // what it refers to are alive, and stay so until it is counted below.
        let work: &Work<'_> = unsafe { *work.cast::<&Work<'_>>() };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(claims as u32 as usize))) {
            *held(&self.panic) = Some(panic);
        }
        if self.unfinished.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.giver.ring();
        }
        true
    }
}

/// When the team is given work.
#[derive(Default)]
struct Pace {
    rests_until: Option<Instant>,
}

impl Pace {
    fn rests(&mut self) -> bool {
        if self.rests_until.is_some_and(|end| Instant::now() < end) {
            return true;
        }
        self.rests_until = None;
        false
    }

    /// Waits for those that still work, and has the team rest where one of them has lost its core; `worked` is how long the one
    /// that waits has worked on the pass.
    fn await_others(&mut self, worked: Duration, wait: impl FnOnce()) {
        let start = Instant::now();
        wait();
        let end = Instant::now();
        if end - start > LATE.max(worked) {
            self.rests_until = Some(end + REST);
        }
    }
}

/// What threads wait for: awake for a moment, then asleep.
#[derive(Default)]
struct Bell {
    sleepers: Mutex<()>,
    count: AtomicUsize,
    rung: Condvar,
}

impl Bell {
    fn wait(&self, is_time: impl Fn() -> bool) {
        for _ in 0..PAUSES {
            if is_time() {
                return;
            }
            spin_loop();
        }
        let mut guard = held(&self.sleepers);
        // Before it looks again: who makes it time looks for sleepers after that.
        self.count.fetch_add(1, Ordering::SeqCst);
        while !is_time() {
            guard = self
                .rung
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.count.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes those that sleep.
    fn ring(&self) {
        if self.count.load(Ordering::SeqCst) > 0 {
            drop(held(&self.sleepers));
            self.rung.notify_all();
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// How often each of so many parts was done.
    fn counts(parts: usize) -> Vec<AtomicUsize> {
        (0..parts).map(|_| AtomicUsize::new(0)).collect()
    }

    fn assert_each_was_done_once(counts: &[AtomicUsize]) {
        let counts: Vec<usize> = counts
            .iter()
            .map(|count| count.load(Ordering::SeqCst))
            .collect();
        assert_eq!(counts, vec![1; counts.len()]);
    }

    #[test]
    fn threads_that_do_not_come_are_not_waited_for() {
        // As on a machine where something else has their cores: nobody serves this team.
        let (team, mut pace) = (Team::default(), Pace::default());
        let done = counts(8);
        let work = |part: usize| {
            done[part].fetch_add(1, Ordering::SeqCst);
        };
        assert!(team.share(8, &work, &mut pace).is_none());
        assert_each_was_done_once(&done);
        assert!(!pace.rests());
    }

    #[test]
    fn a_thread_that_is_stopped_in_a_part_leaves_all_others_to_those_that_run() {
        let team: &Team = Box::leak(Box::default());
        thread::spawn(|| team.serve());
        let giver = thread::current().id();
        for _ in 0..100 {
            let (done, begun) = (counts(16), AtomicUsize::new(0));
            let work = |part: usize| {
                begun.fetch_add(1, Ordering::SeqCst);
                // Stopped until every part has been begun, which takes another thread.
                while thread::current().id() != giver && begun.load(Ordering::SeqCst) < done.len() {
                    thread::yield_now();
                }
                done[part].fetch_add(1, Ordering::SeqCst);
            };
            assert!(team.share(16, &work, &mut Pace::default()).is_none());
            assert_each_was_done_once(&done);
        }
    }

    #[test]
    fn a_team_rests_after_one_of_its_threads_was_late() {
        let mut pace = Pace::default();
        pace.await_others(Duration::ZERO, || ());
        assert!(!pace.rests());
        pace.await_others(Duration::from_secs(3600), || thread::sleep(2 * LATE));
        assert!(!pace.rests());
        pace.await_others(Duration::ZERO, || thread::sleep(2 * LATE));
        assert!(pace.rests());
        pace.rests_until = Some(Instant::now());
        assert!(!pace.rests());
    }

    #[test]
    fn there_are_no_more_threads_than_cores() {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for asked in [1, 2, 8 * cores] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(asked).build();
            let found = pool.expect("threads").install(threads);
            assert_eq!(found, asked.min(cores));
        }
    }
}
