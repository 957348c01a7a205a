//! `hourglass sample`

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result};
use burn::tensor::backend::{AutodiffBackend, Backend};
use hourglass_data::{Split, Subset, measuring_sizes};
use hourglass_models::{Autoencoder, Model, StepContext};
use hourglass_store::{Description, SavedModel};
use hourglass_tasks::{CodeMixture, MixtureOptions, codes_of, decode_images};

use crate::arguments::{DeviceArguments, LocationArguments, SampleArguments};
use crate::backend::{Chosen, SelfCheck, Task};
use crate::finished::{load_for_use, name_of};
use crate::images::Opening;
use crate::picture::PictureArguments;
use crate::progress::Stages;

/// Components of a mixture, unless told otherwise.
const COMPONENTS: NonZeroUsize = NonZeroUsize::new(10).expect("10 is not 0");

/// Draw new images from a model
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass sample variational\n  hourglass sample runs/variational-1 --count 100 --seed 7 --out digits.png\n  hourglass sample conv --data mnist-mini --components 20 --out digits.png\n  hourglass sample variational --count 20 --out digits.gif\n\nThe pictures are the means of p(x|z). Codes of a variational model are drawn from its prior, N(0, 1). Other families have no prior. A mixture of normal distributions is fitted to the codes of the training images (for codes of more than 64 numbers, to their first 64 principal components), and new codes are drawn from it. With --components, this is done for a variational model too, whose codes may not be distributed like its prior. A GIF shows one image after the other."
)]
pub(crate) struct Arguments {
    /// A run directory, or a published model
    model: PathBuf,
    /// How many images to draw
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// Images per row [default: as many as there are rows]
    #[arg(long, value_name = "N")]
    columns: Option<NonZeroUsize>,
    /// The seed of the codes
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many components the mixture has [default: 10; for variational models no mixture, since they have a prior]
    #[arg(long, value_name = "N")]
    components: Option<NonZeroUsize>,
    /// The images to whose codes the mixture is fitted: a name from the catalog or a path [default: the data that the model was
    /// trained on]
    #[arg(long)]
    data: Option<String>,
    /// Use only the first N of these images
    #[arg(long, value_name = "N", default_value = "10000")]
    limit: NonZeroUsize,
    /// What to write: a PNG or a GIF; of a model of rows or vectors a .csv, .parquet or .npy file [default: samples.png, samples.csv or
    /// samples.npy]
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
    let out = picture.target(arguments.out.as_deref(), "samples", &description)?;
    let has_prior = description.model.has_prior();
    let components = match arguments.components {
        None if has_prior => None,
        components => Some(components.unwrap_or(COMPONENTS)),
    };
    let fitted = match components {
        Some(components) => Some((
            components,
            training_samples(arguments, &saved, &description)?,
        )),
        None => None,
    };
    let chosen = Chosen::from_arguments(&arguments.device)?;
    let images = chosen.run(Drawing {
        arguments,
        saved: &saved,
        description: &description,
        fitted,
    })?;
    let square = f64::from(arguments.count).sqrt().ceil() as usize;
    let columns = arguments.columns.map_or(square, NonZeroUsize::get);
    let features = description.shape().features();
    let frames = images.chunks(features).map(|image| (image.to_vec(), 1));
    let rows = [images.clone()];
    arguments
        .picture
        .write(&out, &description, (&rows, columns), frames)
}

/// The samples to whose codes a mixture is fitted.
fn training_samples(
    arguments: &Arguments,
    saved: &SavedModel,
    description: &Description,
) -> Result<Subset> {
    let opening = Opening {
        saved,
        description,
        locations: &arguments.locations.locations(),
        how: &arguments.samples,
    };
    let samples = opening.samples(arguments.data.as_deref(), Some(Split::Train))?;
    Ok(samples.limit(arguments.limit.get())?)
}

struct Drawing<'a> {
    arguments: &'a Arguments,
    saved: &'a SavedModel,
    description: &'a Description,
    /// The components of a mixture, and the images to whose codes it is fitted.
    fitted: Option<(NonZeroUsize, Subset)>,
}

impl Task for Drawing<'_> {
    type Output = Result<Vec<f32>>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Result<Vec<f32>> {
        let (count, seed) = (self.arguments.count as usize, self.arguments.seed);
        let fitted = self.fitted.as_ref().map_or(0, |(_, images)| images.len());
        let shape = self.description.shape();
        let sizes = [count, fitted].map(|images| measuring_sizes(images, shape));
        let sizes = sizes.concat();
        let model = load_for_use(self.saved, &sizes, self_check, device)?;
        let code = self.description.model.code();
        let codes = match &self.fitted {
            Some((components, images)) => {
                let options = MixtureOptions {
                    components: components.get(),
                    seed,
                    ..Default::default()
                };
                let mixture = mixture(&model, images, code, &options, device);
                let mixture = mixture.with_context(|| name_of(self.saved))?;
                mixture.sample(count, seed)
            }
            None => {
                let context = StepContext::evaluate(seed, 0);
                let codes = model.sample_prior(count, &context, device);
                let codes = codes.context("the model has no prior to draw codes from")?;
                codes.into_data().iter::<f32>().collect()
            }
        };
        decode_images(&model, &codes, code, shape, device).with_context(|| name_of(self.saved))
    }
}

/// Fits a mixture to the codes of images, and says how well.
fn mixture<B: Backend>(
    model: &Model<B>,
    images: &Subset,
    code: usize,
    options: &MixtureOptions,
    device: &B::Device,
) -> Result<CodeMixture> {
    let mut stages = Stages::new();
    let mut show = |phase: &str, done, total| stages.update(phase, done, total);
    let codes = codes_of(model, images, device, &mut show)?;
    let mixture = CodeMixture::fit(&codes, code, options, &mut show);
    stages.finish();
    let mixture = mixture?;
    if let Some((components, share)) = mixture.principal_components() {
        note!(
            "of the {code} dimensions of the codes, {components} principal components with {:.1} % of the variance are drawn",
            100.0 * share
        );
    }
    let fit = mixture.fitted();
    note!(
        "{} components fitted to the codes of {} images in {} steps: a mean log-likelihood of {:.2} nats",
        options.components,
        images.len(),
        fit.log_likelihoods.len() - 1,
        fit.log_likelihoods.last().copied().unwrap_or(f64::NAN)
    );
    Ok(mixture)
}
