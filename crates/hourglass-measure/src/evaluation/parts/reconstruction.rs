//! How near reconstructions are to their images, over all images and by class, each compared with PCA.

use std::collections::BTreeMap;

use burn::tensor::backend::Backend;
use hourglass_data::{Kind, Subset};
use serde::Serialize;

use crate::evaluation::baseline::Baseline;
use crate::evaluation::basics::Evaluation;
use crate::evaluation::measured::{Measured, left_out};
use crate::evaluation::part::Part;
use crate::evaluation::quantity::{Better, Outputs, Quantity};
use crate::evaluation::request::Request;
use crate::evaluation::subject::{Subject, squared_distances};
use crate::measures::Estimate;
use crate::measures::image_quality::{Ssim, psnr};
use crate::source::{Progress, host};

/// The fidelity of reconstructions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reconstruction {
    /// The model's.
    pub model: Fidelity,
    /// PCA's, with as many components as the code has (active) units.
    pub pca: Measured<Fidelity>,
    /// The error of each class.
    pub classes: Measured<Vec<Class>>,
    /// The images with the largest errors, the largest first.
    #[serde(skip)]
    pub worst: Vec<Reconstructed>,
}

/// An image and what the model makes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconstructed {
    /// The position of the image in the split.
    pub place: usize,
    /// Its label, where the images have labels.
    pub label: Option<u8>,
    /// sum_i (x_i - mu_i)^2
    pub squared_error: f64,
    /// `[features]`
    pub image: Vec<f32>,
    /// The corrupted image that the model sees instead, where the family corrupts: `[features]`.
    pub corrupted: Option<Vec<f32>>,
    /// `[features]`
    pub reconstruction: Vec<f32>,
}

/// How near reconstructions are to their images. The standard errors cover the choice of the images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fidelity {
    /// sum_i (x_i - mu_i)^2 per image.
    pub squared_error: Estimate,
    /// The peak signal-to-noise ratio, in dB.
    pub psnr_decibels: Measured<Estimate>,
    /// The structural similarity, at most 1.
    pub ssim: Measured<Estimate>,
}

/// The error of a class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Class {
    /// The label.
    pub label: u8,
    /// What it is called, where the classes have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The number of its images.
    pub images: usize,
    /// sum_i (x_i - mu_i)^2 per image.
    pub squared_error: Estimate,
    /// The same for PCA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pca_squared_error: Option<Estimate>,
}

/// How many of the worst images are kept.
const WORST: usize = 24;

impl Reconstruction {
    /// The squared error, with its standard error over the images.
    pub const SQUARED_ERROR: Quantity = Quantity {
        places: &["reconstruction.model.squared_error"],
        pca: &["reconstruction.pca.squared_error"],
        label: Some("squared error per image"),
        decimals: 3,
        shown: Outputs::ON_CARD,
        is_headline: false,
        ..Evaluation::SQUARED_ERROR
    };
    /// See [`Fidelity`].
    pub const PSNR: Quantity = Quantity {
        places: &["reconstruction.model.psnr_decibels"],
        pca: &["reconstruction.pca.psnr_decibels"],
        title: "PSNR",
        note: "peak signal to noise",
        unit: "dB",
        better: Better::Higher,
        shown: Outputs::ON_PAGE_AND_CARD,
        ..Quantity::PLAIN
    };
    /// See [`Fidelity`].
    pub const SSIM: Quantity = Quantity {
        places: &["reconstruction.model.ssim"],
        pca: &["reconstruction.pca.ssim"],
        title: "SSIM",
        note: "structural similarity, at most 1",
        decimals: 4,
        better: Better::Higher,
        shown: Outputs::ON_PAGE_AND_CARD,
        is_headline: true,
        ..Quantity::PLAIN
    };
}

impl Part for Reconstruction {
    const SUMMARY: &'static str = "PSNR, SSIM and the error of each class, with PCA's";

    const QUANTITIES: &'static [Quantity] = &[Self::SQUARED_ERROR, Self::PSNR, Self::SSIM];

    fn measure<B: Backend>(
        subject: Subject<'_, B>,
        _request: &Request<'_>,
        baseline: Result<&Baseline, &str>,
        progress: Progress<'_>,
    ) -> Measured<Self> {
        Measured::Value(measure(subject, baseline, progress))
    }
}

