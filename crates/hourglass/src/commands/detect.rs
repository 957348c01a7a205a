//! `hourglass detect`

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use burn::tensor::backend::AutodiffBackend;
use clap::ValueEnum;
use hourglass_data::{Kind, Subset};
use hourglass_measure::measures::auroc::auroc;
use hourglass_measure::measures::average_precision::average_precision;
use hourglass_measure::measures::{Estimate, MeasureError};
use hourglass_models::ModelConfig;
use hourglass_store::SavedModel;
use hourglass_tasks::codes::{PendingFile, image_id};
use hourglass_tasks::detect::{DetectError, Reason, Score, ScoreTable, Scorer, Threshold};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::arguments::DeviceArguments;
use crate::backend::{Chosen, SelfCheck, Task};
use crate::evaluated::baselines;
use crate::finished::load_for_use;
use crate::images::SourceArguments;
use crate::normal_images::{NormalImages, origin_json, origin_text};
use crate::output::{Results, check_is_new};
use crate::progress::Stages;
use crate::usage::UsageError;

/// Score how little samples are like those that a model was trained on, and name the columns that differ
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass detect runs/conv-1 photos > scores.csv\n  hourglass detect variational --data fashion-mnist --score bound --contamination 0.01 --out scores.csv\n  hourglass train undercomplete --data mnist --set data.labels=[3] --epochs 20 --out runs/threes\n  hourglass detect runs/threes --normal 3 --json\n\nA score above the threshold is anomalous: of new normal images at most a share --contamination is expected above it, or 1/(n+1) where it is taken from too few images, n. It is taken from the images that the training held out (data.validation); where there are none, from those that it used, and then it is too low, which is said. The table goes to stdout unless there is --out or --json; its second column is named after the score."
)]
pub(crate) struct Arguments {
    /// A run directory, or a published model
    model: PathBuf,
    #[command(flatten)]
    source: SourceArguments,
    /// What to score by [default: columns for rows and vectors, error for images]
    #[arg(long, value_enum)]
    score: Option<ScoreName>,
    /// Draws of the code per image, for the bound
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    samples: u16,
    /// The share of normal images that may be called anomalous
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = parse_share)]
    contamination: f64,
    /// The score above which images are anomalous, in place of one from held-out images
    #[arg(long, value_name = "SCORE", conflicts_with = "contamination", value_parser = parse_finite)]
    threshold: Option<f64>,
    /// Images that are normal, whose training part is taken in place of the model's own
    #[arg(long, value_name = "DATA")]
    reference: Option<String>,
    /// Labels of the images that are normal, by their names where they have some: then it is measured how well scores tell the others
    #[arg(long, value_name = "LABEL,...", value_delimiter = ',')]
    normal: Vec<String>,
    /// Write the table to this file, a .csv
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    /// Print the numbers as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScoreName {
    /// The reconstruction error: squared error, nats of a Gaussian, or for Bernoulli the divergence KL(image ||
    /// reconstruction) in nats, which is the cross-entropy without the image's own entropy
    Error,
    /// The distances of a row's columns from their reconstructions and from their means, in units of what is usual: the columns
    /// that made a score are named
    Columns,
    /// The negative log-likelihood in nats of normal errors, with the variance that each feature's error has among normal samples
    Nll,
    /// The negative evidence lower bound in nats, of variational models; for Bernoulli without the image's own entropy
    Bound,
    /// The Mahalanobis distance of the code from those of the training images
    Distance,
    /// The squared error of PCA with as many components as the code: a baseline
    Pca,
}

fn parse_finite(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "expected a finite number".into())
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share: Result<f64, _> = text.parse();
    match share {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("expected a share in [0, 1), such as 0.05".into()),
    }
}

/// How well the scores tell samples with other labels from those that are normal.
#[derive(Debug)]
struct Quality {
    normal: usize,
    anomalous: usize,
    auroc: Estimate,
    average_precision: Estimate,
    /// The share of anomalies among what is above the threshold, where anything is.
    precision: Option<Estimate>,
    /// The share of the anomalies that is above the threshold.
    recall: Option<Estimate>,
    /// The share of the normal images that is above the threshold.
    false_alarms: Option<Estimate>,
}

