//! `hourglass report`

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use burn::train::Interrupter;
use hourglass_data::{Locations, Shape, Split};
use hourglass_files::{read, read_to_string, write_atomically};
use hourglass_measure::{Cache, EstimateDirectory, Measure, Measured, Report, Request};
use hourglass_models::{Model, state_dict};
use hourglass_report::{Measurement, ModelReport, Page, Stored, html};
use hourglass_store::{
    Description, METRICS_FILE, RECIPE_FILE, RunDirectory, SavedModel, StoreError, read_metrics,
};
use hourglass_tasks::{Portrait, portrait, portrait_sizes};
use hourglass_train::self_check::Sizes;
use serde_json::{Map, Value};

use crate::arguments::{DeviceArguments, LocationArguments, SampleArguments};
use crate::backend::{Chosen, SelfCheck, Task};
use crate::evaluated::{Examination, Images, baselines, estimates, images};
use crate::finished::check_model;
use crate::images::Opening;
use crate::interrupt::listen_for_interrupts;
use crate::output::check_is_new;
use crate::progress::Stages;
use crate::recipes::flatten;

/// Importance samples per image, and images whose Jacobians are computed: what `evaluate` takes unless told otherwise.
const SAMPLES: usize = 50;
const JACOBIAN_IMAGES: usize = 200;

/// What `summary.json` says of a training that a page shows, by name.
const FACTS: [&str; 9] = [
    "training_images",
    "steps",
    "epochs",
    "best_step",
    "seconds",
    "images_per_second",
    "backend",
    "adapter",
    "hourglass",
];

