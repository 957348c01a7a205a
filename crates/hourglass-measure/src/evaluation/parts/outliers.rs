//! How well the error, or the bound, tells images of another data set from those that the model knows.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_data::Subset;
use hourglass_models::{Autoencoder, Likelihood, Model};
use serde::Serialize;

use super::density::negative_elbos;
use crate::evaluation::baseline::{Baseline, SquaredErrors};
use crate::evaluation::budget;
use crate::evaluation::measured::{Measured, left_out};
use crate::evaluation::part::{Part, Plan};
use crate::evaluation::quantity::{Better, Outputs, Quantity};
use crate::evaluation::request::Request;
use crate::evaluation::subject::{LabelledImages, Subject};
use crate::measures::Estimate;
use crate::measures::auroc::auroc;
use crate::source::{Progress, host};

/// How well scores separate a split from the images of another dataset: the probability that an outlier scores higher.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outliers {
    /// The other dataset.
    pub data: String,
    /// Images of it that were scored.
    pub images: usize,
    /// Images of the split that were scored.
    pub own_images: usize,
    /// By the model's squared error.
    pub auroc_squared_error: Measured<Estimate>,
    /// By the negative evidence lower bound, for families that have one; `bound` names the score that was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auroc_bound: Option<Measured<Estimate>>,
    /// `negative_elbo`, or for Bernoulli on grey pixels `negative_elbo_less_entropy`: the image's own entropy does
    /// not say how unusual it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<&'static str>,
    /// By the squared error of PCA.
    pub auroc_pca_squared_error: Measured<Estimate>,
}

/// How often each image is shown to the model: for the error and for the bound.
const PASSES: usize = 2;

impl Outliers {
    /// How well the error tells outliers apart.
    pub const AUROC_SQUARED_ERROR: Quantity = Quantity {
        places: &["outliers.auroc_squared_error"],
        pca: &["outliers.auroc_pca_squared_error"],
        title: "AUROC by the squared error",
        note: "the chance that an outlier has the larger one",
        decimals: 4,
        better: Better::Higher,
        shown: Outputs::NOWHERE_ELSE,
        ..Quantity::PLAIN
    };
    /// How well the bound tells outliers apart.
    pub const AUROC_BOUND: Quantity = Quantity {
        places: &["outliers.auroc_bound"],
        pca: &[],
        title: "AUROC by the negative ELBO",
        ..Self::AUROC_SQUARED_ERROR
    };
}

impl Part for Outliers {
    const SUMMARY: &'static str = "Whether the error tells another data set from the model's own";

    const QUANTITIES: &'static [Quantity] = &[Self::AUROC_SQUARED_ERROR, Self::AUROC_BOUND];

    fn measure<B: Backend>(
        subject: Subject<'_, B>,
        request: &Request<'_>,
        baseline: Result<&Baseline, &str>,
        progress: Progress<'_>,
    ) -> Measured<Self> {
        match request.outliers {
            Ok(others) => Measured::Value(measure(subject, others, baseline, progress)),
            Err(reason) => left_out(reason),
        }
    }

    fn batch_sizes(plan: &Plan<'_>) -> Vec<usize> {
        let images = [Some(plan.split), plan.request.outliers.ok()]
            .into_iter()
            .flatten();
        let samples = images.map(|images| budget::sample(images, PASSES));
        samples.flat_map(|sample| Plan::sizes(&sample)).collect()
    }

    /// Never: only the user knows which images the model should tell from its own.
    fn is_on_page<B: Backend>(_model: &Model<B>, _image: Tensor<B, 2>) -> bool {
        false
    }
}

/// Scores both sets of images.
fn measure<B: Backend>(
    subject: Subject<'_, B>,
    others: &Subset,
    baseline: Result<&Baseline, &str>,
    progress: Progress<'_>,
) -> Outliers {
    let [split, others] = [subject.split, others].map(|images| budget::sample(images, PASSES));
    let subject = Subject {
        split: &split,
        ..subject
    };
    let inliers = scores(subject, baseline.ok(), progress);
    let others_subject = Subject {
        split: &others,
        ..subject
    };
    let outliers = scores(others_subject, baseline.ok(), progress);
    let auroc_bound = bounds(subject, progress)
        .zip(bounds(others_subject, progress))
        .map(|(inliers, outliers)| auroc(&inliers, &outliers).into());
    Outliers {
        data: others.dataset().name().to_owned(),
        images: others.len(),
        own_images: split.len(),
        auroc_squared_error: auroc(&inliers.model, &outliers.model).into(),
        bound: auroc_bound.is_some().then(|| match is_grey(subject) {
            true => "negative_elbo_less_entropy",
            false => "negative_elbo",
        }),
        auroc_bound,
        auroc_pca_squared_error: match baseline {
            Ok(_) => auroc(&inliers.pca, &outliers.pca).into(),
            Err(reason) => left_out(reason),
        },
    }
}

/// The negative evidence lower bounds of the clean images, less the entropy of the images where the likelihood has one; none
/// for families without a bound.
fn bounds<B: Backend>(subject: Subject<'_, B>, progress: Progress<'_>) -> Option<Vec<f64>> {
    let mut bounds = negative_elbos(subject, progress)?.sums();
    let likelihood = subject.model.likelihood();
    let entropies = subject
        .clean_batches()
        .flat_map(|LabelledImages { images, .. }| {
            let entropies = likelihood.entropy_per_image(images);
            let values =
                entropies.map(|values| values.into_data().iter::<f64>().collect::<Vec<_>>());
            values.unwrap_or_default()
        });
    for (bound, entropy) in bounds.iter_mut().zip(entropies) {
        *bound -= entropy;
    }
    Some(bounds)
}

/// Whether images are grey where the likelihood is one of binary images.
fn is_grey<B: Backend>(subject: Subject<'_, B>) -> bool {
    subject.model.likelihood() == Likelihood::Bernoulli && !subject.is_binarized()
}

/// The errors of the clean images.
fn scores<B: Backend>(
    subject: Subject<'_, B>,
    baseline: Option<&Baseline>,
    progress: Progress<'_>,
) -> SquaredErrors {
    let mut errors = SquaredErrors::default();
    for LabelledImages { images, .. } in subject.clean_batches() {
        let targets = host(images.clone());
        errors.add(subject, baseline, images, &targets);
        progress("scoring outliers", errors.model.len(), subject.split.len());
    }
    errors
}
