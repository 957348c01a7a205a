//! The numbers that every evaluation has, whatever parts were asked for.

use super::basics::Evaluation;
use super::quantity::{Better, Outputs, Quantity};

impl Evaluation {
    /// The squared error, with its standard error over the images where that was measured.
    pub const SQUARED_ERROR: Quantity = Quantity {
        places: &["reconstruction.model.squared_error", "squared_error"],
        pca: &["reconstruction.pca.squared_error", "pca.squared_error"],
        title: "Squared error",
        note: "sum over the pixels, mean over the images",
        better: Better::Lower,
        shown: Outputs::ON_PAGE,
        is_headline: true,
        ..Quantity::PLAIN
    };
    /// The squared error of the corrupted images that a denoising model sees.
    pub const CORRUPTED_SQUARED_ERROR: Quantity = Quantity {
        places: &["corrupted_squared_error"],
        title: "Corrupted squared error",
        note: "of the images as the model sees them",
        shown: Outputs::ON_PAGE,
        ..Quantity::PLAIN
    };
    /// How many units of a sparse code are active.
    pub const ACTIVE_UNITS: Quantity = Quantity {
        places: &["active_units"],
        title: "Active units per image",
        note: "of the code, in the mean over the images",
        decimals: 1,
        shown: Outputs::ON_PAGE,
        is_headline: true,
        ..Quantity::PLAIN
    };
    /// How many units are never active.
    pub const DEAD_UNITS: Quantity = Quantity {
        places: &["dead_units"],
        title: "Dead units",
        note: "active for no image",
        decimals: 0,
        better: Better::Lower,
        shown: Outputs::ON_PAGE,
        ..Quantity::PLAIN
    };
    /// How strongly the code follows the image, for families that control it.
    pub const JACOBIAN_NORM: Quantity = Quantity {
        places: &["jacobian_norm"],
        title: "Jacobian norm",
        note: "of dh/dx, Frobenius, in the mean over the images",
        decimals: 3,
        shown: Outputs::ON_PAGE,
        ..Quantity::PLAIN
    };
    /// The share of the images that a fine-tuned classifier gets wrong.
    pub const CLASSIFIER_ERROR: Quantity = Quantity {
        places: &["classifier.error"],
        error: Some("classifier.standard_error"),
        title: "Classifier's errors",
        note: "images that the fine-tuned classifier takes for another class",
        unit: "%",
        factor: 100.0,
        better: Better::Lower,
        shown: Outputs::ON_PAGE_AND_IN_COMPARISON,
        is_headline: true,
        ..Quantity::PLAIN
    };
    /// The error of PCA as a number of its own.
    pub const PCA_SQUARED_ERROR: Quantity = Quantity {
        places: &["pca.squared_error"],
        title: "PCA's squared error",
        shown: Outputs::IN_COMPARISON,
        better: Better::Lower,
        ..Quantity::PLAIN
    };

    /// The numbers that are shown before those of the parts.
    pub const FIRST_QUANTITIES: &[Quantity] = &[
        Self::SQUARED_ERROR,
        Self::CORRUPTED_SQUARED_ERROR,
        Self::PCA_SQUARED_ERROR,
    ];
    /// The numbers that are shown after those of the parts and the family's own terms.
    pub const LAST_QUANTITIES: &[Quantity] = &[
        Self::ACTIVE_UNITS,
        Self::DEAD_UNITS,
        Self::JACOBIAN_NORM,
        Self::CLASSIFIER_ERROR,
    ];
}
