//! What Ctrl-C does.

use burn::train::Interrupter;

/// The first Ctrl-C asks the run to stop at the next step, or ends what is being measured; the second ends the program.
pub(crate) fn listen_for_interrupts(interrupter: &Interrupter) {
    let interrupter = interrupter.clone();
    let result = ctrlc::set_handler(move || {
        if interrupter.should_stop() {
            std::process::exit(1);
        }
        note!("stopping; once more to stop at once");
        interrupter.stop(None);
    });
    if let Err(error) = result {
        note!("warning: Ctrl-C will end the program at once: {error}");
    }
}
