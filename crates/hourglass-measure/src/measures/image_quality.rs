//! How near reconstructions are to their images: PSNR and SSIM, both for values in [0, 1].
//!
//! **PSNR**, the peak signal-to-noise ratio of an image, is `10 log10(1 / MSE)` decibels: 1 is the square of the largest
//! value, MSE the mean squared error over the image's values. The mean is over images, after the logarithm.
//!
//! **SSIM**, the structural similarity of two images `x` and `y`, compares them in every 11x11 window, weighted by a
//! Gaussian of sigma 1.5 that sums to 1; with means `m`, variances `v` and covariance `c` under these weights it is
//!
//! `(2 m_x m_y + C1) (2 c + C2) / ((m_x² + m_y² + C1) (v_x + v_y + C2))`, `C1 = 0.01²`, `C2 = 0.03²`,
//!
//! averaged over the positions where the whole window lies within the image, then over channels. It has no unit, is 1 only for
//! equal images, and can be negative. Images are not downscaled first.
//!
//! Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity", IEEE
//! Transactions on Image Processing 13 (2004), section III; the variances are divided by the weights' sum, as there (eq. 15).

use hourglass_models::Shape;
use serde::Serialize;

use super::{Estimate, MeasureError};

/// The mean squared error below which PSNR rises no further: 2⁻⁴⁸, the square of half a step of f32 just above 1.
///
/// The PSNR of a perfect image is infinite, and a single one would make the mean infinite. If perfect images were left out, an
/// image would lower the mean by becoming perfect. So each counts as the best value that can be told from perfect, 144.5 dB.
const SMALLEST_ERROR: f64 = 1.0 / (1_u64 << 48) as f64;

/// The side of SSIM's window, in pixels.
const WINDOW: usize = 11;

/// The standard deviation of the window's Gaussian, in pixels.
const SIGMA: f64 = 1.5;

/// `(K1 L)²` with `K1 = 0.01` and the range of values `L = 1`.
const C1: f64 = 0.01 * 0.01;

/// `(K2 L)²` with `K2 = 0.03`.
const C2: f64 = 0.03 * 0.03;

/// The peak signal-to-noise ratio over some images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Psnr {
    /// The mean over the images, in decibels; those capped count with 144.5 dB.
    pub decibels: Estimate,
    /// The number of images with a mean squared error below 2⁻⁴⁸, which are perfect as far as single precision can tell.
    pub capped: usize,
}

/// The peak signal-to-noise ratio from the mean squared error of each image, for values in [0, 1].
pub fn psnr(mean_squared_errors: &[f64]) -> Result<Psnr, MeasureError> {
    let mut capped = 0;
    let mut decibels = Vec::with_capacity(mean_squared_errors.len());
    for &error in mean_squared_errors {
        if !(error.is_finite() && error >= 0.0) {
            return Err(MeasureError::Value {
                what: "PSNR's squared errors",
                expected: "finite values from 0",
                found: error,
            });
        }
        capped += usize::from(error < SMALLEST_ERROR);
        decibels.push(-10.0 * error.max(SMALLEST_ERROR).log10());
    }
    let decibels = Estimate::mean(&decibels).ok_or(MeasureError::Empty {
        what: "PSNR's images",
    })?;
    Ok(Psnr { decibels, capped })
}

/// The structural similarity of images of one shape.
pub struct Ssim {
    height: usize,
    width: usize,
    /// The number of values of an image.
    features: usize,
    /// The Gaussian along one side; the window is its product with itself.
    weights: [f64; WINDOW],
    /// A channel of `x`, `y`, `x²`, `y²` and `xy`, weighted along its columns: `[height - 10, width]` each.
    columns: [Vec<f64>; 5],
}

impl Ssim {
    /// Prepares for images of a shape; the error is the reason why there is no SSIM for them.
    pub fn new(shape: Shape) -> Result<Self, MeasureError> {
        let Shape {
            channels,
            height,
            width,
        } = shape;
        if channels == 0 {
            return Err(MeasureError::Empty {
                what: "SSIM's channels",
            });
        }
        if height < WINDOW || width < WINDOW {
            return Err(MeasureError::SmallerThanWindow {
                window: WINDOW,
                height,
                width,
            });
        }
        Ok(Self {
            height,
            width,
            features: channels * height * width,
            weights: gaussian(),
            columns: std::array::from_fn(|_| vec![0.0; (height - WINDOW + 1) * width]),
        })
    }

