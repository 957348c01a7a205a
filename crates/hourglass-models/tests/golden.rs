//! Losses, gradients, codes and reconstructions agree with PyTorch, in double precision.

mod support;

use std::collections::BTreeSet;

use burn::backend::NdArray;
use hourglass_models::ModelConfig;
use support::cases;

#[test]
fn losses_and_gradients() {
    support::losses_and_gradients_agree_with_pytorch::<NdArray<f64>>();
}

#[test]
fn codes_and_reconstructions() {
    support::codes_and_reconstructions_agree_with_pytorch::<NdArray<f64>>();
}

#[test]
fn there_are_cases_of_every_family() {
    let found = cases()
        .into_iter()
        .map(|case| case.description.config.family());
    let found: BTreeSet<_> = found.collect();
    assert_eq!(found, ModelConfig::FAMILIES.iter().copied().collect());
}