impl Quality {
    /// The numbers by name, and their standard errors in an object of their own.
    fn to_json(&self) -> Map<String, Value> {
        let estimates = [
            ("auroc", Some(self.auroc)),
            ("average_precision", Some(self.average_precision)),
            ("precision", self.precision),
            ("recall", self.recall),
            ("false_alarms", self.false_alarms),
        ];
        let values = estimates.map(|(name, estimate)| {
            (
                name.to_owned(),
                json!(estimate.map(|estimate| estimate.value)),
            )
        });
        let errors = estimates.map(|(name, estimate)| {
            (
                name.to_owned(),
                json!(estimate.and_then(|estimate| estimate.standard_error)),
            )
        });
        let errors: Map<String, Value> = errors.into_iter().collect();
        let counts = [
            ("normal_samples".to_owned(), json!(self.normal)),
            ("anomalous_samples".to_owned(), json!(self.anomalous)),
        ];
        let errors = [("standard_errors".to_owned(), Value::Object(errors))];
        counts.into_iter().chain(values).chain(errors).collect()
    }
}

/// What came of scoring.
struct Scored {
    /// What the scores are.
    name: &'static str,
    threshold: f64,
    /// How the threshold was found, unless it was given.
    found: Option<Threshold>,
    above: usize,
    /// Of the samples that are normal, and the others.
    by_kind: [Vec<f64>; 2],
    /// The samples with the largest scores, the largest first.
    strangest: Vec<Strange>,
}

/// A sample with a large score.
#[derive(Debug, Serialize)]
struct Strange {
    id: String,
    score: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<Reason>,
}

/// How many of the strangest samples are kept.
const STRANGEST: usize = 10;

