//! `hourglass reconstruct`

use anyhow::Result;
use hourglass_tasks::Reconstructor;

use crate::restoration::{RestorationArguments, RestorationWords};

/// Reconstruct images, to show what is left of them after they went through the code
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass reconstruct conv digit.png --out reconstructed\n  hourglass reconstruct conv photographs --out reconstructed --on-error skip\n  hourglass reconstruct variational mnist-mini --grid-only --out mini --json\n\nImages are brought to the model's shape: cropped in the middle, scaled, and made grey or coloured. grid.png shows them above their reconstructions. The numbers are measured on the reconstructions before their values are rounded to bytes."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    restoration: RestorationArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let words = RestorationWords {
        truth: true,
        baseline: "",
        settings: Vec::new(),
    };
    arguments
        .restoration
        .prepare()?
        .run(&mut Reconstructor, &words)
}
