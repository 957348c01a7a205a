//! The published models, which are in the program, and model cards.

mod support;

use std::fs;

use serde_json::Value;
use support::{Workplace, read};

fn published(workplace: &Workplace) -> Vec<Value> {
    let models = workplace.run(&["models", "--json"]).succeeds().json();
    models.as_array().expect("a list").clone()
}

#[test]
fn every_published_model_does_what_it_did_when_it_was_published() {
    let workplace = Workplace::new();
    let models = published(&workplace);
    let names: Vec<_> = models.iter().map(|model| &model["name"]).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    for model in &models {
        let name = model["name"].as_str().expect("a name");
        // The embedded images: a tenth of the test images on which the model was published.
        let evaluate = [
            "evaluate",
            name,
            "--data",
            "mnist-mini",
            "--backend",
            "flex",
        ];
        let measures = ["--measures", "reconstruction", "--json"];
        let report = workplace
            .run(&[&evaluate[..], &measures].concat())
            .succeeds()
            .json();
        let error = &report["reconstruction"]["model"]["squared_error"];
        let [found, deviation] =
            ["value", "standard_error"].map(|key| error[key].as_f64().expect("a number"));
        let expected = model["squared_error"].as_f64().expect("a number");
        assert!(
            (found - expected).abs() < 4.0 * deviation,
            "{name}: {found}, {expected}"
        );
    }
    let total: u64 = models
        .iter()
        .filter_map(|model| model["bytes"].as_u64())
        .sum();
    assert!(total < 15_000_000, "{total}");
    // Nothing is written beside them.
    assert!(!workplace.path("variational").exists());
}

#[test]
fn a_published_model_is_drawn_from_exported_and_trained_on() {
    let workplace = Workplace::new();
    workplace.run(&["sample", "variational"]).succeeds();
    let picture = read(workplace.path("samples.png"));
    assert!(picture.starts_with(b"\x89PNG"));
    workplace
        .run(&["sample", "variational"])
        .fails(1, &["samples.png", "--force"]);
    let again = ["sample", "variational", "--force", "--seed", "1"];
    workplace.run(&again).succeeds();
    assert!(read(workplace.path("samples.png")) != picture);
    workplace
        .run(&["sample", "conv", "--out", "conv.png"])
        .fails(1, &["mnist is not on this machine", "mnist-mini"]);
    assert!(!workplace.path("conv.png").exists());

    let export = ["export", "conv", "--format", "onnx", "--out", "conv.onnx"];
    workplace.run(&export).succeeds();
    let external = [
        "export",
        "conv",
        "--format",
        "onnx",
        "--out",
        "external.onnx",
        "--external-data",
    ];
    workplace.run(&external).succeeds();
    let inside = read(workplace.path("conv.onnx")).len();
    let outside =
        ["external.onnx", "external.onnx.data"].map(|name| read(workplace.path(name)).len());
    assert!(
        outside[0] < inside / 10 && outside[0] + outside[1] > inside,
        "{inside}, {outside:?}"
    );
    workplace
        .run(&external)
        .fails(1, &["external.onnx", "--force"]);

    let train = [
        "train",
        "variational",
        "--from",
        "variational",
        "--out",
        "tuned",
    ];
    let little = ["training.steps=1", "training.learning_rate=1e-6"];
    let little = little.map(|setting| ["--set", setting]).concat();
    let tuned = workplace.run(&[&train[..], &little].concat()).succeeds();
    assert!(
        tuned.stdout.contains("negative_elbo              10"),
        "{}",
        tuned.stdout
    );
}

#[test]
fn a_directory_goes_before_a_published_model_and_an_unknown_name_is_told_the_names() {
    let workplace = Workplace::new();
    workplace
        .train("variational", &["--set", "training.steps=2"])
        .succeeds();
    let sample = ["sample", "variational"];
    // The run is of a family without a prior, for which a mixture is fitted.
    let sampled = workplace.run(&sample).succeeds();
    assert!(sampled.stderr.contains("components fitted"), "{sampled:#?}");
    workplace.run(&["sample", "nothing"]).fails(
        1,
        &["nothing", "no directory", "a published model", "deep-rbm"],
    );
}

#[test]
fn a_card_has_the_numbers_of_its_model_and_of_no_other() {
    let workplace = Workplace::new();
    workplace
        .train("run", &["--set", "training.steps=20"])
        .succeeds();
    let card = ["card", "run", "--licence", "mit", "--name", "digits"];
    workplace
        .run(&card)
        .fails(1, &["run/metrics.json", "hourglass evaluate run --json"]);
    let evaluate = [
        "evaluate",
        "run",
        "--json",
        "--measures",
        "reconstruction",
        "--backend",
        "ndarray",
    ];
    let metrics = workplace.run(&evaluate).succeeds();
    workplace.write("run/metrics.json", &metrics.stdout);
    workplace.run(&card).succeeds();
    let text = fs::read_to_string(workplace.path("run/README.md")).expect("a card");
    let error = metrics.json()["squared_error"].as_f64().expect("a number");
    for part in [
        "---\nlicense: \"mit\"\nlibrary_name: hourglass\n",
        "# digits\n",
        "Linear(784, 16), ReLU(), Linear(16, 4)",
        "under CC BY-SA 3.0",
        &format!("| squared error per image | {error:.3} ± "),
        "code = 4\n",
    ] {
        assert!(text.contains(part), "expected `{part}` in\n{text}");
    }
    workplace.run(&card).fails(1, &["run/README.md", "--force"]);
    // The same network, other weights.
    workplace.train("other", &["--seed", "5"]).succeeds();
    fs::copy(
        workplace.path("run/metrics.json"),
        workplace.path("other/metrics.json"),
    )
    .expect("copied");
    workplace
        .run(&["card", "other"])
        .fails(1, &["other/metrics.json", "of another"]);
    workplace
        .run(&["card", "variational"])
        .fails(1, &["variational", "published"]);
}
