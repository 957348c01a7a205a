//! What the program prints: results on stdout, everything else on stderr.
//!
//! Whoever reads the output may go away, and a disk may be full. Results that can't be written end the command, after its files
//! are written, and quietly if it is only that nobody reads them any more. A line that can't be written to stderr is lost, and
//! nothing else happens.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use hourglass_files::check_target;

/// Set once stdout turns out to be a pipe that nobody reads.
static IS_UNREAD: AtomicBool = AtomicBool::new(false);

/// Writes a line of results, as `println!` does, and gives an error where it can't be written.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}

/// Writes a line to stderr, as `eprintln!` does, or nothing where that can't be written to.
macro_rules! note {
    ($($text:tt)*) => { $crate::output::note(format_args!($($text)*)) };
}

/// Stdout, for results.
pub(crate) struct Results(io::Stdout);

impl Results {
    pub(crate) fn new() -> Self {
        Self(io::stdout())
    }
}

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(noted)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(noted)
    }
}

fn noted(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::BrokenPipe {
        IS_UNREAD.store(true, Ordering::Relaxed);
    }
    let message = format!("the results can't be written to stdout: {error}");
    io::Error::new(error.kind(), message)
}

/// Whether results could not be written because nobody reads them.
pub(crate) fn is_unread() -> bool {
    IS_UNREAD.load(Ordering::Relaxed)
}

/// Writes results as they are.
pub(crate) fn text(text: &str) -> Result<()> {
    let mut results = Results::new();
    results.write_all(text.as_bytes())?;
    Ok(results.flush()?)
}

pub(crate) fn line(text: Arguments<'_>) -> Result<()> {
    self::text(&format!("{text}\n"))
}

pub(crate) fn note(text: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Refuses to write over a file, unless it is forced to, over what is no file, and into a directory that is not there.
pub(crate) fn check_is_new(path: &Path, force: bool) -> Result<()> {
    if path.exists() && !force {
        bail!(
            "{}: expected a new file, found one that is there; use --force to write over it",
            path.display()
        );
    }
    // A directory may be meant; whoever writes a file there refuses one.
    if !path.is_dir() {
        check_target(path)?;
    }
    let directory = path.parent().filter(|path| !path.as_os_str().is_empty());
    match directory {
        Some(directory) if !directory.is_dir() => bail!(
            "{}: expected a path in a directory that is there, found that {} is none",
            path.display(),
            directory.display()
        ),
        _ => Ok(()),
    }
}
