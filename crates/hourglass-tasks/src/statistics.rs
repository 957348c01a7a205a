//! The codes of many images, and their ranges.

use burn::tensor::backend::Backend;
use hourglass_data::Subset;
use hourglass_measure::{Progress, host, input_batches};
use hourglass_models::{Autoencoder, Model};

use crate::finite::{NotFinite, check_finite};

/// The codes of images, on the host.
///
/// # Errors
/// When one is not finite.
///
/// # Shapes
/// - output: `[images, code]`
pub fn codes_of<B: Backend>(
    model: &Model<B>,
    images: &Subset,
    device: &B::Device,
    progress: Progress<'_>,
) -> Result<Vec<f32>, NotFinite> {
    let mut codes = Vec::new();
    let mut done = 0;
    for batch in input_batches(model, images, device) {
        let found = model.encode(batch.images);
        let [count, width] = found.dims();
        let found = host(found);
        check_finite(&found, width, done)?;
        codes.extend(found);
        done += count;
        progress("encoding", done, images.len());
    }
    Ok(codes)
}

/// The values of each dimension of some codes, sorted.
#[derive(Debug)]
pub struct CodeStatistics {
    sorted: Vec<Vec<f32>>,
    mean: Vec<f32>,
}

impl CodeStatistics {
    /// # Shapes
    /// - codes: `[images, code]`, at least one image
    pub fn new(codes: &[f32], code: usize) -> Self {
        let columns = (0..code).map(|dimension| {
            let column = codes.iter().skip(dimension).step_by(code).copied();
            let mut column: Vec<f32> = column.collect();
            column.sort_by(f32::total_cmp);
            column
        });
        let sorted: Vec<Vec<f32>> = columns.collect();
        let mean = sorted.iter().map(|column| {
            let sum: f64 = column.iter().map(|&value| f64::from(value)).sum();
            (sum / column.len().max(1) as f64) as f32
        });
        Self {
            mean: mean.collect(),
            sorted,
        }
    }

    /// The mean code.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The value of a dimension below which a share of the images lies, interpolated between neighbours.
    pub fn quantile(&self, dimension: usize, share: f64) -> f32 {
        let column = &self.sorted[dimension];
        let place = share.clamp(0.0, 1.0) * column.len().saturating_sub(1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        let weight = (place - place.floor()) as f32;
        match (column.get(below), column.get(above)) {
            (Some(&low), Some(&high)) => low + (high - low) * weight,
            _ => 0.0,
        }
    }

    /// The dimensions in decreasing order of the range between these two shares.
    pub fn widest(&self, low: f64, high: f64) -> Vec<usize> {
        let range =
            |&dimension: &usize| self.quantile(dimension, high) - self.quantile(dimension, low);
        let mut dimensions: Vec<usize> = (0..self.sorted.len()).collect();
        dimensions.sort_by(|left, right| range(right).total_cmp(&range(left)));
        dimensions
    }
}

/// The value below which a standard normal variable is with probability `share`, for shares within (0, 1).
pub fn normal_quantile(share: f64) -> f64 {
    let below = |value: f64| 0.5 * libm::erfc(-value / std::f64::consts::SQRT_2);
    // No share that a double can hold has a quantile as far out as 40, and 100 halvings exceed a double's precision.
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if below(middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_normal_distribution_are_those_of_tables() {
        // Abramowitz & Stegun, table 26.5 and 26.6.
        for (share, value) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_54),
            (0.01, -2.326_347_874_04),
        ] {
            assert!((normal_quantile(share) - value).abs() < 1e-10, "{share}");
        }
    }

    #[test]
    fn quantiles_of_codes_lie_between_neighbours() {
        let codes = [4.0, 10.0, 0.0, 10.0, 2.0, 10.5];
        let statistics = CodeStatistics::new(&codes, 2);
        assert_eq!(statistics.mean()[0], 2.0);
        assert_eq!(
            [0.0, 0.25, 0.5, 1.0].map(|share| statistics.quantile(0, share)),
            [0.0, 1.0, 2.0, 4.0]
        );
        assert_eq!(statistics.widest(0.0, 1.0), [0, 1]);
    }
}
