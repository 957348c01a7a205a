//! Train, measure and use autoencoders on any GPU or on the CPU.

// `say!` and `note!` do not panic where the output can't be written.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod output;

#[cfg(feature = "wgpu")]
mod adapters;
mod arguments;
mod backend;
mod card;
mod coding;
mod commands;
mod evaluated;
mod finished;
mod images;
mod interrupt;
mod memory;
mod normal_images;
mod picture;
mod progress;
mod recipes;
mod restoration;
mod text;
mod usage;

use std::process::ExitCode;

use clap::Parser;
use usage::UsageError;

/// Train, measure and use autoencoders on any GPU or on the CPU
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    /// Disable our CPU kernels and compute with Burn's own operations only: slower, for comparison
    #[arg(long, global = true)]
    plain: bool,
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    hourglass_kernels::limit_threads();
    let done = match cli.plain {
        true => hourglass_kernels::without_kernels(|| cli.command.run()),
        false => cli.command.run(),
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
