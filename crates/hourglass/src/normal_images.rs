//! The images that say what is normal. A score is fitted to some of them, and its threshold is taken from others.

use anyhow::{Context, Result};
use hourglass_data::Subset;
use hourglass_store::{Description, SavedModel};
use hourglass_tasks::detect::Threshold;
use serde_json::{Value, json};

use crate::evaluated::own_samples;
use crate::images::{SourceArguments, open};

/// The share of images named by `--reference` that a score is not fitted to, where it is fitted to some.
const HELD_OUT: f64 = 0.1;

/// Images that are normal.
pub(super) struct NormalImages {
    /// What distances and PCA are fitted to.
    pub(super) fitted_to: Subset,
    /// What the threshold is taken from.
    pub(super) threshold_from: Subset,
    /// Whether neither the model nor the score was fitted to the latter.
    pub(super) held_out: bool,
}

impl NormalImages {
    /// The images that the model was trained on, and those that its training held out.
    pub(super) fn of_model(
        source: &SourceArguments,
        saved: &SavedModel,
        description: &Description,
    ) -> Result<Self> {
        let locations = source.locations.locations();
        let own = own_samples(&source.opening(saved, description, &locations));
        let (_, training, validation) = own.context(
            "the images that the model was trained on are needed; name others that are normal by --reference, or a --threshold",
        )?;
        Ok(Self::parted(training, validation, true))
    }

    /// The training part of a data set.
    pub(super) fn named(
        name: &str,
        score_is_fitted: bool,
        source: &SourceArguments,
        description: &Description,
    ) -> Result<Self> {
        let options = source.how.for_model(&description.input);
        let splits = open(name, &source.locations.locations(), &options)?;
        let all = Subset::all(splits.train());
        // The model may have been trained on these very images.
        let are_new = splits.train().sha256() != description.data.sha256;
        Ok(if score_is_fitted {
            let (training, held_out) = all.split_validation(HELD_OUT, 0)?;
            Self::parted(training, held_out, are_new)
        } else {
            Self {
                fitted_to: all.clone(),
                threshold_from: all,
                held_out: are_new,
            }
        })
    }

    /// Without images apart, the threshold has to come from those that were fitted to.
    fn parted(fitted_to: Subset, apart: Subset, are_new: bool) -> Self {
        let held_out = are_new && !apart.is_empty();
        Self {
            threshold_from: if apart.is_empty() {
                fitted_to.clone()
            } else {
                apart
            },
            fitted_to,
            held_out,
        }
    }
}

/// The origin of a threshold, for programs.
pub(super) fn origin_json(threshold: &Threshold, held_out: bool) -> Value {
    json!({
        "images": threshold.images, "held_out": held_out,
        "expected_false_alarms": held_out.then_some(threshold.expected_above),
    })
}

/// The same for people: how many false alarms to expect.
pub(super) fn origin_text(threshold: &Threshold, held_out: bool, contamination: f64) -> String {
    let images = threshold.images;
    if !held_out {
        return format!(
            "the threshold is from {images} images that were fitted to, since none were held out (data.validation was 0, or \
             --reference names images of the training): expect more false alarms than the {contamination} asked for"
        );
    }
    let expected = threshold.expected_above;
    let too_few = if contamination > 0.0 && expected > contamination {
        format!(
            ", not {contamination}: for that at least {} would have to be held out",
            (1.0 / contamination).ceil() - 1.0
        )
    } else {
        String::new()
    };
    format!(
        "the threshold is from {images} held-out images: of new normal ones a share of {expected:.4} is expected above \
         it{too_few}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_expect_is_said() {
        let threshold = |images: u32| {
            let scores = (0..images).map(f64::from).collect();
            Threshold::of(scores, 0.05).expect("scores")
        };
        let text = origin_text(&threshold(199), true, 0.05);
        assert!(text.contains("199 held-out") && text.ends_with("0.0500 is expected above it"));
        let text = origin_text(&threshold(9), true, 0.05);
        assert!(text.ends_with(
            "0.1000 is expected above it, not 0.05: for that at least 19 would have to be held out"
        ));
        let text = origin_text(&threshold(199), false, 0.05);
        assert!(text.contains("fitted to") && text.contains("more false alarms"));
        assert_eq!(
            origin_json(&threshold(199), true)["expected_false_alarms"],
            0.05
        );
        assert!(origin_json(&threshold(199), false)["expected_false_alarms"].is_null());
    }
}
