//! `hourglass traverse`

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use burn::tensor::backend::AutodiffBackend;
use hourglass_data::{Split, Subset, measuring_sizes};
use hourglass_store::{Description, SavedModel};
use hourglass_tasks::stream::codes_of_pixels;
use hourglass_tasks::{CodeStatistics, codes_of, decode_images, normal_quantile, traverse};

use crate::arguments::{DeviceArguments, LocationArguments, SampleArguments};
use crate::backend::{Chosen, SelfCheck, Task};
use crate::finished::{load_for_use, name_of};
use crate::images::Opening;
use crate::picture::{PictureArguments, to_and_fro};
use crate::progress::Stages;
use crate::usage::UsageError;

/// The share of images, or of the prior, below the first value of a dimension, and above the last.
const OUTSIDE: f64 = 0.02;
/// Dimensions shown, unless told otherwise.
const DIMENSIONS: usize = 20;
/// Images whose codes are ranged over.
const IMAGES: usize = 10_000;

/// Change one dimension of the code at a time
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass traverse variational\n  hourglass traverse variational --image test:7 --data mnist-mini --dimensions 0,3,5 --out seven.gif\n  hourglass traverse conv --data mnist-mini --out dimensions.png\n\nEach row of the picture shows one dimension, from the value that 2 % lie below to the value that 2 % lie above: 2 % of the prior N(0, 1) for a variational model, and of the codes of the training images for others. The other dimensions keep the values that they have in the code of --image. Without --image they stay at 0 for a variational model, and at the mean code for others. A GIF shows all dimensions at once as they change."
)]
pub(crate) struct Arguments {
    /// A run directory, or a published model
    model: PathBuf,
    /// Where to start: an image file, or test:NUMBER or train:NUMBER of the data
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Which dimensions of the code to change, counted from 0 [default: at most 20; for families without a prior, those with the
    /// widest ranges]
    #[arg(long, value_delimiter = ',', value_name = "N,...")]
    dimensions: Option<Vec<usize>>,
    /// How many values to show of each dimension
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u32).range(2..=200))]
    steps: u32,
    /// The images whose codes give the range of each dimension, and which --image numbers [default: the data that the model was
    /// trained on]
    #[arg(long)]
    data: Option<String>,
    /// What to write: a PNG or a GIF; of a model of rows or vectors a .csv, .parquet or .npy file [default: traversal.png, traversal.csv or
    /// traversal.npy]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    #[command(flatten)]
    picture: PictureArguments,
    #[command(flatten)]
    samples: SampleArguments,
    #[command(flatten)]
    device: DeviceArguments,
    #[command(flatten)]
    locations: LocationArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let saved = SavedModel::find(&arguments.model)?;
    let description = saved.description()?;
    let picture = &arguments.picture;
    let out = picture.target(arguments.out.as_deref(), "traversal", &description)?;
    let code = description.model.code();
    let dimensions = arguments.dimensions.as_deref().unwrap_or_default();
    if let Some(dimension) = dimensions.iter().find(|&&dimension| dimension >= code) {
        bail!(UsageError(format!(
            "--dimensions: expected numbers below {code}, the size of the code, found {dimension}"
        )));
    }
    let (data, locations) = (arguments.data.as_deref(), arguments.locations.locations());
    let opening = Opening {
        saved: &saved,
        description: &description,
        locations: &locations,
        how: &arguments.samples,
    };
    let image = arguments.image.as_deref();
    let image = image.map(|image| opening.one(image, data));
    let has_prior = description.model.has_prior();
    let training = match has_prior {
        true => None,
        false => {
            let samples = opening.samples(data, Some(Split::Train))?;
            Some(samples.limit(IMAGES)?)
        }
    };
    let (dimensions, images) = Chosen::from_arguments(&arguments.device)?.run(Walk {
        arguments,
        saved: &saved,
        description: &description,
        image: image.transpose()?,
        training,
    })?;
    let names: Vec<String> = dimensions.iter().map(ToString::to_string).collect();
    note!("dimensions {}", names.join(", "));
    let features: usize = description.shape().features();
    let steps = arguments.steps as usize;
    let columns = (dimensions.len() as f64).sqrt().ceil() as usize;
    let frames = to_and_fro(steps).map(|step| {
        let shown = images.chunks(features).skip(step).step_by(steps);
        (shown.flatten().copied().collect(), columns)
    });
    let rows = [images.clone()];
    arguments
        .picture
        .write(&out, &description, (&rows, steps), frames)
}

struct Walk<'a> {
    arguments: &'a Arguments,
    saved: &'a SavedModel,
    description: &'a Description,
    image: Option<Vec<f32>>,
    /// The images whose codes are ranged over, for families without a prior.
    training: Option<Subset>,
}

impl Task for Walk<'_> {
    /// The dimensions, and `[dimensions, steps, features]`.
    type Output = Result<(Vec<usize>, Vec<f32>)>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Self::Output {
        let code = self.description.model.code();
        let steps = self.arguments.steps as usize;
        let shown = match &self.arguments.dimensions {
            Some(dimensions) => dimensions.len(),
            None => code.min(DIMENSIONS),
        };
        let training = self.training.as_ref().map_or(0, Subset::len);
        let single = usize::from(self.image.is_some());
        let counts = [single, training, shown * steps];
        let shape = self.description.shape();
        let sizes = counts.map(|images| measuring_sizes(images, shape)).concat();
        let model = load_for_use(self.saved, &sizes, self_check, device)?;
        let statistics = self.training.map(|images| {
            let mut stages = Stages::new();
            let codes = codes_of(&model, &images, device, &mut |phase, done, total| {
                stages.update(phase, done, total);
            });
            stages.finish();
            let codes = codes.with_context(|| name_of(self.saved))?;
            Ok::<_, anyhow::Error>(CodeStatistics::new(&codes, code))
        });
        let statistics = statistics.transpose()?;
        let start = match (self.image, &statistics) {
            (Some(image), _) => codes_of_pixels(&model, &[image], device),
            (None, Some(statistics)) => statistics.mean().to_vec(),
            (None, None) => vec![0.0; code],
        };
        let dimensions = self.arguments.dimensions.clone();
        let dimensions = dimensions.unwrap_or_else(|| match &statistics {
            Some(statistics) => statistics.widest(OUTSIDE, 1.0 - OUTSIDE),
            None => (0..code).collect(),
        });
        let dimensions = dimensions[..shown].to_vec();
        let mut codes = Vec::with_capacity(shown * steps * code);
        for &dimension in &dimensions {
            let values = (0..steps).map(|step| {
                let share = OUTSIDE + (1.0 - 2.0 * OUTSIDE) * step as f64 / (steps - 1) as f64;
                match &statistics {
                    Some(statistics) => statistics.quantile(dimension, share),
                    None => normal_quantile(share) as f32,
                }
            });
            codes.extend(traverse(&start, dimension, values).flatten());
        }
        let images = decode_images(&model, &codes, code, shape, device);
        Ok((dimensions, images.with_context(|| name_of(self.saved))?))
    }
}
