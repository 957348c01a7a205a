//! How many units of a sparse code are active, and how often.

use burn::tensor::backend::Backend;
use hourglass_models::{Autoencoder, Sparsity};
use serde::Serialize;

use super::subject::{LabelledImages, Subject};
use crate::source::{Progress, host};

/// The number of bins in the histogram of the units.
const BINS: usize = 10;

/// The activity of a code's units on a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Activity {
    /// The mean number of active units per image.
    pub active_units: f64,
    /// Units that are active for no image.
    pub dead_units: usize,
    /// The mean activation, over images and units.
    pub mean_activation: f64,
    /// The number of units by the share of the images for which they are active: above 0 to 10 %, above 10 to 20 % and so
    /// on. Dead units are in no bin.
    pub units_by_share_of_images: [usize; BINS],
    /// The median over units of |rho_j - rho| / rho, rho_j the unit's mean and rho the target, where there is one.
    pub median_target_deviation: Option<f64>,
}

/// The largest absolute value and the sum of each unit over a split.
#[derive(Default)]
pub(super) struct Units {
    largest: Vec<f32>,
    sums: Vec<f64>,
}

impl Units {
    /// Adds the codes of a batch, `[batch, code]`.
    pub(super) fn add(&mut self, codes: &[f32], code: usize) {
        self.largest.resize(code, 0.0);
        self.sums.resize(code, 0.0);
        for row in codes.chunks_exact(code) {
            for (unit, &value) in row.iter().enumerate() {
                self.largest[unit] = self.largest[unit].max(value.abs());
                self.sums[unit] += f64::from(value);
            }
        }
    }
}

/// Counts the active units: a second pass, since what counts as active depends on each unit's largest value.
pub(super) fn measure<B: Backend>(
    subject: Subject<'_, B>,
    sparsity: Sparsity,
    units: &Units,
    progress: Progress<'_>,
) -> Activity {
    let code = units.largest.len();
    let (mut active, mut done) = (vec![0_usize; code], 0);
    for LabelledImages { images, .. } in subject.clean_batches() {
        done += images.dims()[0];
        let codes = host(subject.model.encode(images));
        for row in codes.chunks_exact(code) {
            for (unit, value) in row.iter().enumerate() {
                let threshold = sparsity.active_share * units.largest[unit];
                active[unit] += usize::from(value.abs() > threshold);
            }
        }
        progress("counting active units", done, subject.split.len());
    }
    let images = subject.split.len().max(1) as f64;
    let all = |counts: &[usize]| counts.iter().sum::<usize>() as f64;
    Activity {
        active_units: all(&active) / images,
        dead_units: active.iter().filter(|&&count| count == 0).count(),
        mean_activation: units.sums.iter().sum::<f64>() / images / code.max(1) as f64,
        units_by_share_of_images: histogram(active.iter().map(|&count| count as f64 / images)),
        median_target_deviation: sparsity.target_activation.map(|target| {
            let deviation = |sum: &f64| (sum / images - target).abs() / target;
            median(units.sums.iter().map(deviation).collect())
        }),
    }
}

/// Counts shares above 0 by tenths; each bin includes its upper end.
fn histogram(shares: impl Iterator<Item = f64>) -> [usize; BINS] {
    let mut bins = [0; BINS];
    for share in shares.filter(|&share| share > 0.0) {
        let bin = (share * BINS as f64).ceil() as usize;
        bins[bin.clamp(1, BINS) - 1] += 1;
    }
    bins
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_have_their_upper_ends_and_dead_units_are_in_none() {
        let bins = histogram([0.0, 0.001, 0.1, 0.11, 0.5, 0.95, 1.0].into_iter());
        assert_eq!(bins, [2, 1, 0, 0, 1, 0, 0, 0, 0, 2]);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
