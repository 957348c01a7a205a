//! `hourglass bench`, and the switch that turns the CPU kernels off.

mod support;

use serde_json::Value;
use support::{Workplace, read};

/// The backends' names with what `bench` measured of training.
fn training(arguments: &[&str]) -> Vec<(String, Value)> {
    let bench = ["bench", "variational", "--batch", "64", "--json"];
    let ran = Workplace::new().run(&[&bench, arguments].concat());
    let json = ran.succeeds().json();
    let backends = json["backends"].as_array().expect("backends");
    let named = |measured: &Value| {
        let name = measured["backend"].as_str().expect("a name").to_owned();
        (name, measured["training"].clone())
    };
    backends.iter().map(named).collect()
}

fn loss(measured: &Value) -> f64 {
    measured["loss"].as_f64().expect("a loss")
}

#[test]
fn every_backend_is_measured_on_the_same_steps() {
    let found = training(&["--steps", "12"]);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.ends_with(&["flex", "ndarray"]), "{names:?}");
    let expected = loss(&found[0].1);
    for (name, measured) in &found {
        assert_eq!(measured["steps"], 12, "{name}");
        let step = measured["step_ms"].as_f64().expect("milliseconds");
        let rate = measured["images_per_second"].as_f64().expect("a rate");
        assert!(
            step > 0.0 && (rate * step / 64e3 - 1.0).abs() < 1e-9,
            "{measured}"
        );
        let error = (loss(measured) / expected - 1.0).abs();
        assert!(error < 1e-4, "{name}: {measured}, not {expected}");
    }
}

#[test]
fn plain_operations_give_the_kernels_numbers_but_for_rounding() {
    let workplace = Workplace::new();
    let found = [("fast", &[][..]), ("plain", &["--plain"])].map(|(out, switch)| {
        let options = [&["--json"], switch].concat();
        let summary = workplace.train(out, &options).succeeds().json();
        let error = summary["test"]["squared_error"].as_f64().expect("an error");
        let weights = read(workplace.path(format!("{out}/model.safetensors")));
        (error, weights)
    });
    let [(fast, fast_weights), (plain, plain_weights)] = found;
    assert!((fast / plain - 1.0).abs() < 1e-3, "{fast}, {plain}");
    assert!(fast_weights != plain_weights, "the switch does nothing");
}

#[test]
fn what_can_not_be_measured_is_refused() {
    let bench = |arguments: &[&str]| Workplace::new().run(&[&["bench"], arguments].concat());
    bench(&["nonsense"]).fails(2, &["expected a family or a recipe"]);
    bench(&["variational", "--seconds", "0"]).fails(2, &["more than 0"]);
    bench(&["variational", "--batch", "0"]).fails(2, &["--batch"]);
    bench(&["conv", "--data", "nowhere"]).fails(1, &["nowhere"]);
}
