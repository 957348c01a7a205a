//! The named terms of the objective, which are gathered on the device and read back from time to time.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_data::{Batch, Batches, Subset};
use hourglass_models::{Loss, StepContext};

use crate::source::EVALUATION_SEED;

/// The name under which the total is logged.
pub const LOSS: &str = "loss";

/// Sums of terms over images. They are added in the order of the steps, so that they do not depend on when they are read.
#[derive(Debug)]
pub struct Terms<B: Backend> {
    pending: Vec<Pending<B>>,
    sums: Vec<(String, f64)>,
    images: u64,
    latest: Vec<(String, f64)>,
}

#[derive(Debug)]
struct Pending<B: Backend> {
    step: u64,
    images: usize,
    names: Vec<&'static str>,
    values: Tensor<B, 1>,
}

/// A term that is not a finite number.
#[derive(Debug, Clone, PartialEq)]
pub struct TermNotFinite {
    /// The step in which it occurred.
    pub step: u64,
    /// Its name.
    pub term: &'static str,
    /// Its value: infinite or not a number.
    pub value: f64,
}

/// The total and the terms of a loss as one tensor, `[1 + terms]`, and their names.
pub fn stacked<B: Backend>(loss: Loss<B>) -> (Vec<&'static str>, Tensor<B, 1>) {
    let mut names = vec![LOSS];
    let mut values = vec![loss.total];
    for (name, value) in loss.terms {
        names.push(name);
        values.push(value);
    }
    (names, Tensor::cat(values, 0))
}

impl<B: Backend> Terms<B> {
    /// Continues from sums over so many images.
    pub fn new(sums: Vec<(String, f64)>, images: u64) -> Self {
        Self {
            pending: Vec::new(),
            latest: Vec::new(),
            sums,
            images,
        }
    }

    /// Adds the terms of a batch, means over its images, without waiting for the device.
    pub fn push(
        &mut self,
        step: u64,
        images: usize,
        names: Vec<&'static str>,
        values: Tensor<B, 1>,
    ) {
        self.pending.push(Pending {
            step,
            images,
            names,
            values,
        });
    }

    /// Reads back what is pending.
    ///
    /// # Errors
    /// When a term is not a finite number.
    pub fn read(&mut self) -> Result<(), TermNotFinite> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let tensors = self
            .pending
            .iter()
            .map(|pending| pending.values.clone())
            .collect();
        let data = Tensor::cat(tensors, 0).into_data();
        let mut values = data.iter::<f64>();
        for Pending {
            step,
            images,
            names,
            ..
        } in self.pending.drain(..)
        {
            self.latest.clear();
            for (term, value) in names.into_iter().zip(values.by_ref()) {
                if !value.is_finite() {
                    return Err(TermNotFinite { step, term, value });
                }
                self.latest.push((term.to_owned(), value));
                let sum = value * images as f64;
                match self.sums.iter_mut().find(|(name, _)| name == term) {
                    Some((_, total)) => *total += sum,
                    None => self.sums.push((term.to_owned(), sum)),
                }
            }
            self.images += images as u64;
        }
        Ok(())
    }

    /// The sums read so far, and their images.
    pub fn sums(&self) -> (&[(String, f64)], u64) {
        (&self.sums, self.images)
    }

    /// The terms of the last step read.
    pub fn latest(&self) -> &[(String, f64)] {
        &self.latest
    }

    /// Means over the images read so far; the sums start again from 0.
    pub fn take_means(&mut self) -> Vec<(String, f64)> {
        let images = std::mem::take(&mut self.images).max(1) as f64;
        let sums = std::mem::take(&mut self.sums);
        sums.into_iter()
            .map(|(name, sum)| (name, sum / images))
            .collect()
    }
}

/// The means over a split of the terms of a loss.
pub fn mean_terms<B: Backend>(
    split: &Subset,
    loss: impl Fn(&Batch, &StepContext) -> Loss<B>,
) -> Vec<(String, f64)> {
    let mut terms = Terms::<B>::new(Vec::new(), 0);
    for (index, batch) in Batches::measuring(split).enumerate() {
        let context = StepContext::evaluate(EVALUATION_SEED, index as u64);
        let (names, values) = stacked(loss(&batch, &context));
        terms.push(index as u64, batch.len(), names, values);
    }
    means(terms)
}

/// The means of the terms. If a term is not finite, it is the only one returned, as NaN.
pub(crate) fn means<B: Backend>(mut terms: Terms<B>) -> Vec<(String, f64)> {
    match terms.read() {
        Ok(()) => terms.take_means(),
        Err(fault) => vec![(fault.term.to_owned(), f64::NAN)],
    }
}
