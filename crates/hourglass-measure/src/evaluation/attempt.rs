//! Measures that can fail: one that panics or is interrupted is left out, and the others continue.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The payload with which an interrupted measure unwinds.
struct Interrupted;

/// Ends the measure in progress, from within the function that it reports its progress to.
///
/// It unwinds to [`attempt`], in the way in which rust-analyzer cancels queries: a measure is many loops deep in numerics,
/// which need not know of it. Nothing is printed, since this does not start a panic.
pub fn interrupt() -> ! {
    resume_unwind(Box::new(Interrupted))
}

/// Runs `work`, and turns a panic or an interruption into an error.
///
/// # Errors
/// The reason, in words, when the work panicked or was interrupted.
pub fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // Whatever a failed piece of work has changed is dropped with it.
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| reason(&*payload))
}

fn reason(payload: &(dyn Any + Send)) -> String {
    if payload.is::<Interrupted>() {
        return "it was interrupted".into();
    }
    let message = payload.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| payload.downcast_ref::<&str>().copied());
    format!(
        "the program has a fault, which is worth a report: {}",
        message.unwrap_or("a panic without a message")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_and_an_interruption_are_reasons() {
        assert_eq!(attempt(|| 3), Ok(3));
        let reason = attempt(|| panic!("index {} of 2", 7)).expect_err("a panic");
        assert!(reason.ends_with("a report: index 7 of 2"), "{reason}");
        let reason = attempt(|| interrupt()).expect_err("an interruption");
        assert_eq!(reason, "it was interrupted");
    }
}
