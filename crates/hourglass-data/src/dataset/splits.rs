//! A dataset's training and test images, which belong together.

use std::sync::Arc;

use super::dataset::Dataset;
use crate::error::DataError;
use crate::options::ImageReport;

/// A dataset's training images and, where it has them, its test images.
#[derive(Clone, Debug)]
pub struct Splits {
    train: Arc<Dataset>,
    test: Option<Arc<Dataset>>,
    report: Arc<ImageReport>,
}

impl Splits {
    /// Puts the splits together; it is an error if their images differ in shape.
    pub fn new(train: Dataset, test: Option<Dataset>) -> Result<Self, DataError> {
        match &test {
            Some(test) if test.shape() != train.shape() => Err(DataError::ShapesDisagree {
                name: train.name().into(),
                train: train.shape(),
                test: test.shape(),
            }),
            _ => Ok(Self {
                train: train.into(),
                test: test.map(Arc::new),
                report: Arc::default(),
            }),
        }
    }

    pub(crate) fn with_report(self, report: ImageReport) -> Self {
        Self {
            report: report.into(),
            ..self
        }
    }

    /// What was found besides the images, and which images were skipped.
    pub fn report(&self) -> &ImageReport {
        &self.report
    }

    /// The training images.
    pub fn train(&self) -> &Arc<Dataset> {
        &self.train
    }

    /// The test images, or an error that says which file is missing.
    pub fn test(&self) -> Result<&Arc<Dataset>, DataError> {
        self.test.as_ref().ok_or_else(|| DataError::NoTestSplit {
            dataset: self.train.name().into(),
        })
    }

    /// Whether there are test images.
    pub fn has_test(&self) -> bool {
        self.test.is_some()
    }
}