    /// The similarity of each image to its counterpart.
    ///
    /// # Shapes
    /// - `first`, `second`: `[images, channels, height, width]`, row-major, finite, in [0, 1]
    /// - result: `[images]`
    pub fn values(&mut self, first: &[f32], second: &[f32]) -> Result<Vec<f64>, MeasureError> {
        let images = first.len() / self.features;
        let expected = images * self.features;
        for (what, found) in [
            ("SSIM's first images", first.len()),
            ("SSIM's second images", second.len()),
        ] {
            if found != expected {
                return Err(MeasureError::Length {
                    what,
                    expected,
                    found,
                });
            }
        }
        let pairs = std::iter::zip(
            first.chunks_exact(self.features),
            second.chunks_exact(self.features),
        );
        pairs
            .map(|(first, second)| self.value(first, second))
            .collect()
    }

    /// The mean over channels and positions for one pair of images.
    fn value(&mut self, first: &[f32], second: &[f32]) -> Result<f64, MeasureError> {
        let plane = self.height * self.width;
        let mut sum = 0.0;
        for (first, second) in std::iter::zip(first.chunks_exact(plane), second.chunks_exact(plane))
        {
            self.weight_columns(first, second);
            sum += self.sum_over_positions();
        }
        let positions = (self.height - WINDOW + 1) * (self.width - WINDOW + 1);
        let value = sum / (positions * self.features / plane) as f64;
        if value.is_finite() {
            return Ok(value);
        }
        Err(MeasureError::Value {
            what: "SSIM's images",
            expected: "finite values",
            found: value,
        })
    }

    /// Weights a channel's values and products along its columns.
    fn weight_columns(&mut self, first: &[f32], second: &[f32]) {
        let [
            first_means,
            second_means,
            first_squares,
            second_squares,
            products,
        ] = &mut self.columns;
        for row in 0..self.height - WINDOW + 1 {
            let outputs = row * self.width..(row + 1) * self.width;
            first_means[outputs.clone()].fill(0.0);
            second_means[outputs.clone()].fill(0.0);
            first_squares[outputs.clone()].fill(0.0);
            second_squares[outputs.clone()].fill(0.0);
            products[outputs.clone()].fill(0.0);
            for (offset, weight) in self.weights.iter().enumerate() {
                let inputs = (row + offset) * self.width..(row + offset + 1) * self.width;
                let pixels = std::iter::zip(&first[inputs.clone()], &second[inputs]);
                for (output, (&first, &second)) in outputs.clone().zip(pixels) {
                    let [first, second] = [f64::from(first), f64::from(second)];
                    first_means[output] += weight * first;
                    second_means[output] += weight * second;
                    first_squares[output] += weight * (first * first);
                    second_squares[output] += weight * (second * second);
                    products[output] += weight * (first * second);
                }
            }
        }
    }

    /// The sum of the similarity over the positions of a channel's window.
    fn sum_over_positions(&self) -> f64 {
        let mut sum = 0.0;
        for row in 0..self.height - WINDOW + 1 {
            for column in 0..self.width - WINDOW + 1 {
                let start = row * self.width + column;
                let moments = self
                    .columns
                    .each_ref()
                    .map(|columns| dot(&self.weights, &columns[start..start + WINDOW]));
                sum += similarity(moments);
            }
        }
        sum
    }
}

/// Equation 13 of the paper, from the weighted means of `x`, `y`, `x²`, `y²` and `xy`.
fn similarity(moments: [f64; 5]) -> f64 {
    let [first, second, first_squares, second_squares, products] = moments;
    let variances = (first_squares - first * first) + (second_squares - second * second);
    let covariance = products - first * second;
    (2.0 * first * second + C1) * (2.0 * covariance + C2)
        / ((first * first + second * second + C1) * (variances + C2))
}

