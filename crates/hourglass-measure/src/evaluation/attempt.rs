//! Measuring what can fail: a measure that panics or is interrupted is left out, and the others go on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What an interrupted measure unwinds with.
struct Interrupted;

/// Ends the measure in progress, from within the function that it reports its progress to.
///
/// It unwinds to [`attempt`], as rust-analyzer's queries are cancelled: a measure is many loops deep in numerics that need
/// not know of it. Nothing is printed, since this is not a panic of its own.
pub fn interrupt() -> ! {
    resume_unwind(Box::new(Interrupted))
}

/// What the work gives, or why it gives nothing.
///
/// # Errors
/// The reason, in words, when the work panicked or was interrupted.
pub fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // Whatever the work has changed is given up with it.
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
