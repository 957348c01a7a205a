//! How well simple classifiers tell the classes from the codes, compared with PCA's codes and with the pixels.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_data::Subset;
use hourglass_models::Autoencoder;
use serde::{Deserialize, Serialize};

use crate::evaluation::baseline::{Baseline, cache_key};
use crate::evaluation::budget;
use crate::evaluation::measured::{Measured, left_out};
use crate::evaluation::part::{Part, Plan};
use crate::evaluation::quantity::{Better, Outputs, Quantity};
use crate::evaluation::request::Request;
use crate::evaluation::subject::{LabelledImages, Subject};
use crate::measures::neighbours::{self, DEFAULT_NEIGHBOURS};
use crate::measures::probe::{Choice, Probe, ProbeConfig};
use crate::measures::{Confusion, Estimate, Labelled, MeasureError};
use crate::source::{EVALUATION_SEED, Progress, host};

/// The most values of features that are kept in memory, 240 MB, for the training images and for the split each. If features
/// are wide, fewer images are used.
const MOST_VALUES: usize = 60_000_000;

/// The most values that the search for neighbours compares, over all pairs of an image of the split and a training image.
const MOST_COMPARED: usize = 1 << 40;

/// How well simple classifiers, fitted to training images, do on features of the split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Representation {
    /// From the codes.
    pub codes: Readout,
    /// From PCA's codes, with as many components as the code has (active) units.
    pub pca_codes: Measured<Readout>,
    /// From the pixels.
    pub pixels: Readout,
}

/// How well the classifiers do on one kind of features. The standard errors cover the choice of the images measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Readout {
    /// Features per image.
    pub features: usize,
    /// Images that the classifiers were fitted to.
    pub training_images: usize,
    /// Images that they were measured on.
    pub test_images: usize,
    /// The accuracy of multinomial logistic regression.
    pub probe_accuracy: Measured<Estimate>,
    /// Which classes it takes for which; none where there is no accuracy, or where the accuracy is from the cache.
    #[serde(skip)]
    pub probe_confusion: Option<Confusion>,
    /// What it was fitted with: its penalty and the scale of its features; none where there is no accuracy.
    pub probe_choice: Option<Choice>,
    /// Whether its fit has converged; if not, a longer fit may do better.
    pub probe_converged: bool,
    /// The accuracy of the vote of the 5 nearest neighbours.
    pub neighbours_accuracy: Measured<Estimate>,
}

/// Features of one kind, and the classes of their images.
struct Features {
    training: (Vec<f32>, Vec<u8>),
    test: (Vec<f32>, Vec<u8>),
}

impl Representation {
    /// The accuracy of the linear classifier.
    pub const LINEAR_PROBE: Quantity = Quantity {
        places: &["representation.codes.probe_accuracy"],
        pca: &["representation.pca_codes.probe_accuracy"],
        pixels: &["representation.pixels.probe_accuracy"],
        title: "Linear probe",
        label: Some("linear probe on the codes, % right"),
        note: "classes told right from the codes",
        unit: "%",
        factor: 100.0,
        better: Better::Higher,
        shown: Outputs::ON_PAGE_AND_CARD,
        is_headline: true,
        ..Quantity::PLAIN
    };
    /// The accuracy of the vote of the nearest neighbours.
    pub const NEAREST_NEIGHBOURS: Quantity = Quantity {
        places: &["representation.codes.neighbours_accuracy"],
        pca: &["representation.pca_codes.neighbours_accuracy"],
        pixels: &["representation.pixels.neighbours_accuracy"],
        title: "5 nearest neighbours",
        label: Some("5 nearest neighbours of the codes, % right"),
        note: "the same by the nearest codes",
        is_headline: false,
        ..Self::LINEAR_PROBE
    };
}

impl Part for Representation {
    const SUMMARY: &'static str =
        "The accuracy of a linear probe and of nearest neighbours on codes, PCA's codes and pixels";

    const QUANTITIES: &'static [Quantity] = &[Self::LINEAR_PROBE, Self::NEAREST_NEIGHBOURS];

    fn measure<B: Backend>(
        subject: Subject<'_, B>,
        request: &Request<'_>,
        baseline: Result<&Baseline, &str>,
        progress: Progress<'_>,
    ) -> Measured<Self> {
        measure(subject, request, baseline, progress)
    }

    fn batch_sizes(plan: &Plan<'_>) -> Vec<usize> {
        if reason_against(plan.request.labelled, plan.split).is_some() {
            return Vec::new();
        }
        let samples = samples(plan.request.labelled, plan.split, plan.config.code());
        samples.iter().flat_map(Plan::sizes).collect()
    }
}