impl Scored {
    /// Keeps a sample where it is among the strangest so far.
    fn keep(&mut self, score: f64, sample: impl FnOnce() -> Strange) {
        let last = self.strangest.last().map(|strange| strange.score);
        if self.strangest.len() == STRANGEST && last.is_some_and(|last| score <= last) {
            return;
        }
        self.strangest.push(sample());
        self.strangest.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.strangest.truncate(STRANGEST);
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let saved = SavedModel::find(&arguments.model)?;
    let description = saved.description()?;
    if let Some(out) = &arguments.out {
        check_is_new(out, arguments.force)?;
    }
    let images = arguments.source.open(&saved, &description)?;
    let normal = find_labels(&images, &arguments.normal)?;
    let score = arguments.score.unwrap_or(match description.input.kind() {
        Kind::Image => ScoreName::Error,
        Kind::Table | Kind::Vectors => ScoreName::Columns,
    });
    let is_fitted = !matches!(score, ScoreName::Error | ScoreName::Bound);
    let reference = match (&arguments.reference, arguments.threshold) {
        (_, Some(_)) if !is_fitted => None,
        (Some(name), _) => Some(NormalImages::named(
            name,
            is_fitted,
            &arguments.source,
            &description,
        )?),
        (None, _) => Some(NormalImages::of_model(
            &arguments.source,
            &saved,
            &description,
        )?),
    };
    let held_out = reference.as_ref().is_some_and(|images| images.held_out);
    let table = match (&arguments.out, arguments.json) {
        (Some(path), _) => Some(Target::File(PendingFile::create(path)?)),
        (None, false) => Some(Target::Stdout(Results::new())),
        (None, true) => None,
    };
    let chosen = Chosen::from_arguments(&arguments.device)?;
    let detect = |score, table| Detect {
        arguments,
        score,
        saved: &saved,
        model: &description.model,
        images: &images,
        reference: reference.as_ref(),
        normal: &normal,
        table,
    };
    let scored = chosen.run(detect(score, table))?;
    // How much better is the model than the simplest one that could be had?
    let pca = match (normal.is_empty(), score, &reference) {
        (
            false,
            ScoreName::Error
            | ScoreName::Columns
            | ScoreName::Nll
            | ScoreName::Bound
            | ScoreName::Distance,
            Some(_),
        ) => {
            let scored = chosen.run(detect(ScoreName::Pca, None));
            Some(scored.and_then(|scored| Ok(quality(&scored)?)))
        }
        _ => None,
    };
    let quality = match normal.is_empty() {
        true => None,
        false => Some(quality(&scored).context("--normal")?),
    };
    let unit = score_text(scored.name);
    let threshold = scored.found.as_ref();
    if arguments.json {
        let mut json = json!({
            "model": arguments.model, "model_sha256": saved.sha256()?, "data": images.dataset().name(),
            "score": score.to_possible_value().map(|value| value.get_name().to_owned()),
            "score_is": scored.name, "unit": unit, "images": images.len(), "threshold": scored.threshold,
            "threshold_from": threshold.map(|threshold| origin_json(threshold, held_out)),
            "contamination": arguments.threshold.is_none().then_some(arguments.contamination),
            "anomalous": scored.above, "normal": arguments.normal, "strangest": scored.strangest,
        });
        if let (Some(quality), Value::Object(json)) = (&quality, &mut json) {
            json.extend(quality.to_json());
        }
        match &pca {
            Some(Ok(pca)) => json["pca"] = Value::Object(pca.to_json()),
            Some(Err(error)) => json["pca"] = json!({"left_out": format!("{error:#}")}),
            None => {}
        }
        say!("{json:#}")?;
    } else {
        note!(
            "{} of {} {} are above the threshold, {:.4} ({unit})",
            scored.above,
            images.len(),
            description.input.kind().many(),
            scored.threshold
        );
    }
    if let Some(threshold) = threshold {
        note!(
            "{}",
            origin_text(threshold, held_out, arguments.contamination)
        );
    }
    if arguments.json {
        return Ok(());
    }
    if let Some(quality) = quality {
        note!("{}", quality_text(&quality, description.input.kind()));
    }
    match pca {
        Some(Ok(pca)) => note!(
            "PCA, as a baseline: AUROC {:.4}, average precision {:.4}",
            pca.auroc.value,
            pca.average_precision.value
        ),
        Some(Err(error)) => note!("PCA, the baseline, was left out: {error:#}"),
        None => {}
    }
    if let Some(out) = &arguments.out {
        say!("{}", out.display())?;
    }
    Ok(())
}

/// What a score is, in words.
fn score_text(name: &str) -> String {
    let what = match name {
        "pixel_kl_nats" => {
            "KL(image || reconstruction) in nats: cross_entropy less the image's own entropy"
        }
        "negative_elbo_less_entropy" => "negative_elbo in nats, less the image's own entropy",
        "negative_elbo" => "in nats",
        "reconstruction_nats" => "per sample",
        "mahalanobis_distance" => "of the code, no unit",
        "unusualness" => {
            "distances of the features from their reconstructions and means, usual ones are near 2"
        }
        "negative_log_likelihood" => "in nats, of normal errors around the reconstruction",
        "pca_squared_error" => "squared_error per sample, of PCA",
        _ => "per sample",
    };
    format!("{name}, {what}")
}

/// The labels that are normal: where some are named, there must be images with them and others.
fn find_labels(images: &Subset, labels: &[String]) -> Result<Vec<u8>> {
    let dataset = images.dataset();
    let found = labels.iter().map(|label| dataset.find_label(label.trim()));
    let normal: Vec<u8> = found.collect::<Result<_, _>>().context("--normal")?;
    let indices = images.indices().iter();
    let are_normal = indices
        .filter_map(|&index| dataset.label(index as usize))
        .filter(|label| normal.contains(label))
        .count();
    if !normal.is_empty() && (are_normal == 0 || are_normal == images.len()) {
        bail!(
            "--normal {}: expected some images with these labels and some outliers, found {are_normal} of {} with them",
            labels.join(","),
            images.len()
        );
    }
    Ok(normal)
}

fn quality(scored: &Scored) -> Result<Quality, MeasureError> {
    let [normal, others] = &scored.by_kind;
    let above = |scores: &[f64]| {
        scores
            .iter()
            .filter(|&&score| score > scored.threshold)
            .count()
    };
    let (alarms, hits) = (above(normal), above(others));
    Ok(Quality {
        normal: normal.len(),
        anomalous: others.len(),
        auroc: auroc(normal, others)?,
        average_precision: average_precision(normal, others)?,
        precision: Estimate::share(hits, hits + alarms),
        recall: Estimate::share(hits, others.len()),
        false_alarms: Estimate::share(alarms, normal.len()),
    })
}

fn quality_text(quality: &Quality, kind: Kind) -> String {
    let share = |estimate: &Option<Estimate>| match estimate {
        Some(estimate) => format!("{:.4}", estimate.value),
        None => "none".into(),
    };
    format!(
        "{} normal and {} other {}: AUROC {:.4}, average precision {:.4} (chance {:.4}); at the threshold precision {}, \
         recall {}, false alarms {}",
        quality.normal,
        quality.anomalous,
        kind.many(),
        quality.auroc.value,
        quality.average_precision.value,
        quality.anomalous as f64 / (quality.normal + quality.anomalous) as f64,
        share(&quality.precision),
        share(&quality.recall),
        share(&quality.false_alarms)
    )
}

/// Where the table goes.
enum Target {
    File(PendingFile),
    Stdout(Results),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

struct Detect<'a> {
    arguments: &'a Arguments,
    score: ScoreName,
    saved: &'a SavedModel,
    model: &'a ModelConfig,
    images: &'a Subset,
    reference: Option<&'a NormalImages>,
    normal: &'a [u8],
    table: Option<Target>,
}

impl Detect<'_> {
    fn score(&self) -> Score {
        match self.score {
            ScoreName::Error => Score::Error,
            ScoreName::Columns => Score::Columns,
            ScoreName::Nll => Score::Nll,
            ScoreName::Bound => Score::Bound {
                samples: self.arguments.samples.into(),
            },
            ScoreName::Distance => Score::Distance,
            ScoreName::Pca => Score::Pca,
        }
    }
}

