//! The area under the receiver operating characteristic curve: the chance that an outlier scores higher than an inlier.
//!
//! `A = (#{outlier > inlier} + #{outlier = inlier} / 2) / (outliers · inliers)` over all pairs, the statistic of Mann and
//! Whitney (1947): 1 is perfect, 0.5 is chance, below it the scores point the wrong way. It has no unit and needs no threshold.
//!
//! The standard error is that of Hanley and McNeil, "The meaning and use of the area under a receiver operating
//! characteristic (ROC) curve", Radiology 143 (1982): with `Q1 = A / (2 - A)` and `Q2 = 2 A² / (1 + A)`,
//!
//! `SE² = (A (1 - A) + (outliers - 1) (Q1 - A²) + (inliers - 1) (Q2 - A²)) / (outliers · inliers)`.
//!
//! It covers the choice of both samples; Q1 and Q2 are those of exponential scores. At `A = 1` or 0 it is 0, which is too small.

use super::{Estimate, MeasureError};

/// The area under the curve; a higher score says that an image is an outlier.
///
/// It is exact: pairs are counted in integers. Infinite scores are ordered like others.
pub fn auroc(inliers: &[f64], outliers: &[f64]) -> Result<Estimate, MeasureError> {
    check(inliers, "scores of inliers")?;
    check(outliers, "scores of outliers")?;
    let pairs = inliers.len() as f64 * outliers.len() as f64;
    let area = doubled_wins(inliers, outliers) as f64 / (2.0 * pairs);
    Ok(Estimate {
        value: area,
        standard_error: Some(standard_error(area, inliers.len(), outliers.len())),
    })
}

pub(super) fn check(scores: &[f64], what: &'static str) -> Result<(), MeasureError> {
    if scores.is_empty() {
        return Err(MeasureError::Empty { what });
    }
    if scores.iter().any(|score| score.is_nan()) {
        return Err(MeasureError::Value {
            what,
            expected: "numbers that can be ordered",
            found: f64::NAN,
        });
    }
    Ok(())
}

/// Twice the number of pairs in which the outlier scores higher, plus the number of ties.
fn doubled_wins(inliers: &[f64], outliers: &[f64]) -> u128 {
    let inliers = inliers.iter().map(|&score| (score, false));
    let outliers = outliers.iter().map(|&score| (score, true));
    let mut scores: Vec<(f64, bool)> = inliers.chain(outliers).collect();
    scores.sort_unstable_by(|(left, _), (right, _)| left.total_cmp(right));

    let mut wins = 0_u128;
    let mut inliers_below = 0_u128;
    // Equal by `==`, so that 0 and -0 tie, which `total_cmp` puts beside each other.
    for tied in scores.chunk_by(|(left, _), (right, _)| left == right) {
        let outliers = tied.iter().filter(|(_, outlier)| *outlier).count() as u128;
        let inliers = tied.len() as u128 - outliers;
        wins += outliers * (2 * inliers_below + inliers);
        inliers_below += inliers;
    }
    wins
}

/// Hanley and McNeil's standard error of an area.
fn standard_error(area: f64, inliers: usize, outliers: usize) -> f64 {
    let [inliers, outliers] = [inliers as f64, outliers as f64];
    let two_outliers_higher = area / (2.0 - area);
    let two_inliers_lower = 2.0 * area * area / (1.0 + area);
    let variance = area * (1.0 - area)
        + (outliers - 1.0) * (two_outliers_higher - area * area)
        + (inliers - 1.0) * (two_inliers_lower - area * area);
    (variance.max(0.0) / (inliers * outliers)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::{golden, list};
    use super::*;

    #[test]
    fn areas_and_errors_are_those_of_scikit_learn_and_the_paper() {
        for case in golden("auroc").as_array().unwrap() {
            let found = auroc(&list(&case["inliers"]), &list(&case["outliers"])).unwrap();
            let expected = case["area"].as_f64().unwrap();
            assert!((found.value - expected).abs() < 1e-14, "{case}");
            let expected = case["standard_error"].as_f64().unwrap();
            assert!(
                (found.standard_error.unwrap() - expected).abs() < 1e-14,
                "{case}"
            );
        }
    }

    #[test]
    fn ties_count_half() {
        let area = |inliers: &[f64], outliers: &[f64]| auroc(inliers, outliers).unwrap().value;
        assert_eq!(area(&[1.0, 2.0], &[3.0]), 1.0);
        assert_eq!(area(&[1.0, 2.0], &[0.0]), 0.0);
        assert_eq!(area(&[1.0, 2.0], &[2.0]), 0.75);
        assert_eq!(area(&[0.0, -0.0], &[-0.0, 0.0]), 0.5);
        assert_eq!(area(&[f64::NEG_INFINITY], &[f64::INFINITY]), 1.0);
    }

    #[test]
    fn scores_without_an_area_are_refused() {
        assert_eq!(
            auroc(&[], &[1.0]).unwrap_err().to_string(),
            "scores of inliers: expected at least one, found none"
        );
        assert!(auroc(&[1.0], &[]).is_err());
        assert_eq!(
            auroc(&[1.0], &[1.0, f64::NAN]).unwrap_err().to_string(),
            "scores of outliers: expected numbers that can be ordered, found NaN"
        );
    }
}
