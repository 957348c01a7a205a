//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::backend::BackendName;
use crate::commands;

/// Train, measure and use autoencoders on any GPU or on the CPU
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Train(commands::train::Arguments),
    Evaluate(commands::evaluate::Arguments),
    Compare(commands::compare::Arguments),
    Report(commands::report::Arguments),
    Export(commands::export::Arguments),
    Import(commands::import::Arguments),
    Card(commands::card::Arguments),
    Models(commands::models::Arguments),
    Sample(commands::sample::Arguments),
    /// List, fetch and describe data sets
    Data {
        #[command(subcommand)]
        command: commands::data::DataCommand,
    },
    Devices(commands::devices::Arguments),
}

/// Where to compute.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeviceArguments {
    /// What to compute with; auto takes a real GPU where there is one, else the CPU
    #[arg(long, value_enum, default_value_t = BackendName::Auto)]
    pub(crate) backend: BackendName,
    /// The adapter for wgpu, by its number in `hourglass devices`
    #[arg(long, value_name = "N")]
    pub(crate) device: Option<usize>,
}

/// Where data sets are.
#[derive(Debug, Clone, Args)]
pub(crate) struct LocationArguments {
    /// Where data sets are kept [default: $HOURGLASS_DATA, else the user's cache]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

impl LocationArguments {
    pub(crate) fn locations(&self) -> hourglass_data::Locations {
        hourglass_data::Locations::from_env(self.data_dir.clone())
    }
}
