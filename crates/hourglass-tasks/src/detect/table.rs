//! A table of scores, as CSV.

use std::io::{self, Write};

use hourglass_data::{Batch, Dataset};

use crate::codes::{LabelKind, image_id};

/// A table of scores. Its columns are `id`, the score under its [name](super::Scorer::name), `anomalous` and, where there are
/// labels, `label`.
pub struct ScoreTable<W: Write> {
    writer: csv::Writer<W>,
    labels: LabelKind,
    threshold: f64,
}

impl<W: Write> ScoreTable<W> {
    /// Begins a table of the scores of images of a dataset. A score above the threshold is anomalous.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn new(to: W, name: &str, dataset: &Dataset, threshold: f64) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(to);
        let labels = LabelKind::of(dataset);
        let label = (labels != LabelKind::None).then_some("label");
        writer.write_record(["id", name, "anomalous"].into_iter().chain(label))?;
        Ok(Self {
            writer,
            labels,
            threshold,
        })
    }

    /// Adds the scores of a batch.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn write(&mut self, dataset: &Dataset, batch: &Batch, scores: &[f64]) -> io::Result<()> {
        for (row, (&index, &score)) in batch.indices.iter().zip(scores).enumerate() {
            let label = batch
                .labels
                .as_ref()
                .map(|labels| self.labels.text(labels[row]));
            let fields = [
                image_id(dataset, index),
                score.to_string(),
                (score > self.threshold).to_string(),
            ];
            self.writer.write_record(fields.into_iter().chain(label))?;
        }
        Ok(())
    }

    /// Ends the table, and returns what it was written to.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(self) -> io::Result<W> {
        let written = self.writer.into_inner();
        written.map_err(|error| io::Error::other(error.to_string()))
    }
}
