//! The error of reconstructions from corrupted images, by kind and level of the corruption.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_models::{Autoencoder, Corruption, Model, StepContext};
use serde::Serialize;

use crate::evaluation::baseline::{Baseline, SquaredErrors};
use crate::evaluation::budget;
use crate::evaluation::measured::Measured;
use crate::evaluation::part::{Part, Plan};
use crate::evaluation::quantity::Quantity;
use crate::evaluation::request::Request;
use crate::evaluation::subject::{LabelledImages, Subject, squared_distances};
use crate::measures::Estimate;
use crate::source::{EVALUATION_SEED, Progress, host};
use hourglass_data::Subset;

const LEVELS: [f64; 4] = [0.1, 0.2, 0.3, 0.5];
const KINDS: [Corruption; 3] = [
    Corruption::Masking,
    Corruption::Gaussian,
    Corruption::SaltAndPepper,
];

/// The error at a kind and a level of corruption, against the clean images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Robustness {
    /// The kind.
    pub corruption: Corruption,
    /// The share of pixels, or for `gaussian` the standard deviation.
    pub level: f64,
    /// Images measured.
    pub images: usize,
    /// The error of the corrupted images themselves.
    pub corrupted_squared_error: f64,
    /// The model's.
    pub squared_error: Estimate,
    /// PCA's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pca_squared_error: Option<Estimate>,
}

impl Part for Vec<Robustness> {
    const SUMMARY: &'static str = "The error by kind and level of corruption";

    /// None: the part is a table of errors, without a single number for all of them.
    const QUANTITIES: &'static [Quantity] = &[];

    fn measure<B: Backend>(
        subject: Subject<'_, B>,
        _request: &Request<'_>,
        baseline: Result<&Baseline, &str>,
        progress: Progress<'_>,
    ) -> Measured<Self> {
        measure(subject, baseline.ok(), progress)
    }

    fn batch_sizes(plan: &Plan<'_>) -> Vec<usize> {
        Plan::sizes(&sample(plan.split)).to_vec()
    }

    fn is_on_page<B: Backend>(model: &Model<B>, image: Tensor<B, 2>) -> bool {
        model.corrupt(image, &StepContext::evaluate(0, 0)).is_some()
    }
}

/// The images that are corrupted in every way.
fn sample(split: &Subset) -> Subset {
    budget::sample(split, KINDS.len() * LEVELS.len())
}

/// Measures the errors; the noise is the same for every model.
fn measure<B: Backend>(
    subject: Subject<'_, B>,
    baseline: Option<&Baseline>,
    progress: Progress<'_>,
) -> Measured<Vec<Robustness>> {
    let sample = sample(subject.split);
    let subject = Subject {
        split: &sample,
        ..subject
    };
    let combinations = KINDS
        .iter()
        .flat_map(|&kind| LEVELS.map(|level| (kind, level)));
    let total = subject.split.len() * KINDS.len() * LEVELS.len();
    let mut done = 0;
    let mut show = |images| {
        done += images;
        progress("measuring robustness", done, total);
    };
    let rows = combinations
        .filter_map(|(kind, level)| measure_at(subject, baseline, kind, level, &mut show));
    Measured::Value(rows.collect())
}

fn measure_at<B: Backend>(
    subject: Subject<'_, B>,
    baseline: Option<&Baseline>,
    corruption: Corruption,
    level: f64,
    done: &mut dyn FnMut(usize),
) -> Option<Robustness> {
    let features = subject.split.dataset().features();
    let (mut own, mut errors) = (Vec::new(), SquaredErrors::default());
    for (index, LabelledImages { images, .. }) in subject.clean_batches().enumerate() {
        let context = StepContext::evaluate(EVALUATION_SEED, index as u64);
        let targets = host(images.clone());
        let corrupted = corruption.apply(images, level, &context);
        own.extend(squared_distances(
            &host(corrupted.clone()),
            &targets,
            features,
        ));
        errors.add(subject, baseline, corrupted, &targets);
        done(targets.len() / features);
    }
    Some(Robustness {
        corruption,
        level,
        images: own.len(),
        corrupted_squared_error: Estimate::mean(&own)?.value,
        squared_error: Estimate::mean(&errors.model)?,
        pca_squared_error: Estimate::mean(&errors.pca),
    })
}
