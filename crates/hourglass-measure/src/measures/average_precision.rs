//! Average precision: the area under the curve of precision by recall, without interpolation.
//!
//! `AP = Σ_n (R_n - R_{n-1}) P_n` over the thresholds at the distinct scores, from the highest down: `P_n` is the share of
//! outliers among the images that score at least as high as threshold n, `R_n` the share of the outliers that do. It is the
//! average of the precision at each outlier, with tied scores taken together, as in scikit-learn's
//! `average_precision_score`. Chance is the share of outliers, 1 is perfect. It has no unit.

use super::auroc::check;
use super::{Estimate, MeasureError};

/// The average precision; a higher score says that an image is an outlier. It comes without a standard error.
///
/// # Errors
/// When there are no inliers or no outliers, or a score is not a number.
pub fn average_precision(inliers: &[f64], outliers: &[f64]) -> Result<Estimate, MeasureError> {
    check(inliers, "scores of inliers")?;
    check(outliers, "scores of outliers")?;
    let inliers = inliers.iter().map(|&score| (score, false));
    let scores = inliers.chain(outliers.iter().map(|&score| (score, true)));
    let mut scores: Vec<(f64, bool)> = scores.collect();
    scores.sort_unstable_by(|(left, _), (right, _)| right.total_cmp(left));

    let (mut sum, mut seen, mut found) = (0.0, 0_usize, 0_usize);
    // Equal by `==`, so that 0 and -0 tie, which `total_cmp` puts beside each other.
    for tied in scores.chunk_by(|(left, _), (right, _)| left == right) {
        let outliers = tied.iter().filter(|(_, outlier)| *outlier).count();
        seen += tied.len();
        found += outliers;
        sum += outliers as f64 * (found as f64 / seen as f64);
    }
    Ok(Estimate {
        value: sum / found as f64,
        standard_error: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn precision(inliers: &[f64], outliers: &[f64]) -> f64 {
        average_precision(inliers, outliers).unwrap().value
    }

    /// Worked out by hand from the definition.
    #[test]
    fn known_cases() {
        // scikit-learn's own example: 0.8 and 0.35 are outliers, at ranks 1 and 3.
        assert!((precision(&[0.1, 0.4], &[0.35, 0.8]) - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-15);
        assert_eq!(precision(&[1.0, 2.0], &[3.0, 4.0]), 1.0);
        // The outliers are last of four: at ranks 3 and 4.
        assert!(
            (precision(&[3.0, 4.0], &[1.0, 2.0]) - (1.0 / 3.0 + 2.0 / 4.0) / 2.0).abs() < 1e-15
        );
        // All tie: the share of outliers, whatever the order.
        assert_eq!(precision(&[5.0, 5.0, 5.0], &[5.0]), 0.25);
        // One outlier ahead, and one in a tie of three: (1 * 1 + 1 * 2/4) / 2.
        assert_eq!(precision(&[1.0, 1.0], &[1.0, 2.0]), 0.75);
        assert_eq!(precision(&[0.0], &[-0.0]), 0.5);
        assert_eq!(precision(&[f64::NEG_INFINITY], &[f64::INFINITY]), 1.0);
    }

    /// Against the definition, threshold by threshold.
    #[test]
    fn sums_over_thresholds() {
        let scores: Vec<f64> = super::super::noise(300)
            .iter()
            .map(|v| f64::from((v * 20.0).round()))
            .collect();
        let (outliers, inliers) = scores.split_at(70);
        let mut thresholds = scores.clone();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        let at_least = |scores: &[f64], threshold: f64| {
            scores.iter().filter(|&&score| score >= threshold).count() as f64
        };
        let (mut expected, mut recall) = (0.0, 0.0);
        for threshold in thresholds {
            let found = at_least(outliers, threshold);
            let precision = found / (found + at_least(inliers, threshold));
            expected += (found / outliers.len() as f64 - recall) * precision;
            recall = found / outliers.len() as f64;
        }
        assert!((precision(inliers, outliers) - expected).abs() < 1e-12);
    }

    #[test]
    fn scores_without_a_precision_are_refused() {
        assert!(average_precision(&[], &[1.0]).is_err());
        assert!(average_precision(&[1.0], &[]).is_err());
        assert!(average_precision(&[f64::NAN], &[1.0]).is_err());
    }
}