fn gaussian() -> [f64; WINDOW] {
    let middle = (WINDOW / 2) as f64;
    let bell: [f64; WINDOW] = std::array::from_fn(|position| {
        (-(position as f64 - middle).powi(2) / (2.0 * SIGMA * SIGMA)).exp()
    });
    let sum: f64 = bell.iter().sum();
    bell.map(|value| value / sum)
}

fn dot(weights: &[f64; WINDOW], values: &[f64]) -> f64 {
    std::iter::zip(weights, values)
        .map(|(weight, value)| weight * value)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::{golden, list, noise};
    use super::*;

    fn images(count: usize) -> Vec<f32> {
        noise(count).iter().map(|value| 0.5 + 0.5 * value).collect()
    }

    #[test]
    fn psnr_and_its_error_are_those_of_the_formula() {
        let golden = golden("image_quality");
        let psnr = psnr(&list::<f64>(&golden["psnr"]["mean_squared_errors"])).unwrap();
        let expected = golden["psnr"]["decibels"].as_f64().unwrap();
        let error = golden["psnr"]["standard_error"].as_f64().unwrap();
        assert!((psnr.decibels.value - expected).abs() < 1e-12);
        assert!((psnr.decibels.standard_error.unwrap() - error).abs() < 1e-12);
        assert_eq!(psnr.capped, 0);
    }

    #[test]
    fn a_perfect_image_counts_as_one_that_can_not_be_told_from_it() {
        let best = psnr(&[0.0]).unwrap();
        assert!((best.decibels.value - 144.494).abs() < 1e-3 && best.capped == 1);
        let both = psnr(&[0.0, 0.01]).unwrap();
        assert!((both.decibels.value - (144.494 + 20.0) / 2.0).abs() < 1e-3);
        assert!(psnr(&[]).is_err());
        assert!(psnr(&[0.1, f64::NAN]).is_err());
        assert!(psnr(&[f64::INFINITY]).is_err() && psnr(&[-0.1]).is_err());
    }

    #[test]
    fn ssim_is_that_of_a_direct_convolution() {
        let golden = golden("image_quality");
        for case in golden["ssim"].as_array().unwrap() {
            let shape: Shape = serde_json::from_value(case["shape"].clone()).unwrap();
            let mut ssim = Ssim::new(shape).unwrap();
            let pixels = |name: &str| -> Vec<f32> {
                let multiples = list::<f32>(&case[name]).into_iter();
                multiples.map(|multiple| multiple / 256.0).collect()
            };
            let found = ssim.values(&pixels("first"), &pixels("second")).unwrap();
            let expected: Vec<f64> = list(&case["values"]);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in std::iter::zip(found, expected) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
    }

    #[test]
    fn ssim_is_one_for_equal_images_and_does_not_care_which_comes_first() {
        let mut ssim = Ssim::new(Shape::new(2, 12, 15)).unwrap();
        let pair = images(2 * 2 * 12 * 15);
        let (first, second) = pair.split_at(2 * 12 * 15);
        assert!((ssim.values(first, first).unwrap()[0] - 1.0).abs() < 1e-12);
        assert_eq!(ssim.values(first, second), ssim.values(second, first));
        assert!(ssim.values(first, second).unwrap()[0] < 0.5);
    }

    #[test]
    fn images_without_ssim_are_refused() {
        assert_eq!(
            Ssim::new(Shape::new(1, 10, 28)).err().unwrap().to_string(),
            "SSIM: expected images of at least 11x11 pixels, as large as its window, found 10x28"
        );
        assert!(
            Ssim::new(Shape::new(1, 28, 10)).is_err() && Ssim::new(Shape::new(0, 28, 28)).is_err()
        );
        let mut ssim = Ssim::new(Shape::new(1, 11, 11)).unwrap();
        assert!(ssim.values(&[0.0; 121], &[0.0; 242]).is_err());
        assert!(ssim.values(&[0.0; 120], &[0.0; 120]).is_err());
        assert!(ssim.values(&[f32::NAN; 121], &[0.0; 121]).is_err());
        assert_eq!(ssim.values(&[], &[]), Ok(Vec::new()));
    }
}
