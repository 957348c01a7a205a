//! Small models with known weights, and images to measure them on, in double precision.

#![allow(dead_code, reason = "each test file uses a part of this")]

use std::sync::Arc;

use burn::backend::NdArray;
use burn::tensor::TensorData;
use hourglass_data::{Dataset, Shape, Subset};
use hourglass_models::{Model, ModelConfig, load_state_dict};

pub type B = NdArray<f64>;

pub const FEATURES: usize = 4;
pub const CODE: usize = 2;

/// Images of 2 x 2 pixels without structure, one byte a pixel.
pub fn split(images: usize) -> Subset {
    subset(images, |i| (i * i * 37 + i * 101 + 13) as u8, None)
}

/// Images of 2 x 2 pixels: `pixel` gives the byte of each, counted over all.
pub fn subset(images: usize, pixel: impl Fn(usize) -> u8, labels: Option<Vec<u8>>) -> Subset {
    let pixels = (0..images * FEATURES).map(pixel).collect();
    let shape = Shape::new(1, 2, 2);
    let dataset = Dataset::from_memory("test", shape, pixels, labels).expect("images");
    Subset::all(&Arc::new(dataset))
}

pub fn images(split: &Subset) -> Vec<[f64; FEATURES]> {
    let image = |index: &u32| split.dataset().image(*index as usize);
    let pixel = |pixels: &[u8], i: usize| f64::from(f32::from(pixels[i]) / 255.0);
    let images = split.indices().iter().map(image);
    images
        .map(|pixels| std::array::from_fn(|i| pixel(pixels, i)))
        .collect()
}

/// A model of a code of two units and linear layers only, with the weights given: `[outputs, inputs]`, as PyTorch has them.
/// The rest of its configuration is in JSON.
pub fn model<const OUTPUTS: usize>(
    family: &str,
    network: &str,
    objective: &str,
    encoder: ([[f64; FEATURES]; OUTPUTS], [f64; OUTPUTS]),
    decoder: ([[f64; CODE]; FEATURES], [f64; FEATURES]),
) -> Model<B> {
    let network = format!(r#"{{"kind": "mlp", "hidden": [], "code": 2{network}}}"#);
    let config =
        format!(r#"{{"family": "{family}", "network": {network}, "objective": {objective}}}"#);
    let config: ModelConfig = serde_json::from_str(&config).expect("a config");
    let model = config
        .init::<B>(Shape::new(1, 2, 2), 0, &Default::default())
        .expect("a valid config");
    let weights = [
        ("encoder.0.weight", TensorData::from(encoder.0)),
        ("encoder.0.bias", TensorData::from(encoder.1)),
        ("decoder.0.weight", TensorData::from(decoder.0)),
        ("decoder.0.bias", TensorData::from(decoder.1)),
    ];
    let weights = weights.map(|(name, data)| (name.to_owned(), data));
    load_state_dict(model, weights.into()).expect("fitting weights")
}

pub fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[track_caller]
pub fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{found} instead of {expected}, which is more than {tolerance} off"
    );
}
