//! Models of every format that was ever written are read, and compute what they did: `expected.json` is by PyTorch
//! (`scripts/pytorch/formats.py`).

use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use hourglass_models::Autoencoder;
use hourglass_store::SavedModel;
use serde_json::Value;

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.is_dir()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    let numbers = value.as_array().expect("a list").iter();
    numbers
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

#[track_caller]
fn assert_close(found: Tensor<Flex, 2>, expected: &Value, what: &str) {
    let found: Vec<f64> = found.into_data().iter::<f64>().collect();
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(&expected) {
        let limit = 1e-5 * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() <= limit,
            "{what}: {found}, {expected}"
        );
    }
}

#[test]
fn models_of_every_format_compute_what_they_did() {
    let device = Default::default();
    let mut seen = 0;
    for directory in directories(&formats())
        .iter()
        .flat_map(|path| directories(path))
    {
        let name = directory.display().to_string();
        let saved = SavedModel::find(&directory).unwrap_or_else(|error| panic!("{error}"));
        let model = saved.load::<Flex>(&device);
        let model = model.unwrap_or_else(|error| panic!("{error}"));
        let description = saved.description().expect("settings");
        let features = description.shape().features();
        let pixels = (0..features).map(|pixel| (37 * pixel % 256) as f32 / 255.0);
        let image = TensorData::new(pixels.collect(), [1, features]);
        let text = saved.file("expected.json").expect("a file");
        let expected: Value = serde_json::from_slice(&text).expect("JSON");
        let codes = model.encode(Tensor::from_data(image, &device));
        assert_close(codes.clone(), &expected["codes"], &name);
        assert_close(model.decode(codes), &expected["decoded"], &name);
        seen += 1;
    }
    assert_eq!(seen, 7);
}
