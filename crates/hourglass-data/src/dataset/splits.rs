//! A dataset's training and test images, which belong together.

use std::sync::Arc;

use hourglass_samples::{Column, ColumnKind, Input};

use super::dataset::Dataset;
use super::order::split_test;
use crate::error::DataError;
use crate::options::SourceReport;

/// A dataset's training images and, where it has them, its test images.
#[derive(Clone, Debug)]
pub struct Splits {
    train: Arc<Dataset>,
    test: Option<Arc<Dataset>>,
    report: Arc<SourceReport>,
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

    /// These samples to train on, and all of others to test on.
    pub(crate) fn with_test(self, test: &Self) -> Result<Self, DataError> {
        if self.has_test() || test.has_test() {
            return Err(DataError::AlreadySplit {
                dataset: self.train.name().into(),
            });
        }
        let notes = test.report.notes.iter();
        let notes = notes.map(|note| format!("{}: {note}", test.train.name()));
        let mut report = (*self.report).clone();
        report.notes.extend(notes);
        // Labels that only the others have come after the known ones.
        let train = match test.train.label_names() {
            Some(names) => self.train.with_label_names(names),
            None => (*self.train).clone(),
        };
        let both = Self::new(train, Some((*test.train).clone()))?;
        Ok(both.with_report(report))
    }

    /// Holds out a share of the samples for testing, drawn at random.
    ///
    /// # Errors
    /// When there are test samples already, or nothing would be left on one side.
    pub(crate) fn hold_out(self, fraction: f64) -> Result<Self, DataError> {
        if self.has_test() {
            return Err(DataError::AlreadySplit {
                dataset: self.train.name().into(),
            });
        }
        let (train, test) = split_test(self.train.len() as u32, fraction)?;
        Ok(Self {
            train: self.train.select(&train).into(),
            test: Some(self.train.select(&test).into()),
            report: self.report,
        })
    }

    /// These samples, which a model was trained on or which are taken as it takes them, with the features that it gets.
    ///
    /// # Errors
    /// When the samples have other columns.
    pub fn taken_as(self, input: &Input) -> Result<Self, DataError> {
        let own = self.train.input();
        if **own == *input {
            return Ok(self);
        }
        // Numbers may be scaled in another way, but the places of values must be the same.
        let unscaled = |input: &Input| -> Vec<(String, Option<ColumnKind>)> {
            let columns = input.columns().iter();
            let kind = |column: &Column| match &column.kind {
                ColumnKind::Numeric(_) => None,
                other => Some(other.clone()),
            };
            columns
                .map(|column| (column.name.clone(), kind(column)))
                .collect()
        };
        let is_same = own.kind() == input.kind() && own.raw_width() == input.raw_width();
        match is_same && unscaled(own) == unscaled(input) {
            true => Ok(self.with_input(&Arc::new(input.clone()))),
            false => Err(DataError::OtherColumns {
                name: self.train.name().into(),
            }),
        }
    }

    /// The same samples with features made in another way.
    pub fn with_input(&self, input: &Arc<Input>) -> Self {
        let over = |dataset: &Arc<Dataset>| Arc::new(dataset.with_input(input.clone()));
        Self {
            train: over(&self.train),
            test: self.test.as_ref().map(over),
            report: self.report.clone(),
        }
    }

    pub(crate) fn with_report(self, report: SourceReport) -> Self {
        Self {
            report: report.into(),
            ..self
        }
    }

    /// What was found besides the images, and which images were skipped.
    pub fn report(&self) -> &SourceReport {
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
            many: self.train.kind().many(),
        })
    }

    /// Whether there are test images.
    pub fn has_test(&self) -> bool {
        self.test.is_some()
    }
}
