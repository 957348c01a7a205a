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

/// A safetensors file as other programs write it.
fn without_metadata(bytes: &[u8]) -> Vec<u8> {
    let end = 8 + header_length(bytes);
    let mut header: Value = serde_json::from_slice(&bytes[8..end]).expect("JSON");
    header
        .as_object_mut()
        .expect("a table")
        .remove("__metadata__");
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let length = (header.len() as u64).to_le_bytes();
    [&length, &header[..], &bytes[end..]].concat()
}

fn header_length(bytes: &[u8]) -> usize {
    u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize
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
    let end = 8 + header_length(&stored);
    let header: Value = serde_json::from_slice(&stored[8..end]).expect("JSON");
    let settings = header["__metadata__"]["hourglass"]
        .as_str()
        .expect("settings");
    let settings: Value = serde_json::from_str(settings).expect("JSON");
    assert_eq!(settings["format"], 2);
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
    // The file says what it is.
    let without_config = ["import", "weights.safetensors", "--out", "half"];
    workplace.run(&without_config).succeeds();
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

    // A run has what it began with: the other directory is not needed any more.
    fs::rename(workplace.path("run"), workplace.path("moved")).expect("moved");
    workplace
        .run(&["train", "--resume", "--out", "longer"])
        .succeeds();
    fs::rename(workplace.path("moved"), workplace.path("run")).expect("moved");

    let other = ["--from", "run", "--set", "network.code=5"];
    workplace.train("other", &other).fails(
        1,
        &[
            "training.from: run",
            "the recipe's network",
            r#""code":5"#,
            r#""code":4"#,
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
    import(&workplace, weights, "variational", "out").fails(1, &[weights, "undercomplete"]);
    let anonymous = without_metadata(&read(workplace.path(weights)));
    workplace.write("anonymous.safetensors", anonymous);
    import(&workplace, "anonymous.safetensors", "variational", "out")
        .fails(1, &["anonymous.safetensors", "expected", "found"]);
    let import_alone = ["import", "anonymous.safetensors", "--out", "out"];
    workplace
        .run(&import_alone)
        .fails(2, &["--config", "anonymous.safetensors"]);
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
    import(&workplace, "anonymous.safetensors", "recipe.toml", "out").succeeds();
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
        .fails(1, &["half.safetensors", "Float16 can hold", "1e6"]);
    assert!(!workplace.path("half.safetensors").exists());
}
