//! The codes of the first images of a split.

use burn::tensor::backend::Backend;
use hourglass_data::{Subset, measuring_batch};
use hourglass_measure::{host, input_batches};
use hourglass_models::{Autoencoder, Model};

/// The most images whose codes are computed; a map of more would be a blot.
const IMAGES: usize = 2000;

/// The codes of some images.
pub(super) struct Codes {
    /// `[images, width]`, row-major.
    pub(super) values: Vec<f32>,
    /// The code's size.
    pub(super) width: usize,
    /// A label each, where there are some.
    pub(super) labels: Option<Vec<u8>>,
    /// The names of the labels, where they have some.
    pub(super) label_names: Option<Vec<String>>,
}

impl Codes {
    pub(super) fn of<B: Backend>(
        model: &Model<B>,
        split: &Subset,
        device: &B::Device,
        tick: &mut dyn FnMut(usize),
    ) -> Self {
        let (mut values, mut labels, mut width) = (Vec::new(), Vec::new(), 0);
        let size = measuring_batch(split.dataset().features()).get();
        let batches = input_batches(model, split, device).take(IMAGES.div_ceil(size));
        for batch in batches {
            tick(labels.len());
            let codes = model.encode(batch.images);
            [_, width] = codes.dims();
            values.extend(host(codes));
            labels.extend(batch.batch.labels.unwrap_or_default());
        }
        Self {
            values,
            width,
            labels: (!labels.is_empty()).then_some(labels),
            label_names: split.dataset().label_names().map(<[String]>::to_vec),
        }
    }

    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// The mean and the standard deviation of each unit over the images.
    pub(super) fn moments(&self) -> (Vec<f32>, Vec<f32>) {
        let count = self.rows().len().max(1) as f64;
        let mean = |of: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
            let mut sums = vec![0.0; self.width];
            for row in self.rows() {
                for (unit, &value) in row.iter().enumerate() {
                    sums[unit] += of(unit, f64::from(value));
                }
            }
            sums.iter().map(|sum| sum / count).collect()
        };
        let means = mean(&|_, value| value);
        let variances = mean(&|unit, value| (value - means[unit]).powi(2));
        let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        let deviations = variances.into_iter().map(f64::sqrt).collect();
        (single(means), single(deviations))
    }

    /// The two values of a unit below and above which a share `low` of the images lies.
    pub(super) fn range(&self, unit: usize, low: f64) -> [f32; 2] {
        let mut values: Vec<f32> = self.rows().map(|row| row[unit]).collect();
        values.sort_by(f32::total_cmp);
        let last = values.len().saturating_sub(1);
        let at = |share: f64| values.get((share * last as f64).round() as usize).copied();
        [low, 1.0 - low].map(|share| at(share).unwrap_or(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_ranges_are_those_of_the_values() {
        let codes = Codes {
            values: (0..101).flat_map(|index| [index as f32, 5.0]).collect(),
            width: 2,
            labels: None,
            label_names: None,
        };
        let (means, deviations) = codes.moments();
        assert_eq!(means, [50.0, 5.0]);
        // The variance of 0 to n - 1 is (n^2 - 1) / 12.
        let expected = (f64::from(101 * 101 - 1) / 12.0).sqrt();
        assert!((f64::from(deviations[0]) - expected).abs() < 1e-4);
        assert_eq!(deviations[1], 0.0);
        assert_eq!(codes.range(0, 0.02), [2.0, 98.0]);
        assert_eq!(codes.range(1, 0.02), [5.0, 5.0]);
    }
}
