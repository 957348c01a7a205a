//! A table of scores, as CSV.

use std::io::{self, Write};

use hourglass_data::{Batch, Dataset};

use super::reasons::Reason;
use crate::codes::{LabelKind, image_id};

/// A table of scores. Its columns are `id`, the score under its [name](super::Scorer::name), `anomalous`, where there are labels
/// `label`, and where the score is a sum over columns `reasons`.
pub struct ScoreTable<W: Write> {
    writer: csv::Writer<W>,
    labels: LabelKind,
    threshold: f64,
    has_reasons: bool,
}

impl<W: Write> ScoreTable<W> {
    /// Begins a table of the scores of samples of a dataset. A score above the threshold is anomalous.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn new(
        to: W,
        (name, has_reasons): (&str, bool),
        dataset: &Dataset,
        threshold: f64,
    ) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(to);
        let labels = LabelKind::of(dataset);
        let label = (labels != LabelKind::None).then_some("label");
        let reasons = has_reasons.then_some("reasons");
        let names = ["id", name, "anomalous"].into_iter();
        writer.write_record(names.chain(label).chain(reasons))?;
        Ok(Self {
            writer,
            labels,
            threshold,
            has_reasons,
        })
    }

    /// Adds the scores of a batch, and for those above the threshold what made them.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn write(
        &mut self,
        dataset: &Dataset,
        batch: &Batch,
        scores: &[f64],
        reasons: impl Fn(usize) -> Vec<Reason>,
    ) -> io::Result<()> {
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
            let reasons = self.has_reasons.then(|| match score > self.threshold {
                true => {
                    let texts: Vec<String> = reasons(row).iter().map(Reason::text).collect();
                    texts.join("; ")
                }
                false => String::new(),
            });
            let fields = fields.into_iter().chain(label);
            self.writer.write_record(fields.chain(reasons))?;
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
