//! Weights that leave the program and come back.

mod support;

use std::fs;

use serde_json::Value;
use support::{Ran, Workplace, read};

const EVALUATE: [&str; 5] = [
    "--backend",
    "ndarray",
    "--json",
    "--measures",
    "reconstruction",
];

fn squared_error(workplace: &Workplace, run: &str) -> f64 {
    let report = workplace.run(&[&["evaluate", run][..], &EVALUATE].concat());
    let report = report.succeeds().json();
    report["squared_error"].as_f64().expect("a number")
}

fn import(workplace: &Workplace, weights: &str, config: &str, out: &str) -> Ran {
    workplace.run(&["import", weights, "--config", config, "--out", out])
}

#[test]
fn weights_come_back_by_a_recipe_and_by_a_config() {
    let workplace = Workplace::new();
    workplace.train("run", &[]).succeeds();
    let export = ["export", "run", "--out", "weights.safetensors"];
    workplace.run(&export).succeeds();
    // What a run has is what is exported.
    let stored = read(workplace.path("run/model.safetensors"));
    assert!(read(workplace.path("weights.safetensors")) == stored);
    let length = u64::from_le_bytes(stored[..8].try_into().expect("8 bytes")) as usize;
    let header: Value = serde_json::from_slice(&stored[8..8 + length]).expect("JSON");
    let settings = header["__metadata__"]["hourglass"]
        .as_str()
        .expect("settings");
    let settings: Value = serde_json::from_str(settings).expect("JSON");
    assert_eq!(settings["format"], 1);
    assert_eq!(settings["data"]["licence"], "CC BY-SA 3.0");

    import(
        &workplace,
        "weights.safetensors",
        "recipe.toml",
        "by-recipe",
    )
    .succeeds();
    import(
        &workplace,
        "weights.safetensors",
        "run/config.json",
        "by-config",
    )
    .succeeds();
    for directory in ["by-recipe", "by-config"] {
        for file in ["config.json", "model.safetensors"] {
            let found = read(workplace.path(directory).join(file));
            assert!(
                found == read(workplace.path("run").join(file)),
                "{directory}/{file}"
            );
        }
    }

    let half = ["--precision", "float16", "--force"];
    workplace.run(&[&export[..], &half].concat()).succeeds();
    let size = read(workplace.path("weights.safetensors")).len();
    assert!(size < stored.len() * 6 / 10, "{size}");
    import(&workplace, "weights.safetensors", "recipe.toml", "half").succeeds();
    let (whole, half) = (
        squared_error(&workplace, "run"),
        squared_error(&workplace, "half"),
    );
    assert!(
        whole != half && (whole - half).abs() < 1e-3 * whole,
        "{whole}, {half}"
    );
}

#[test]
fn training_goes_on_from_weights() {
    let workplace = Workplace::new();
    workplace.train("run", &[]).succeeds();
    let before = squared_error(&workplace, "run");
    // A step of no size.
    let still = [
        "--set",
        "training.steps=1",
        "--set",
        "training.learning_rate=1e-12",
    ];
    workplace
        .train("still", &[&["--from", "run"][..], &still].concat())
        .succeeds();
    assert!((squared_error(&workplace, "still") - before).abs() < 1e-3 * before);
    workplace.train("longer", &["--from", "run"]).succeeds();
    let after = squared_error(&workplace, "longer");
    assert!(after < 0.95 * before, "{before} to {after}");

    let other = ["--from", "run", "--set", "network.code=5"];
    workplace.train("other", &other).fails(
        1,
        &[
            "training.from: run/model.safetensors",
            "tensor `",
            "has shape",
        ],
    );
    workplace
        .train("other", &["--from", "nowhere"])
        .fails(1, &["training.from: nowhere", "no directory"]);
    assert!(!workplace.path("other").exists());
}

#[test]
fn what_does_not_fit_is_not_imported() {
    let workplace = Workplace::new();
    workplace
        .train("run", &["--set", "training.steps=2"])
        .succeeds();
    let weights = "run/model.safetensors";
    import(&workplace, weights, "variational", "out").fails(1, &[weights]);
    import(&workplace, "recipe.toml", "recipe.toml", "out")
        .fails(1, &["recipe.toml", "safetensors"]);
    import(&workplace, "missing", "recipe.toml", "out").fails(1, &["missing"]);
    import(&workplace, weights, "missing.json", "out").fails(1, &["missing.json"]);
    let overridden = [
        "import",
        weights,
        "--config",
        "run/config.json",
        "--out",
        "out",
        "--set",
        "a.b=1",
    ];
    workplace.run(&overridden).fails(2, &["--set"]);
    assert!(!workplace.path("out").exists());
    import(&workplace, weights, "recipe.toml", "run").fails(1, &["run", "in use"]);

    // Too large for half precision.
    let path = workplace.path(weights);
    let mut bytes = read(&path);
    let place = bytes.len() - 4;
    bytes[place..].copy_from_slice(&1e6_f32.to_le_bytes());
    fs::write(&path, bytes).expect("written");
    let export = [
        "export",
        "run",
        "--out",
        "half.safetensors",
        "--precision",
        "float16",
    ];
    workplace
        .run(&export)
        .fails(1, &["half.safetensors", "not a finite number"]);
    assert!(!workplace.path("half.safetensors").exists());
}
