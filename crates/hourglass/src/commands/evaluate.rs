//! `hourglass evaluate`

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use burn::train::Interrupter;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use hourglass_data::{Shape, Split, Subset};
use hourglass_measure::{Measure, Report, Request};
use hourglass_store::{Description, SavedModel};
use hourglass_train::self_check::Sizes;
use serde_json::{Value, json};

use crate::arguments::{DeviceArguments, LocationArguments, SampleArguments};
use crate::backend::{Chosen, SelfCheck, Task};
use crate::evaluated::{Examination, baselines, estimates, images};
use crate::finished::check_model;
use crate::images::{Opening, open};
use crate::interrupt::listen_for_interrupts;
use crate::text::{evaluation_text, report_text};

/// What the error should tell from the digits unless another data set is named, and the shape of its images: images of
/// other shapes are not compared with what would have to be squeezed to them.
const OUTLIERS: (&str, Shape) = ("fashion-mnist", Shape::new(1, 28, 28));

/// Measure a model on a split, with PCA beside it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass evaluate runs/variational-1\n  hourglass evaluate runs/variational-1 --measures density --samples 5000\n  hourglass evaluate runs/variational-1 --data fashion-mnist --json\n\nThe log-likelihood's estimate is kept in RUN/log-likelihood, image by image: a second call goes on where the first was killed, and `hourglass compare` compares models by it."
)]
pub(crate) struct Arguments {
    /// A run directory, or a published model
    model: PathBuf,
    /// A name of the catalog or a path [default: the data that the model was trained on]
    #[arg(long)]
    data: Option<String>,
    /// train, validation or test [default: test; where there are no test images, validation, else train]
    #[arg(long)]
    split: Option<Split>,
    /// What to measure beside the error and the family's own terms [default: all]
    #[arg(long, value_parser = measures(), value_delimiter = ',', value_name = "NAME,...")]
    measures: Option<Vec<Measure>>,
    /// The data set that the model should tell from its own, brought to its shape [default: fashion-mnist, where it was
    /// fetched and the model's images are of its shape, 1x28x28]
    #[arg(long, value_name = "DATA")]
    outliers: Option<String>,
    /// Importance samples per image, for the log-likelihood; the field's tables have 5000
    #[arg(long, value_name = "K", default_value = "50")]
    samples: NonZeroUsize,
    /// Images whose Jacobians are computed
    #[arg(long, value_name = "N", default_value = "200")]
    jacobian_images: NonZeroUsize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArguments,
    #[command(flatten)]
    how: SampleArguments,
    #[command(flatten)]
    locations: LocationArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let saved = SavedModel::find(&arguments.model)?;
    let description = saved.description()?;
    let locations = arguments.locations.locations();
    let name = arguments.data.as_ref().unwrap_or(&description.data.name);
    let opening = Opening {
        saved: &saved,
        description: &description,
        locations: &locations,
        how: &arguments.how,
    };
    let images = images(arguments.split, &opening, name)?;
    let split = &images.split;
    let chosen = Chosen::from_arguments(&arguments.device)?;
    let others = match &arguments.outliers {
        Some(others) => Ok(outlier_images(others, arguments, &description, split)?),
        None => default_outliers(arguments, &description, split),
    };
    let others = others.map_err(|error| format!("{error:#}"));
    let cache = baselines(&locations);
    let estimates = estimates(&saved, &locations, &chosen, (name, images.name));
    let interrupter = Interrupter::new();
    listen_for_interrupts(&interrupter);
    let report = chosen.run(Evaluate {
        measures: arguments.measures.as_deref().unwrap_or(Measure::ALL),
        examination: Examination {
            saved: &saved,
            config: &description.model,
            split,
            training: images.training.as_ref().map_err(String::as_str),
            request: Request {
                samples: arguments.samples,
                estimates: estimates.as_ref(),
                labelled: &images.labelled,
                jacobian_images: arguments.jacobian_images.get(),
                outliers: others.as_ref().map_err(String::as_str),
                cache: cache.as_ref(),
            },
            interrupter: &interrupter,
        },
    })?;
    if arguments.json {
        // The weights were hashed once already, to find earlier estimates.
        let model_sha256 = match estimates {
            Some(estimates) => estimates.model_sha256,
            None => saved.sha256()?,
        };
        let json = to_json(
            &model_sha256,
            &description,
            arguments,
            (name, images.name),
            &chosen,
            &report,
        );
        say!("{json:#}")?;
    } else {
        let split = images.name.to_string();
        say!(
            "{} on {name}, {}",
            arguments.model.display(),
            evaluation_text(&report.evaluation, &split)
        )?;
        crate::output::text(&report_text(&report))?;
    }
    if interrupter.should_stop() {
        bail!("interrupted; what was left out can be measured by the same command");
    }
    Ok(())
}

/// What `--json` prints.
fn to_json(
    model_sha256: &str,
    description: &Description,
    arguments: &Arguments,
    (data, split): (&str, Split),
    chosen: &Chosen,
    report: &Report,
) -> Value {
    let mut map = serde_json::Map::new();
    map.insert("run".into(), json!(arguments.model));
    map.insert("model_sha256".into(), json!(model_sha256));
    map.insert("family".into(), json!(description.model.family()));
    map.insert("model".into(), json!(description.model));
    map.insert("data".into(), json!(data));
    map.insert("split".into(), json!(split.to_string()));
    map.insert("backend".into(), json!(chosen.name()));
    map.insert("units".into(), json!(description.units));
    map.extend(report.to_json());
    Value::Object(map)
}

/// The images that the model should tell from its own where none are named.
fn default_outliers(
    arguments: &Arguments,
    description: &Description,
    split: &Subset,
) -> Result<Subset> {
    let (name, expected) = OUTLIERS;
    let found = description.shape();
    if found != expected {
        bail!(
            "{name} has images of {expected}, and the model's are of {found}; name a data set by --outliers, whose images \
             are brought to that shape"
        );
    }
    outlier_images(name, arguments, description, split)
}

/// The images of another data set, as many as are measured at most.
fn outlier_images(
    name: &str,
    arguments: &Arguments,
    description: &Description,
    split: &Subset,
) -> Result<Subset> {
    if name == split.dataset().name() || name == description.data.name {
        bail!("{name} is what the model knows; name another data set by --outliers");
    }
    let options = arguments.how.for_model(&description.input);
    let splits = open(name, &arguments.locations.locations(), &options)?;
    Ok(Subset::all(splits.test()?).limit(split.len())?)
}

/// The measures by their names, with what they are.
fn measures() -> impl TypedValueParser<Value = Measure> {
    let all = Measure::ALL.iter();
    let names = all.map(|measure| PossibleValue::new(measure.name()).help(measure.summary()));
    PossibleValuesParser::new(names)
        .try_map(|name| Measure::named(&name).ok_or("expected a measure's name"))
}

struct Evaluate<'a> {
    examination: Examination<'a>,
    measures: &'a [Measure],
}

impl Task for Evaluate<'_> {
    type Output = Result<Report>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Result<Report> {
        let Self {
            examination,
            measures,
        } = self;
        let saved = examination.saved;
        let load = || saved.load::<B>(device).context("the model can't be loaded");
        let sizes = Sizes {
            losses: examination.sizes(measures),
            ..Sizes::default()
        };
        let (config, split) = (examination.config, examination.split);
        check_model(self_check, load, config, None, split, &sizes, device)?;
        let report = examination.run(&load()?.valid(), measures, device);
        report.map_err(|reason| anyhow!("{}: {reason}", saved.name().display()))
    }
}
