//! Measures of what a model is good for: numerics on the host, which take plain slices and know nothing of models.
//!
//! | file | what it measures |
//! |---|---|
//! | [`image_quality`] | how near reconstructions are to their images: PSNR and SSIM |
//! | [`auroc`] | how well scores separate outliers from inliers |
//! | [`average_precision`] | how many of those that score high are outliers |
//! | [`probe`] | how much of the classes a linear classifier reads from codes |
//! | [`neighbours`] | how often the nearest codes are of the same class |
//!
//! Every number comes as an [`Estimate`], with its standard error. None depends on the number of threads.

pub mod auroc;
pub mod average_precision;
mod confusion;
mod error;
mod estimate;
pub mod image_quality;
mod labelled;
mod lbfgs;
pub mod neighbours;
mod penalty;
pub mod probe;
mod problem;
mod standardise;

pub use confusion::Confusion;
pub use error::MeasureError;
pub use estimate::Estimate;
pub use labelled::Labelled;

/// A file of `tests/golden`, which `scripts/sklearn/golden.py` writes.
#[cfg(test)]
fn golden(name: &str) -> serde_json::Value {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
}

/// A list in a golden file, converted to any type of number.
#[cfg(test)]
fn list<Number: serde::de::DeserializeOwned>(value: &serde_json::Value) -> Vec<Number> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Numbers in [-1, 1) without structure (a linear congruential generator, Numerical Recipes' constants).
#[cfg(test)]
pub(crate) fn noise(len: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state) / f64::from(1_u32 << 31) - 1.0
    };
    (0..len).map(|_| next() as f32).collect()
}