/// Measures the fidelity of the model and of PCA.
fn measure<B: Backend>(
    subject: Subject<'_, B>,
    baseline: Result<&Baseline, &str>,
    progress: Progress<'_>,
) -> Reconstruction {
    let mut model = Fidelities::new(subject.split);
    let mut pca = baseline.map(|_| Fidelities::new(subject.split));
    let (mut labels, mut done, mut worst) = (Vec::new(), 0, Vec::new());
    for batch in subject.corrupted_batches() {
        let targets = &batch.targets;
        let inputs = host(batch.inputs.clone());
        if let (Ok(pca), Ok(baseline)) = (&mut pca, baseline) {
            pca.add(&baseline.reconstruct(&inputs), targets);
        }
        let reconstructions = subject.reconstruct(batch.inputs);
        model.add(&reconstructions, targets);
        labels.extend(batch.labels.unwrap_or_default());
        keep_worst(&mut worst, &model.errors[done..], |row| {
            let of = |values: &[f32]| values[row * model.features..][..model.features].to_vec();
            Reconstructed {
                place: done + row,
                label: labels.get(done + row).copied(),
                squared_error: model.errors[done + row],
                image: of(targets),
                corrupted: batch.is_corrupted.then(|| of(&inputs)),
                reconstruction: of(&reconstructions),
            }
        });
        done += targets.len() / model.features;
        progress("measuring reconstructions", done, subject.split.len());
    }
    let classes = match labels.is_empty() {
        true => left_out("there are no labels"),
        false => {
            let names = subject.split.dataset().label_names();
            Measured::Value(classes(&labels, names, &model.errors, pca.as_ref().ok()))
        }
    };
    Reconstruction {
        pca: match pca {
            Ok(pca) => Measured::Value(pca.finish()),
            Err(reason) => left_out(reason),
        },
        model: model.finish(),
        classes,
        worst,
    }
}

/// Puts the images of a batch, made from their rows in it, among the worst so far where they belong there.
fn keep_worst(
    worst: &mut Vec<Reconstructed>,
    errors: &[f64],
    of_row: impl Fn(usize) -> Reconstructed,
) {
    let mut rows: Vec<usize> = (0..errors.len()).collect();
    rows.sort_by(|&a, &b| errors[b].total_cmp(&errors[a]));
    worst.extend(rows.into_iter().take(WORST).map(of_row));
    worst.sort_by(|a, b| b.squared_error.total_cmp(&a.squared_error));
    worst.truncate(WORST);
}

fn classes(
    labels: &[u8],
    names: Option<&[String]>,
    model: &[f64],
    pca: Option<&Fidelities>,
) -> Vec<Class> {
    let mut positions: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
    for (position, &label) in labels.iter().enumerate() {
        positions.entry(label).or_default().push(position);
    }
    let of = |errors: &[f64], positions: &[usize]| {
        let errors: Vec<f64> = positions.iter().map(|&position| errors[position]).collect();
        Estimate::mean(&errors)
    };
    let classes = positions.into_iter().filter_map(|(label, positions)| {
        Some(Class {
            label,
            name: names.and_then(|names| names.get(usize::from(label)).cloned()),
            images: positions.len(),
            squared_error: of(model, &positions)?,
            pca_squared_error: pca.and_then(|pca| of(&pca.errors, &positions)),
        })
    });
    classes.collect()
}

/// The errors and the similarities of the images so far.
struct Fidelities {
    features: usize,
    errors: Vec<f64>,
    /// Whether the samples are images, of which alone there is a peak signal and a similarity.
    are_images: bool,
    similarities: Result<(Ssim, Vec<f64>), String>,
}

/// Why rows and vectors have no measures of pictures.
const NO_PICTURES: &str = "the samples are no images";

impl Fidelities {
    fn new(samples: &Subset) -> Self {
        let shape = samples.shape();
        let are_images = samples.dataset().kind() == Kind::Image;
        Self {
            features: shape.features(),
            errors: Vec::new(),
            are_images,
            similarities: match (are_images, Ssim::new(shape)) {
                (false, _) => Err(NO_PICTURES.into()),
                (true, Ok(ssim)) => Ok((ssim, Vec::new())),
                (true, Err(error)) => Err(error.to_string()),
            },
        }
    }

    fn add(&mut self, reconstructions: &[f32], images: &[f32]) {
        self.errors
            .extend(squared_distances(reconstructions, images, self.features));
        if let Ok((ssim, values)) = &mut self.similarities {
            match ssim.values(reconstructions, images) {
                Ok(more) => values.extend(more),
                Err(error) => self.similarities = Err(error.to_string()),
            }
        }
    }

    fn finish(self) -> Fidelity {
        let pixel_errors: Vec<f64> = self
            .errors
            .iter()
            .map(|error| error / self.features as f64)
            .collect();
        let nothing = Estimate {
            value: f64::NAN,
            standard_error: None,
        };
        Fidelity {
            squared_error: Estimate::mean(&self.errors).unwrap_or(nothing),
            psnr_decibels: match self.are_images {
                true => psnr(&pixel_errors).map(|psnr| psnr.decibels).into(),
                false => left_out(NO_PICTURES),
            },
            ssim: match &self.similarities {
                Ok((_, values)) => Measured::Value(Estimate::mean(values).unwrap_or(nothing)),
                Err(reason) => left_out(reason),
            },
        }
    }
}
