//! The score above which an image is called anomalous.

use super::error::DetectError;

/// The score above which images are called anomalous, and how far it can be relied on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// An image with a score above this value is anomalous.
    pub value: f64,
    /// The number of scores that it was taken from.
    pub images: usize,
    /// The share of other images of the same kind that is expected above it, if the model was fitted to none of them.
    pub expected_above: f64,
}

impl Threshold {
    /// The smallest score above which at most a share `contamination` of images like these is expected.
    ///
    /// A new image's score is as likely to have any place among n others: above the k-th largest of them lies a share
    /// k / (n + 1) in the mean over draws of all (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World",
    /// 2005, chapter 2). If there are so few scores that even 1 / (n + 1) is more, it is the largest score.
    ///
    /// # Errors
    /// When there are no scores.
    pub fn of(mut scores: Vec<f64>, contamination: f64) -> Result<Self, DetectError> {
        scores.sort_unstable_by(f64::total_cmp);
        let images = scores.len();
        let share = |place: usize| place as f64 / (images + 1) as f64;
        let place = (contamination * (images + 1) as f64).floor() as usize;
        // A product just below a whole number may have been rounded down to it.
        let place = place + usize::from(share(place + 1) <= contamination);
        let place = place.clamp(1, images.max(1));
        let value = images.checked_sub(place).map(|index| scores[index]);
        Ok(Self {
            value: value.ok_or(DetectError::NoImages)?,
            images,
            expected_above: share(place),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_the_share_lies_above_the_threshold() {
        let scores: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        for (contamination, expected) in [
            (0.0, 20.0),
            (0.05, 20.0),
            (0.09, 20.0),
            (0.1, 19.0),
            (0.999, 1.0),
        ] {
            let found = Threshold::of(scores.clone(), contamination).unwrap();
            assert_eq!(found.value, expected, "{contamination}");
            let above = scores.iter().filter(|&&score| score > found.value).count() as f64;
            assert!(above <= contamination * 20.0);
        }
        // Ties at the threshold are not above it.
        assert_eq!(Threshold::of(vec![3.0; 10], 0.5).unwrap().value, 3.0);
        assert!(Threshold::of(Vec::new(), 0.5).is_err());
    }

    /// Each of n + 1 scores in turn is the new one: as many lie above the threshold of the others as is promised.
    #[test]
    fn a_new_image_is_above_the_threshold_as_often_as_is_promised() {
        for count in [4_usize, 19, 20, 57] {
            let all: Vec<f64> = (0..=count).map(|place| (place * 37 % 101) as f64).collect();
            for contamination in [0.02, 0.05, 0.1, 0.37, 0.9] {
                let mut above = 0;
                let mut promised = 0.0;
                for left_out in 0..all.len() {
                    let mut others = all.clone();
                    let new = others.remove(left_out);
                    let threshold = Threshold::of(others, contamination).unwrap();
                    above += usize::from(new > threshold.value);
                    promised = threshold.expected_above;
                }
                let share = above as f64 / all.len() as f64;
                assert!(
                    (share - promised).abs() < 1e-12,
                    "{count} {contamination}: {share}"
                );
                let least = 1.0 / all.len() as f64;
                assert!(
                    share <= contamination.max(least),
                    "{count} {contamination}: {share}"
                );
            }
        }
    }
}
