//! The registry of commands, one file each.

use std::process::{ExitCode, Termination};

use anyhow::Result;
use clap::Subcommand;

/// Makes the commands of a list of them, in the order of the help.
macro_rules! commands {
    ($($module:ident: $name:ident;)+) => {
        $(mod $module;)+

        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $($name($module::Arguments),)+
        }

        impl Command {
            pub(crate) fn run(&self) -> Result<ExitCode> {
                Ok(match self {
                    $(Self::$name(arguments) => $module::run(arguments)?.report(),)+
                })
            }
        }
    };
}

commands! {
    train: Train;
    evaluate: Evaluate;
    compare: Compare;
    report: Report;
    export: Export;
    import: Import;
    card: Card;
    models: Models;
    reconstruct: Reconstruct;
    denoise: Denoise;
    inpaint: Inpaint;
    sample: Sample;
    interpolate: Interpolate;
    traverse: Traverse;
    encode: Encode;
    decode: Decode;
    detect: Detect;
    embed: Embed;
    compress: Compress;
    decompress: Decompress;
    data: Data;
    devices: Devices;
    bench: Bench;
}
