//! `hourglass denoise`

use anyhow::Result;
use clap::ValueEnum;
use hourglass_models::Corruption;
use hourglass_tasks::Denoiser;
use serde_json::json;

use crate::images::require_images;
use crate::restoration::{RestorationArguments, RestorationWords};

/// Clean noisy images
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass denoise denoising scans --out clean\n  hourglass denoise denoising mnist-mini --corrupt masking:0.3 --out clean\n  hourglass denoise runs/denoising-1 digit.png --corrupt gaussian:0.5 --seed 7 --out clean\n\nThe images are taken as noisy, unless --corrupt adds the noise to them. Then they count as the truth, and the errors are printed. A model removes best the kind of noise that it was trained to remove: `hourglass train denoising --set objective.corruption=gaussian --set objective.level=0.5`."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    restoration: RestorationArguments,
    /// Add noise first, to measure how well it is removed: masking:SHARE, gaussian:DEVIATION or salt-and-pepper:SHARE
    #[arg(long, value_name = "KIND:LEVEL", value_parser = parse_corruption)]
    corrupt: Option<(Corruption, f64)>,
    /// The seed of the noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// The kinds of noise by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Masking,
    Gaussian,
    SaltAndPepper,
}

fn parse_corruption(text: &str) -> Result<(Corruption, f64), String> {
    let parts = text.split_once(':').and_then(|(kind, level)| {
        let corruption = match Kind::from_str(kind, false).ok()? {
            Kind::Masking => Corruption::Masking,
            Kind::Gaussian => Corruption::Gaussian,
            Kind::SaltAndPepper => Corruption::SaltAndPepper,
        };
        Some((corruption, level.parse().ok()?))
    });
    match parts {
        Some((corruption, level)) if corruption.accepts(level) => Ok((corruption, level)),
        Some(_) => Err("expected a share of the pixels in [0, 1], or a standard deviation of at least 0 for gaussian".into()),
        None => Err("expected masking:SHARE, gaussian:DEVIATION or salt-and-pepper:SHARE, such as masking:0.3".into()),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let words = RestorationWords {
        truth: arguments.corrupt.is_some(),
        baseline: "the noisy images",
        settings: vec![
            ("corruption", json!(arguments.corrupt)),
            ("seed", json!(arguments.seed)),
        ],
    };
    let mut how = Denoiser {
        corruption: arguments.corrupt,
        seed: arguments.seed,
    };
    let prepared = arguments.restoration.prepare()?;
    let instead = "`hourglass reconstruct` gives rows and vectors as the model sees them";
    require_images(&prepared.description, "denoise", instead)?;
    prepared.run(&mut how, &words)
}
