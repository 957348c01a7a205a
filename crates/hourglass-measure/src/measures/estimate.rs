//! A number measured on a sample, with its standard error.
//!
//! The standard error covers only the choice of the sample: which images happen to be in the split. It does not say how the
//! number would change with another training seed.

use serde::{Deserialize, Serialize};

/// A number measured on a sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error; none where a single observation says nothing of the spread.
    pub standard_error: Option<f64>,
}

impl Estimate {
    /// The mean of some values, with standard error `s / √n`, `s² = Σ (x - mean)² / (n - 1)`; none without values.
    pub fn mean(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self {
            value: mean,
            standard_error: (values.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt()),
        })
    }

    /// The share `p` of `hits` among `trials`, with the binomial standard error `√(p (1 - p) / n)`; none without trials.
    pub fn share(hits: usize, trials: usize) -> Option<Self> {
        if trials == 0 {
            return None;
        }
        let share = hits as f64 / trials as f64;
        Some(Self {
            value: share,
            standard_error: Some((share * (1.0 - share) / trials as f64).sqrt()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_the_error_of_its_spread() {
        // Mean 5, squares 9 + 1 + 1 + 9 = 20, so s² = 20 / 3 and s / √4 = √(5 / 3).
        let estimate = Estimate::mean(&[2.0, 4.0, 6.0, 8.0]).unwrap();
        assert_eq!(estimate.value, 5.0);
        assert!((estimate.standard_error.unwrap() - (5.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!(Estimate::mean(&[3.0]).unwrap().standard_error, None);
        assert_eq!(Estimate::mean(&[]), None);
    }

    #[test]
    fn a_share_has_the_binomial_error() {
        let estimate = Estimate::share(90, 100).unwrap();
        assert_eq!(estimate.value, 0.9);
        assert!((estimate.standard_error.unwrap() - 0.03).abs() < 1e-15);
        assert_eq!(Estimate::share(0, 0), None);
    }
}
