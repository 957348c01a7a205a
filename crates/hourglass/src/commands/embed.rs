//! `hourglass embed`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::tensor::backend::AutodiffBackend;
use clap::ValueEnum;
use hourglass_data::{Kind, Subset, measuring_sizes};
use hourglass_figures::{PointMap, Thumbnail, map, raster};
use hourglass_files::write_atomically;
use hourglass_store::SavedModel;
use hourglass_tasks::codes::LabelKind;
use hourglass_tasks::codes_of;
use hourglass_tasks::embed::{Method, embed, spread_out};

use crate::arguments::DeviceArguments;
use crate::backend::{Chosen, SelfCheck, Task};
use crate::finished::{load_for_use, name_of};
use crate::images::SourceArguments;
use crate::output::check_is_new;
use crate::progress::Stages;
use crate::usage::UsageError;

/// The most thumbnails per row and per column of the map.
const THUMBNAILS: usize = 16;

/// Classical scaling needs a matrix of all distances, and t-SNE a second for a few thousand steps of as many images.
const MOST_SCALED: usize = 5000;
const MOST_DRAWN: usize = 50_000;

/// Draw a map of images by their codes, as an SVG or a PNG
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass embed variational --data mnist\n  hourglass embed runs/conv-1 photos --method tsne --limit 1000 --out map.png\n\nEach dot is an image, coloured by its label if there are labels. Some images are shown where they lie. pca keeps large distances; mds gives the same map, computed from distances. tsne keeps neighbourhoods, and the distances between its groups mean nothing."
)]
pub(crate) struct Arguments {
    /// A run directory, or a published model
    model: PathBuf,
    #[command(flatten)]
    source: SourceArguments,
    /// How codes become points of the map [default: code for a code of 2 numbers, or else pca]
    #[arg(long, value_enum)]
    method: Option<MethodName>,
    /// How many images to show, chosen at random [default: 2000]
    #[arg(long, value_name = "N", default_value_t = 2000, hide_default_value = true, value_parser = parse_limit)]
    limit: usize,
    /// The seed of the random choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Leave out the thumbnails
    #[arg(long)]
    dots: bool,
    /// The picture to write, an SVG or a PNG (whose font has no Chinese, Japanese or Korean letters)
    #[arg(long, value_name = "FILE", default_value = "map.svg")]
    out: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    device: DeviceArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MethodName {
    /// The code itself, which must have 2 numbers
    Code,
    /// The first two principal components
    Pca,
    /// Classical multidimensional scaling
    Mds,
    /// t-SNE with perplexity 30
    Tsne,
}

fn parse_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit @ 1..=MOST_DRAWN) => Ok(limit),
        _ => Err(format!("expected 1 to {MOST_DRAWN} images")),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let to_png = is_png(&arguments.out)?;
    let saved = SavedModel::find(&arguments.model)?;
    let description = saved.description()?;
    check_is_new(&arguments.out, arguments.force)?;
    let code = description.model.code();
    let (method, name) = method(arguments.method, code)?;
    let images = arguments.source.open(&saved, &description)?;
    let images = images.sample(arguments.limit, arguments.seed);
    if method == Method::Mds && images.len() > MOST_SCALED {
        bail!(UsageError(format!(
            "--limit {}: expected at most {MOST_SCALED} with --method mds, which takes the distances of all pairs",
            arguments.limit
        )));
    }
    let points = Chosen::from_arguments(&arguments.device)?.run(Embed {
        saved: &saved,
        images: &images,
        method,
        code,
    })?;
    let content = PointMap {
        title: format!("{}: {}", saved.name().display(), images.dataset().name()),
        subtitle: format!(
            "{} {}, {name} of codes of {code} numbers, seed {}",
            images.len(),
            description.input.kind().many(),
            arguments.seed
        ),
        thumbnails: match arguments.dots || description.input.kind() != Kind::Image {
            true => Vec::new(),
            false => thumbnails(&images, &points),
        },
        points,
        shape: description.shape().to_array(),
        ..labelled(&images)
    };
    let svg = map(&content)?;
    match to_png {
        true => write_atomically(&arguments.out, &raster(&svg)?)?,
        false => write_atomically(&arguments.out, svg.as_bytes())?,
    }
    say!("{}", arguments.out.display())?;
    Ok(())
}

/// Whether the name of the picture asks for a PNG; it must for that or an SVG.
fn is_png(path: &Path) -> Result<bool> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("png") => Ok(true),
        Some("svg") => Ok(false),
        _ => bail!(UsageError(format!(
            "--out {}: expected a name that ends in .svg or .png",
            path.display()
        ))),
    }
}

fn method(name: Option<MethodName>, code: usize) -> Result<(Method, &'static str)> {
    Ok(match name {
        Some(MethodName::Code) if code != 2 => bail!(UsageError(format!(
            "--method code: expected a model whose code is 2 numbers, found {code}; take pca, mds or tsne"
        ))),
        Some(MethodName::Code) => (Method::Code, "the plane"),
        None if code == 2 => (Method::Code, "the plane"),
        None | Some(MethodName::Pca) => (Method::Pca, "principal components"),
        Some(MethodName::Mds) => (Method::Mds, "classical scaling"),
        Some(MethodName::Tsne) => (Method::Tsne, "t-SNE"),
    })
}

/// The labels of images, and what they are called.
fn labelled(images: &Subset) -> PointMap {
    let dataset = images.dataset();
    let kind = LabelKind::of(dataset);
    let indices = images.indices().iter();
    let labels = indices.filter_map(|&index| dataset.label(index as usize));
    let labels: Vec<u8> = labels.collect();
    let there = (0..=u8::MAX).filter(|label| labels.contains(label));
    PointMap {
        names: there.map(|label| (label, kind.text(label))).collect(),
        labels,
        ..PointMap::default()
    }
}

fn thumbnails(images: &Subset, points: &[[f64; 2]]) -> Vec<Thumbnail> {
    let pixels = |point: usize| {
        let index = images.indices()[point] as usize;
        images.dataset().features_of(index)
    };
    spread_out(points, THUMBNAILS)
        .into_iter()
        .map(|point| Thumbnail {
            point,
            pixels: pixels(point),
        })
        .collect()
}

struct Embed<'a> {
    saved: &'a SavedModel,
    images: &'a Subset,
    method: Method,
    code: usize,
}

impl Task for Embed<'_> {
    type Output = Result<Vec<[f64; 2]>>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Self::Output {
        let shape = self.images.shape();
        let sizes = measuring_sizes(self.images.len(), shape);
        let model = load_for_use(self.saved, &sizes, self_check, device)?;
        let mut stages = Stages::new();
        let codes = codes_of(&model, self.images, device, &mut |phase, done, total| {
            stages.update(phase, done, total);
        });
        let codes = codes.with_context(|| name_of(self.saved))?;
        let points = embed(self.method, &codes, self.code, &mut |step, steps| {
            stages.update("t-SNE", step, steps);
        })?;
        stages.finish();
        Ok(points)
    }
}