/// Fits and measures the classifiers.
fn measure<B: Backend>(
    subject: Subject<'_, B>,
    request: &Request<'_>,
    baseline: Result<&Baseline, &str>,
    progress: Progress<'_>,
) -> Measured<Representation> {
    let training = request.labelled;
    if let Some(reason) = reason_against(training, subject.split) {
        return left_out(reason);
    }
    let code = |images| host(subject.model.encode(images));
    let pixels = |images| host::<B, 2>(images);
    Measured::Value(Representation {
        codes: readout(
            &features(
                subject,
                training,
                (subject.code(), code),
                "encoding",
                progress,
            ),
            "codes",
            progress,
        ),
        pca_codes: match baseline {
            Ok(Baseline {
                pca, components, ..
            }) => {
                let project = |images| pca.codes(*components, &host::<B, 2>(images));
                let of = (*components, project);
                let features = features(subject, training, of, "projecting", progress);
                Measured::Value(readout(&features, "PCA's codes", progress))
            }
            Err(reason) => left_out(reason),
        },
        pixels: {
            let kind = if subject.is_binarized() {
                "pixels-binary"
            } else {
                "pixels"
            };
            let key = format!("{kind}-{}", cache_key(&[training, subject.split]));
            let cached = request.cache.and_then(|cache| cache.get(&key));
            cached.unwrap_or_else(|| {
                let of = (subject.split.dataset().features(), pixels);
                let features = features(subject, training, of, "reading", progress);
                let readout = readout(&features, "pixels", progress);
                if let Some(cache) = request.cache {
                    cache.put(&key, &readout);
                }
                readout
            })
        },
    })
}

/// Why no classifier can be measured.
fn reason_against(training: &Subset, split: &Subset) -> Option<&'static str> {
    if is_without_labels(training) || is_without_labels(split) {
        return Some("the images have no labels");
    }
    share_images(training, split)
        .then_some("the classifiers would be fitted to the very images that are measured")
}

fn is_without_labels(subset: &Subset) -> bool {
    subset.dataset().labels().is_none()
}

/// Whether an image of the split is one of the training images.
fn share_images(training: &Subset, split: &Subset) -> bool {
    let is_trained_on = |index| training.indices().binary_search(index).is_ok();
    training.dataset().sha256() == split.dataset().sha256()
        && split.indices().iter().any(is_trained_on)
}

/// The training images and the images of the split that are used, of `width` values each: all, or samples as large as memory
/// and the search for neighbours allow.
fn samples(training: &Subset, split: &Subset, width: usize) -> [Subset; 2] {
    let in_memory = (MOST_VALUES / width.max(1)).max(1);
    let training = budget::sample(training, 1).sample(in_memory, EVALUATION_SEED);
    let searched = MOST_COMPARED / width.max(1) / training.len().max(1);
    let most = in_memory.min(searched).max(1);
    let split = budget::sample(split, 1).sample(most, EVALUATION_SEED);
    [training, split]
}

/// What `of` makes of the images of the split and of the training images, `width` values of each.
fn features<B: Backend>(
    subject: Subject<'_, B>,
    training: &Subset,
    (width, of): (usize, impl Fn(Tensor<B, 2>) -> Vec<f32>),
    phase: &str,
    progress: Progress<'_>,
) -> Features {
    let [training, split] = samples(training, subject.split, width);
    let subject = Subject {
        split: &split,
        ..subject
    };
    let mut gather = |batches: &mut dyn Iterator<Item = LabelledImages<B>>, total| {
        let (mut rows, mut classes) = (Vec::with_capacity(width * total), Vec::new());
        for LabelledImages { images, labels } in batches {
            rows.extend(of(images));
            classes.extend(labels.unwrap_or_default());
            progress(phase, classes.len(), total);
        }
        (rows, classes)
    };
    Features {
        training: gather(&mut subject.trained_on(&training), training.len()),
        test: gather(&mut subject.clean_batches(), split.len()),
    }
}

fn readout(features: &Features, name: &str, progress: Progress<'_>) -> Readout {
    let Features { training, test } = features;
    let labelled = || -> Result<_, MeasureError> {
        Ok((
            Labelled::new(&training.0, &training.1)?,
            Labelled::new(&test.0, &test.1)?,
        ))
    };
    let (mut converged, mut choice) = (false, None);
    let probe = labelled().and_then(|(training, test)| {
        let phase = format!("fitting a classifier to the {name}");
        let probe = Probe::fit(training, &ProbeConfig::default(), &mut |done, total| {
            progress(&phase, done, total);
        })?;
        converged = probe.ending().converged;
        choice = Some(probe.choice());
        probe.confusion(test)
    });
    let accuracy = probe.as_ref().map_err(MeasureError::to_string);
    let none = || MeasureError::Empty { what: "test rows" }.to_string();
    let accuracy = accuracy.and_then(|confusion| confusion.accuracy().ok_or_else(none));
    let neighbours = labelled().and_then(|(training, test)| {
        let phase = format!("finding neighbours among the {name}");
        neighbours::accuracy(training, test, DEFAULT_NEIGHBOURS, &mut |done, total| {
            progress(&phase, done, total);
        })
    });
    Readout {
        features: training.0.len() / training.1.len().max(1),
        training_images: training.1.len(),
        test_images: test.1.len(),
        probe_accuracy: accuracy.into(),
        probe_confusion: probe.ok(),
        probe_choice: choice,
        probe_converged: converged,
        neighbours_accuracy: neighbours.into(),
    }
}