/// Write one self-contained HTML page on one or more models: settings, curves, numbers and pictures
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass report runs/variational-1\n  hourglass report variational conv --out models.html\n  hourglass report runs/* --force\n\nThe page needs no network and no scripts, and can be mailed or printed. What a run lacks, because its training was killed or its data is not there, the page says. Of several models it begins with a comparison."
)]
pub(crate) struct Arguments {
    /// Run directories, or published models
    #[arg(required = true, value_name = "RUN")]
    models: Vec<PathBuf>,
    /// The page to write
    #[arg(long, value_name = "PATH", default_value = "report.html")]
    out: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    /// A name of the catalog or a path [default: the data that each model was trained on]
    #[arg(long)]
    data: Option<String>,
    /// train, validation or test [default: test; where there are no test images, validation, else train]
    #[arg(long)]
    split: Option<Split>,
    #[command(flatten)]
    device: DeviceArguments,
    #[command(flatten)]
    samples: SampleArguments,
    #[command(flatten)]
    locations: LocationArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    check_is_new(&arguments.out, arguments.force)?;
    let found = arguments.models.iter().map(|path| NamedModel::at(path));
    let found: Vec<NamedModel> = found.collect::<Result<_>>()?;
    let locations = arguments.locations.locations();
    let chosen = Chosen::from_arguments(&arguments.device)?;
    let interrupter = Interrupter::new();
    listen_for_interrupts(&interrupter);
    let models = found.iter().map(|found| {
        note!("looking at {}", found.path.display());
        found.report(arguments, &locations, &chosen, &interrupter)
    });
    let page = Page {
        program: format!(
            "hourglass {} on {}",
            env!("CARGO_PKG_VERSION"),
            chosen.name()
        ),
        models: models.collect::<Result<_>>()?,
    };
    write_atomically(&arguments.out, html(&page)?.as_bytes())?;
    say!("{}", arguments.out.display())?;
    if interrupter.should_stop() {
        bail!("interrupted; the page says what was left out of it");
    }
    Ok(())
}

/// A model, or a run whose training has not ended.
struct NamedModel {
    path: PathBuf,
    saved: Result<SavedModel, String>,
}

impl NamedModel {
    fn at(path: &Path) -> Result<Self> {
        let saved = match SavedModel::find(path) {
            Err(error @ StoreError::Unfinished { .. }) => Err(error.to_string()),
            found => Ok(found?),
        };
        Ok(Self {
            path: path.to_owned(),
            saved,
        })
    }

    /// Everything that a page says of it.
    fn report(
        &self,
        arguments: &Arguments,
        locations: &Locations,
        chosen: &Chosen,
        interrupter: &Interrupter,
    ) -> Result<ModelReport> {
        let directory = match &self.saved {
            Ok(saved) => saved.directory(),
            Err(_) => Some(self.path.as_path()),
        };
        let run = directory.map(RunDirectory::open);
        let summary = run
            .as_ref()
            .and_then(|run| json_file(&read(&run.summary()).ok()?));
        let findings = match &self.saved {
            Ok(saved) => findings(saved, arguments, locations, chosen, interrupter)?,
            Err(reason) => Findings::left_out(None, reason),
        };
        Ok(ModelReport {
            name: self.path.display().to_string(),
            settings: Measured::from(self.settings()),
            metrics: Measured::from(metrics(run.as_ref())),
            facts: facts(summary.as_ref()),
            stored: self.stored(summary.as_ref()),
            description: findings.description,
            parameters: findings.parameters,
            measurement: findings.measurement,
            portrait: findings.portrait,
        })
    }

    /// The settings of the resolved recipe by their paths, or those of the model alone.
    fn settings(&self) -> Result<Vec<(String, String)>, String> {
        let text = match &self.saved {
            Ok(saved) => saved.recipe().map_err(|error| error.to_string())?,
            Err(_) => read_to_string(&self.path.join(RECIPE_FILE)).ok(),
        };
        let Some(text) = text else {
            return Err("there is no recipe: the model was not trained by Hourglass".into());
        };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            format!(
                "{}: {}",
                self.path.join(RECIPE_FILE).display(),
                error.message()
            )
        })?;
        let mut settings = BTreeMap::new();
        flatten("", &toml::Value::Table(table), &mut settings);
        let texts = settings
            .into_iter()
            .map(|(path, value)| (path, plain(&value)));
        Ok(texts.collect())
    }

    /// The numbers that the run or the published model has in a file.
    fn stored(&self, summary: Option<&Map<String, Value>>) -> Option<Stored> {
        let splits = ["test", "validation", "train"];
        let of_summary = summary.and_then(|summary| {
            let split = splits.iter().find(|split| summary.contains_key(**split))?;
            Some((
                format!("summary.json, {split}"),
                summary[*split].as_object()?.clone(),
            ))
        });
        let of_metrics = || {
            let file = self.saved.as_ref().ok()?.file(METRICS_FILE).ok()?;
            let metrics = json_file(&file)?;
            let split = metrics.get("split").map_or(String::new(), plain);
            Some((format!("{METRICS_FILE}, {split}"), metrics))
        };
        let (source, numbers) = of_summary.or_else(of_metrics)?;
        let numbers = numbers
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)));
        Some(Stored {
            source,
            numbers: numbers.collect(),
        })
    }
}

fn json_file(bytes: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(bytes).ok()
}

/// A value as it is read: text without quotation marks.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn metrics(run: Option<&RunDirectory>) -> Result<Vec<hourglass_store::MetricsLine>, String> {
    let path = run.map(RunDirectory::metrics).filter(|path| path.exists());
    let path = path.ok_or(
        "there is no metrics.jsonl: only run directories have one, once their training has begun",
    )?;
    read_metrics(&path).map_err(|error| error.to_string())
}

/// What the run says of its training.
fn facts(summary: Option<&Map<String, Value>>) -> Vec<(String, String)> {
    let known = FACTS.iter().filter_map(|name| {
        let value = summary?.get(*name)?;
        let text = match value.as_f64() {
            Some(number) if value.is_f64() => format!("{number:.1}"),
            _ => plain(value),
        };
        Some(((*name).to_owned(), text))
    });
    known.collect()
}

/// What was found by looking at a model.
struct Findings {
    description: Option<Description>,
    parameters: Option<usize>,
    measurement: Measured<Measurement>,
    portrait: Measured<Portrait>,
}

impl Findings {
    fn left_out(description: Option<Description>, reason: &str) -> Self {
        Self {
            description,
            parameters: None,
            measurement: Measured::from(Err(reason)),
            portrait: Measured::from(Err(reason)),
        }
    }
}

fn findings(
    saved: &SavedModel,
    arguments: &Arguments,
    locations: &Locations,
    chosen: &Chosen,
    interrupter: &Interrupter,
) -> Result<Findings> {
    let description = match saved.description() {
        Ok(description) => description,
        Err(error) => return Ok(Findings::left_out(None, &error.to_string())),
    };
    let name = arguments.data.as_ref().unwrap_or(&description.data.name);
    let opening = Opening {
        saved,
        description: &description,
        locations,
        how: &arguments.samples,
    };
    let images = images(arguments.split, &opening, name);
    // Data that was asked for by name must be there; a model's own need not.
    let images = match arguments.data {
        Some(_) => Ok(images?),
        None => images.map_err(|error| format!("{error:#}")),
    };
    let split = images
        .as_ref()
        .map_or(String::new(), |images| images.name.to_string());
    let cache = baselines(locations);
    let estimates = images
        .as_ref()
        .ok()
        .and_then(|images| estimates(saved, locations, chosen, (name, images.name)));
    let loaded = chosen.run(ExamineAndDraw {
        saved,
        description: &description,
        images: images.as_ref().map_err(String::as_str),
        cache: cache.as_ref(),
        estimates: estimates.as_ref(),
        interrupter,
    })?;
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(reason) => return Ok(Findings::left_out(Some(description), &reason)),
    };
    let measurement = loaded.report.map(|report| Measurement {
        data: name.clone(),
        data_sha256: images.as_ref().map_or(String::new(), |images| {
            images.split.dataset().sha256().to_owned()
        }),
        split,
        label_names: images
            .as_ref()
            .ok()
            .and_then(|images| images.split.dataset().label_names().map(<[String]>::to_vec)),
        report,
    });
    Ok(Findings {
        parameters: Some(loaded.parameters),
        measurement: Measured::from(measurement),
        portrait: Measured::Value(loaded.portrait),
        description: Some(description),
    })
}

/// Measures a model and looks at it.
struct ExamineAndDraw<'a> {
    saved: &'a SavedModel,
    description: &'a Description,
    images: Result<&'a Images, &'a str>,
    cache: Option<&'a Cache>,
    estimates: Option<&'a EstimateDirectory>,
    interrupter: &'a Interrupter,
}

/// What a model that can be loaded shows.
struct LoadedFindings {
    parameters: usize,
    report: Result<Report, String>,
    portrait: Portrait,
}

impl Task for ExamineAndDraw<'_> {
    /// The inner error is the reason why the model can't be loaded.
    type Output = Result<Result<LoadedFindings, String>>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Self::Output {
        let model = match self.saved.load::<B>(device) {
            Ok(model) => model,
            Err(error) => return Ok(Err(format!("the model can't be loaded: {error}"))),
        };
        let examination = self.images.map(|images| self.examination(images));
        let in_use = model.valid();
        let drawn = portrait_sizes(self.description.shape());
        let config = &self.description.model;
        let measures = measures_of(&in_use, self.description.shape(), device);
        match (&examination, self_check) {
            (Ok(examination), self_check) => {
                let sizes = Sizes {
                    losses: [examination.sizes(&measures), drawn].concat(),
                    ..Sizes::default()
                };
                let (split, load) = (examination.split, || Ok(model));
                check_model(self_check, load, config, None, split, &sizes, device)?;
            }
            // Without images there are no losses, but codes are decoded all the same.
            (Err(_), Some(check)) => {
                (check.in_use)(&in_use, config, self.description.shape(), &drawn, device)?;
            }
            (Err(_), None) => {}
        }
        let model = in_use;
        let weights = state_dict(&model).context("the model's weights can't be read")?;
        let report = match &examination {
            Ok(examination) => examination.run(&model, &measures, device),
            Err(reason) => Err((*reason).to_owned()),
        };
        let split = examination.map(|examination| examination.split);
        let mut stages = Stages::new();
        let portrait = portrait(
            &model,
            self.description.shape(),
            split,
            device,
            &mut stages.of_measures(self.interrupter),
        );
        stages.finish();
        Ok(Ok(LoadedFindings {
            parameters: weights.iter().map(|(_, data)| data.num_elements()).sum(),
            report,
            portrait,
        }))
    }
}

impl<'a> ExamineAndDraw<'a> {
    fn examination(&self, images: &'a Images) -> Examination<'a> {
        Examination {
            saved: self.saved,
            config: &self.description.model,
            split: &images.split,
            training: images.training.as_ref().map_err(String::as_str),
            request: Request {
                samples: NonZeroUsize::new(SAMPLES).unwrap_or(NonZeroUsize::MIN),
                estimates: self.estimates,
                labelled: &images.labelled,
                jacobian_images: JACOBIAN_IMAGES,
                outliers: Err("it was not asked for"),
                cache: self.cache,
            },
            interrupter: self.interrupter,
        }
    }
}

/// What is measured of every model, and of those whose family is about it.
fn measures_of<B: burn::tensor::backend::Backend>(
    model: &Model<B>,
    shape: Shape,
    device: &B::Device,
) -> Vec<Measure> {
    let image = Tensor::zeros([1, shape.features()], device);
    let all = Measure::ALL.iter().copied();
    all.filter(|measure| measure.is_on_page(model, image.clone()))
        .collect()
}
