//! Whether the error tells images of another kind from those that the model knows.

use burn::tensor::backend::Backend;
use hourglass_data::Subset;
use serde::Serialize;

use super::baseline::Baseline;
use super::subject::{Progress, Shown, Subject, host, squared_distances};
use super::{Measured, left_out};
use crate::measures::Estimate;
use crate::measures::auroc::auroc;

/// How well scores separate a split from the images of another dataset: the chance that an outlier has the higher score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outliers {
    /// The other dataset.
    pub data: String,
    /// Its images.
    pub images: usize,
    /// By the model's squared error.
    pub auroc_squared_error: Measured<Estimate>,
    /// By the squared error of PCA.
    pub auroc_pca_squared_error: Measured<Estimate>,
}

/// Scores both sets of images.
pub(super) fn measure<B: Backend>(
    subject: Subject<'_, B>,
    others: &Subset,
    baseline: Result<&Baseline, &str>,
    progress: Progress<'_>,
) -> Outliers {
    let (inliers, pca_inliers) = scores(subject, baseline, progress);
    let others_subject = Subject {
        split: others,
        ..subject
    };
    let (outliers, pca_outliers) = scores(others_subject, baseline, progress);
    Outliers {
        data: others.dataset().name().to_owned(),
        images: others.len(),
        auroc_squared_error: auroc(&inliers, &outliers).into(),
        auroc_pca_squared_error: match baseline {
            Ok(_) => auroc(&pca_inliers, &pca_outliers).into(),
            Err(reason) => left_out(reason),
        },
    }
}

/// The model's and PCA's squared error of each clean image.
fn scores<B: Backend>(
    subject: Subject<'_, B>,
    baseline: Result<&Baseline, &str>,
    progress: Progress<'_>,
) -> (Vec<f64>, Vec<f64>) {
    let features = subject.split.dataset().features();
    let (mut model, mut pca, mut done) = (Vec::new(), Vec::new(), 0);
    for Shown { images, .. } in subject.shown() {
        let targets = host(images.clone());
        if let Ok(Baseline {
            pca: fitted,
            components,
        }) = baseline
        {
            let reconstructions = fitted.reconstruct(*components, &targets);
            pca.extend(squared_distances(&reconstructions, &targets, features));
        }
        model.extend(squared_distances(
            &subject.reconstruct(images),
            &targets,
            features,
        ));
        done += targets.len() / features;
        progress("scoring outliers", done, subject.split.len());
    }
    (model, pca)
}