impl Task for Detect<'_> {
    type Output = Result<Scored>;

    fn run<B: AutodiffBackend>(
        self,
        device: &B::Device,
        self_check: Option<SelfCheck<B>>,
    ) -> Result<Scored> {
        let fitted_to = self
            .reference
            .map_or(self.images, |images| &images.fitted_to);
        let threshold_from = self
            .reference
            .map_or(0, |images| images.threshold_from.len());
        let counts = [self.images.len(), fitted_to.len(), threshold_from];
        let shape = self.images.shape();
        let sizes = counts
            .map(|images| self.score().batch_sizes(images, shape))
            .concat();
        let model = load_for_use(self.saved, &sizes, self_check, device)?;
        let mut stages = Stages::new();
        let scorer = Scorer::fit(
            &model,
            self.model.family(),
            self.score(),
            fitted_to,
            device,
            baselines(&self.arguments.source.locations.locations()).as_ref(),
            &mut |done| {
                stages.update("fitting", done, fitted_to.len());
            },
        )?;
        if let Some(images) = scorer.sampled(fitted_to) {
            let all = fitted_to.len();
            note!("PCA is fitted to {images} of the {all} images, to bound the cost");
        }
        let found = match (self.arguments.threshold, self.reference) {
            (Some(_), _) => None,
            (None, None) => bail!(UsageError("expected a --threshold".into())),
            (None, Some(NormalImages { threshold_from, .. })) => {
                let mut scores = Vec::new();
                scorer.score(threshold_from, |_, found, _| {
                    scores.extend_from_slice(found);
                    stages.update("scoring normal images", scores.len(), threshold_from.len());
                    Ok::<_, DetectError>(())
                })?;
                Some(Threshold::of(scores, self.arguments.contamination)?)
            }
        };
        let given = self.arguments.threshold.unwrap_or_default();
        let threshold = found.map_or(given, |found| found.value);
        let dataset = self.images.dataset();
        let table = self.table.map(|target| {
            let columns = (scorer.name(), scorer.has_reasons());
            ScoreTable::new(target, columns, dataset, threshold)
        });
        let mut table = table.transpose()?;
        let mut scored = Scored {
            name: scorer.name(),
            threshold,
            found,
            above: 0,
            by_kind: [Vec::new(), Vec::new()],
            strangest: Vec::new(),
        };
        let mut done = 0;
        scorer.score(self.images, |batch, scores, reasons| -> Result<()> {
            if let Some(table) = &mut table {
                table.write(dataset, batch, scores, reasons)?;
            }
            for (place, (&index, &score)) in batch.indices.iter().zip(scores).enumerate() {
                scored.keep(score, || Strange {
                    id: image_id(dataset, index),
                    score,
                    columns: reasons(place),
                });
            }
            scored.above += scores.iter().filter(|&&score| score > threshold).count();
            // Kept only where something is to be measured by them.
            if let (false, Some(labels)) = (self.normal.is_empty(), &batch.labels) {
                for (label, &score) in labels.iter().zip(scores) {
                    scored.by_kind[usize::from(!self.normal.contains(label))].push(score);
                }
            }
            done += scores.len();
            stages.update("scoring", done, self.images.len());
            Ok(())
        })?;
        stages.finish();
        if let Some(table) = table
            && let Target::File(file) = table.finish()?
        {
            file.finish()?;
        }
        Ok(scored)
    }
}
