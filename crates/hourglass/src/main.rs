//! Train, measure and use autoencoders on any GPU or on the CPU.

// `say!` and `note!` do not panic where the output can't be written.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod output;

#[cfg(feature = "wgpu")]
mod adapters;
mod backend;
mod card;
mod cli;
mod commands;
mod images;
mod progress;
mod recipes;
mod report;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Gives the system what memory is free, which the allocator keeps for a while to use it again.
#[expect(unsafe_code, reason = "the allocator has this in C alone")]
pub(crate) fn give_back_memory() {
    // SAFETY: it may be called at any time.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// A mistake in how the program was called: exit code 2, as for those that clap finds.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

fn main() -> ExitCode {
    let cli = Cli::parse();
    hourglass_kernels::limit_threads();
    let done = match cli.plain {
        true => hourglass_kernels::without_kernels(|| run(cli)),
        false => run(cli),
    };
    match done {
        Ok(code) => code,
        // What was to be done is done: only nobody reads what came of it.
        Err(_) if output::is_unread() => ExitCode::SUCCESS,
        Err(error) => {
            note!("error: {error:#}");
            if error.is::<UsageError>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Train(arguments) => return commands::train::run(&arguments),
        Command::Evaluate(arguments) => commands::evaluate::run(&arguments)?,
        Command::Compare(arguments) => commands::compare::run(&arguments)?,
        Command::Report(arguments) => commands::report::run(&arguments)?,
        Command::Export(arguments) => commands::export::run(&arguments)?,
        Command::Import(arguments) => commands::import::run(&arguments)?,
        Command::Card(arguments) => commands::card::run(&arguments)?,
        Command::Models(arguments) => commands::models::run(&arguments)?,
        Command::Reconstruct(arguments) => commands::reconstruct::run(&arguments)?,
        Command::Denoise(arguments) => commands::denoise::run(&arguments)?,
        Command::Inpaint(arguments) => commands::inpaint::run(&arguments)?,
        Command::Sample(arguments) => commands::sample::run(&arguments)?,
        Command::Interpolate(arguments) => commands::interpolate::run(&arguments)?,
        Command::Traverse(arguments) => commands::traverse::run(&arguments)?,
        Command::Encode(arguments) => commands::encode::run(&arguments)?,
        Command::Decode(arguments) => commands::decode::run(&arguments)?,
        Command::Detect(arguments) => commands::detect::run(&arguments)?,
        Command::Embed(arguments) => commands::embed::run(&arguments)?,
        Command::Compress(arguments) => commands::compress::run(&arguments)?,
        Command::Decompress(arguments) => commands::decompress::run(&arguments)?,
        Command::Data { command } => commands::data::run(&command)?,
        Command::Devices(arguments) => commands::devices::run(&arguments)?,
        Command::Bench(arguments) => commands::bench::run(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
