//! `hourglass interpolate`

use std::path::PathBuf;

use anyhow::{Context, Result};
use burn::tensor::backend::AutodiffBackend;
use clap::ValueEnum;
use hourglass_data::measuring_sizes;
use hourglass_store::{Description, SavedModel};
use hourglass_tasks::stream::codes_of_pixels;
use hourglass_tasks::{Path, decode_images, interpolate};

use crate::arguments::{DeviceArguments, LocationArguments, SampleArguments};
use crate::backend::{Chosen, SelfCheck, Task};
use crate::finished::{load_for_use, name_of};
use crate::images::Opening;
use crate::picture::{PictureArguments, to_and_fro};

/// Go from one image to another through their codes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass interpolate variational three.png eight.png --out way.png\n  hourglass interpolate variational test:0 test:1 --data mnist-mini --steps 12 --out way.gif\n  hourglass interpolate conv test:3 test:9 --data mnist-mini --path spherical\n\nA PNG shows the two images at its ends, and between them the images decoded on the way. A GIF shows the images decoded on the way, there and back."
)]
pub(crate) struct Arguments {
    /// A run directory, or a published model
    model: PathBuf,
    /// The first image: a file, or test:NUMBER or train:NUMBER of the data
    from: String,
    /// The last image, given in the same way
    to: String,
    /// The data whose images are numbered [default: the data that the model was trained on]
    #[arg(long)]
    data: Option<String>,
    /// How many codes to decode on the way, both ends included
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=1000))]
    steps: u32,
    /// The shape of the path between the codes
    #[arg(long, value_enum, default_value_t = PathName::Linear)]
    path: PathName,
    /// What to write: a PNG or a GIF; of a model of rows or vectors a .csv, .parquet or .npy file [default: interpolation.png, interpolation.csv or
    /// interpolation.npy]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Images per row [default: all]
    #[arg(long, value_name = "N")]
    columns: Option<std::num::NonZeroUsize>,
    #[command(flatten)]
    picture: PictureArguments,
    #[command(flatten)]
    samples: SampleArguments,
    #[command(flatten)]
    device: DeviceArguments,
    #[command(flatten)]
    locations: LocationArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PathName {
    /// A straight line
    Linear,
    /// A circle about the origin: codes of a normal distribution have nearly the same distance from it
    Spherical,
}

impl From<PathName> for Path {
    fn from(name: PathName) -> Self {
        match name {
            PathName::Linear => Self::Linear,
            PathName::Spherical => Self::Spherical,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let saved = SavedModel::find(&arguments.model)?;
    let description = saved.description()?;
    let picture = &arguments.picture;
    let out = picture.target(arguments.out.as_deref(), "interpolation", &description)?;
    let data = arguments.data.as_deref();
    let locations = arguments.locations.locations();
    let opening = Opening {
        saved: &saved,
        description: &description,
        locations: &locations,
        how: &arguments.samples,
    };
    let open = |image: &str| opening.one(image, data);
    let ends = [open(&arguments.from)?, open(&arguments.to)?];
    let way = Chosen::from_arguments(&arguments.device)?.run(Way {
        saved: &saved,
        description: &description,
        ends: &ends,
        steps: arguments.steps as usize,
        path: arguments.path.into(),
    })?;
    let features: usize = description.shape().features();
    let [from, to] = ends;
    let row = [from, way.clone(), to].concat();
    let all = arguments.steps as usize + 2;
    let columns = arguments.columns.map_or(all, std::num::NonZeroUsize::get);
    let frames = to_and_fro(arguments.steps as usize);
    let frames = frames.map(|step| (way[step * features..][..features].to_vec(), 1));
    arguments
        .picture
        .write(&out, &description, (&[row], columns), frames)
}

struct Way<'a> {
    saved: &'a SavedModel,
    description: &'a Description,
    ends: &'a [Vec<f32>; 2],
    steps: usize,
    path: Path,
}

impl Task for Way<'_> {
    type Output = Result<Vec<f32>>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Result<Vec<f32>> {
        let shape = self.description.shape();
        let [whole, rest] = measuring_sizes(self.steps, shape);
        let model = load_for_use(self.saved, &[2, whole, rest], self_check, device)?;
        let codes = codes_of_pixels(&model, self.ends, device); // [2, code]
        let code = self.description.model.code();
        let (from, to) = codes.split_at(code);
        let way = interpolate(from, to, self.steps, self.path);
        decode_images(&model, &way, code, shape, device).with_context(|| name_of(self.saved))
    }
}
