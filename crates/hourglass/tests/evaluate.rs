//! `evaluate` on trained models: the parts agree with each other, and a part that can't be measured says why.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{RECIPE, Workplace, idx_images, idx_labels};

const EVALUATE: [&str; 5] = ["evaluate", "run", "--backend", "ndarray", "--json"];

#[track_caller]
fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

#[track_caller]
fn assert_close(found: &Value, expected: &Value) {
    let (found, expected) = (number(found), number(expected));
    assert!(
        (found - expected).abs() < 1e-4 * expected.abs(),
        "{found} is not {expected}"
    );
}

#[test]
fn the_parts_of_a_report_agree() {
    let workplace = Workplace::new();
    workplace.train("run", &[]).succeeds();
    workplace.write("noise/train-images-idx3-ubyte", idx_images(40, 28));
    workplace.write("noise/t10k-images-idx3-ubyte", idx_images(40, 28));
    let evaluate = [
        &EVALUATE[..],
        &["--outliers", "noise", "--jacobian-images", "20"],
    ]
    .concat();
    let report = workplace.run(&evaluate).succeeds().json();

    let reconstruction = &report["reconstruction"];
    let model = &reconstruction["model"];
    assert_close(&model["squared_error"]["value"], &report["squared_error"]);
    let pca = &reconstruction["pca"];
    assert_close(
        &pca["squared_error"]["value"],
        &report["pca"]["squared_error"],
    );
    // Peak 1: PSNR = -10 log10 of the mean squared error of a pixel; the mean of the logarithms lies above the
    // logarithm of the mean.
    let bound = -10.0 * (number(&report["squared_error"]) / 784.0).log10();
    let psnr = number(&model["psnr_decibels"]["value"]);
    assert!((bound..bound + 2.0).contains(&psnr), "{psnr}");
    assert!((0.0..1.0).contains(&number(&model["ssim"]["value"])));

    let classes = reconstruction["classes"].as_array().expect("classes");
    assert_eq!(classes.len(), 10);
    let total: f64 = classes
        .iter()
        .map(|class| number(&class["images"]) * number(&class["squared_error"]["value"]))
        .sum();
    assert!((total / 1000.0 / number(&report["squared_error"]) - 1.0).abs() < 1e-4);

    let representation = &report["representation"];
    for features in ["codes", "pca_codes", "pixels"] {
        let readout = &representation[features];
        assert_eq!(readout["training_images"], 450);
        for accuracy in ["probe_accuracy", "neighbours_accuracy"] {
            let accuracy = number(&readout[accuracy]["value"]);
            assert!((0.3..1.0).contains(&accuracy), "{features}: {accuracy}");
        }
    }
    assert!(report["density"]["left_out"].is_string());

    let contraction = &report["contraction"];
    assert_eq!(contraction["images"], 20);
    assert_eq!(
        contraction["singular_values"].as_array().map(Vec::len),
        Some(4)
    );
    assert!(contraction["saturated_units"]["left_out"].is_string());

    let robustness = report["robustness"].as_array().expect("robustness");
    assert_eq!(robustness.len(), 12);
    for levels in robustness.chunks_exact(4) {
        let errors = levels
            .iter()
            .map(|row| number(&row["squared_error"]["value"]));
        assert!(
            errors.is_sorted(),
            "more corruption, more error: {levels:#?}"
        );
    }

    let outliers = &report["outliers"];
    assert_eq!(outliers["images"], 40);
    assert_eq!(
        number(&outliers["auroc_squared_error"]["value"]),
        1.0,
        "noise is no digit"
    );
}

#[test]
fn baselines_are_cached_and_fitted_again_when_the_cache_is_damaged() {
    let workplace = Workplace::new();
    workplace.train("run", &[]).succeeds();
    let first = workplace.run(&EVALUATE).succeeds().stdout;
    let cached = |kind: &str| {
        let entries = fs::read_dir(workplace.path("data/baselines")).expect("a cache");
        let mut paths = entries.map(|entry| entry.expect("an entry").path());
        let is_kind = |path: &std::path::PathBuf| {
            let name = path.file_name().expect("a name");
            name.to_string_lossy().starts_with(kind)
        };
        paths.find(is_kind).expect("a cached baseline")
    };
    assert_eq!(workplace.run(&EVALUATE).succeeds().stdout, first);

    // What is in the cache is used.
    let mut pixels: Value = serde_json::from_slice(&support::read(cached("pixels"))).expect("JSON");
    pixels["probe_accuracy"]["value"] = 0.125.into();
    fs::write(cached("pixels"), pixels.to_string()).expect("written");
    let report = workplace.run(&EVALUATE).succeeds().json();
    assert_eq!(
        report["representation"]["pixels"]["probe_accuracy"]["value"],
        0.125
    );

    // But not what is of no use: a PCA of other images, and no JSON.
    let other = r#"{"mean": [0.0], "components": [1.0], "variances": [1.0]}"#;
    fs::write(cached("pca"), other).expect("written");
    fs::write(cached("pixels"), "{").expect("written");
    assert_eq!(workplace.run(&EVALUATE).succeeds().stdout, first);
}

#[test]
fn classifiers_are_not_measured_on_what_they_are_fitted_to() {
    let workplace = Workplace::new();
    workplace
        .train("run", &["--set", "training.steps=3"])
        .succeeds();
    let train = [
        &EVALUATE[..],
        &["--split", "train", "--measures", "representation"],
    ]
    .concat();
    let report = workplace.run(&train).succeeds().json();
    let reason = report["representation"]["left_out"]
        .as_str()
        .expect("a reason");
    assert!(reason.contains("very images"), "{reason}");
}

#[test]
fn what_can_not_be_measured_says_why() {
    let workplace = Workplace::new();
    workplace.write("recipe.toml", RECIPE);
    // Without labels, and too small for the window of SSIM.
    workplace.write("own/train-images-idx3-ubyte", idx_images(60, 8));
    workplace.write("own/t10k-images-idx3-ubyte", idx_images(30, 8));
    workplace
        .train("run", &["--data", "own", "--set", "training.steps=5"])
        .succeeds();
    let report = workplace.run(&EVALUATE).succeeds().json();
    let reason = |value: &Value| {
        let reason = value["left_out"].as_str();
        reason
            .unwrap_or_else(|| panic!("no reason: {value}"))
            .to_owned()
    };
    let reconstruction = &report["reconstruction"];
    assert!(reason(&reconstruction["classes"]).contains("no labels"));
    assert!(reason(&report["representation"]).contains("no labels"));
    assert!(reason(&reconstruction["model"]["ssim"]).contains("11x11"));
    // Nothing is squeezed to the model's shape unless it is named.
    let outliers = reason(&report["outliers"]);
    for part in ["1x28x28", "1x8x8", "--outliers"] {
        assert!(outliers.contains(part), "{outliers}");
    }
    workplace
        .train("digits", &["--set", "training.steps=3"])
        .succeeds();
    let digits = ["evaluate", "digits", "--backend", "ndarray", "--json"];
    let measures = ["--measures", "outliers"];
    let report = workplace.run(&[&digits[..], &measures].concat()).succeeds();
    assert!(reason(&report.json()["outliers"]).contains("hourglass data fetch fashion-mnist"));

    workplace.write("large/train-images-idx3-ubyte", idx_images(5, 9));
    let large = [&EVALUATE[..], &["--data", "large", "--split", "train"]].concat();
    workplace
        .run(&[&large[..], &["--strict"]].concat())
        .fails(1, &["large", "expected images of 1x8x8, found 1x9x9"]);
    let outliers = [&EVALUATE[..], &["--outliers", "large"]].concat();
    workplace
        .run(&outliers)
        .fails(1, &["large has no test images"]);
    let unknown = [&EVALUATE[..], &["--measures", "beauty"]].concat();
    workplace
        .run(&unknown)
        .fails(2, &["beauty", "reconstruction"]);
}

#[test]
fn runs_are_compared_by_what_differs() {
    let workplace = Workplace::new();
    let steps = ["--set", "training.steps=3"];
    workplace.train("a", &steps).succeeds();
    workplace
        .train("b", &[&steps[..], &["--set", "network.code=5"]].concat())
        .succeeds();
    let table = workplace
        .run(&["compare", "a", "b", "--json"])
        .succeeds()
        .json();
    for (place, run, code) in [(0, "a", 4), (1, "b", 5)] {
        let summary: Value =
            serde_json::from_slice(&support::read(workplace.path(run).join("summary.json")))
                .expect("JSON");
        let values = &table[place]["values"];
        assert_eq!(values["network.code"], code);
        assert_eq!(values["measured on"], "test");
        assert_eq!(values["squared_error"], summary["test"]["squared_error"]);
        assert_eq!(
            values["pca.squared_error"],
            summary["test"]["pca"]["squared_error"]
        );
        assert!(
            values.get("training.steps").is_none(),
            "the same in both: {values}"
        );
    }
    let markdown = workplace
        .run(&["compare", "a", "b", "--markdown"])
        .succeeds()
        .stdout;
    assert!(
        markdown.starts_with("| run | a | b |\n|---|--:|--:|\n| network.code | 4 | 5 |\n"),
        "{markdown}"
    );
    fs::remove_file(workplace.path("b/summary.json")).expect("removed");
    workplace
        .run(&["compare", "a", "b"])
        .fails(1, &["b: expected a finished run", "--resume"]);
    workplace.run(&["compare"]).fails(2, &["RUNS"]);
}

#[test]
fn only_what_is_asked_for_is_measured() {
    let workplace = Workplace::new();
    workplace.write("own/train-images-idx3-ubyte", idx_images(60, 16));
    workplace.write("own/train-labels-idx1-ubyte", idx_labels(60));
    workplace
        .train("run", &["--data", "own", "--set", "training.steps=5"])
        .succeeds();
    let some = [
        &EVALUATE[..],
        &["--split", "train", "--measures", "reconstruction"],
    ]
    .concat();
    let report = workplace.run(&some).succeeds().json();
    assert!(report["reconstruction"]["classes"].is_array());
    for absent in [
        "representation",
        "density",
        "contraction",
        "robustness",
        "outliers",
    ] {
        assert!(report[absent].is_null(), "{absent}");
    }
}

/// A classifier that was fine-tuned is measured by training and again by `evaluate`, and a longer training helps.
#[test]
fn a_fine_tuned_classifier_is_measured() {
    let workplace = Workplace::new();
    let recipe = RECIPE.replace("limit = 500", "limit = 1500");
    let recipe = format!("{recipe}[classifier]\nsteps = 150\nlearning_rate = 3e-3");
    workplace.write("recipe.toml", recipe);
    let train = [
        "train",
        "recipe.toml",
        "--backend",
        "ndarray",
        "--json",
        "--out",
    ];
    let short = ["short", "--set", "classifier.steps=1"];
    let short = workplace
        .run(&[&train[..], &short].concat())
        .succeeds()
        .json();
    let trained = workplace
        .run(&[&train[..], &["run"]].concat())
        .succeeds()
        .json();
    let classifier = &trained["test"]["classifier"];
    assert!(number(&classifier["error"]) < 0.3, "{classifier}");
    assert!(
        number(&short["test"]["classifier"]["error"]) > 0.5,
        "{short}"
    );
    assert_eq!(classifier["classes"], 10);
    let (error, errors) = (number(&classifier["error"]), number(&classifier["errors"]));
    assert_eq!(error, errors / 1000.0);
    let expected = (error * (1.0 - error) / 1000.0).sqrt();
    assert_eq!(number(&classifier["standard_error"]), expected);

    let evaluate = [&EVALUATE[..], &["--measures", "reconstruction"]].concat();
    let measured = workplace.run(&evaluate).succeeds().json();
    assert_eq!(&measured["classifier"], classifier);
    let text = workplace.run(&[
        "evaluate",
        "run",
        "--backend",
        "ndarray",
        "--measures",
        "reconstruction",
    ]);
    assert!(
        text.stdout.contains(&format!("{errors} errors")),
        "{}",
        text.stdout
    );
}

/// The file of the only estimate that a run has.
fn estimate_of(run: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(run.join("log-likelihood")).ok()?;
    Some(entries.next()?.expect("an entry").path())
}

/// The estimated log-likelihood of each image, as a run keeps it; a line that is not whole counts for nothing.
fn log_likelihoods(run: &Path) -> Vec<f64> {
    let bytes = support::read(estimate_of(run).expect("an estimate"));
    let text = String::from_utf8(bytes).expect("text");
    let batches = text
        .split_inclusive('\n')
        .skip(1)
        .filter(|line| line.ends_with('\n'));
    let batches = batches.map(|line| {
        let batch: Value = serde_json::from_str(line).expect("JSON");
        batch["estimates"].as_array().expect("estimates").clone()
    });
    batches
        .flatten()
        .map(|image| number(&image["log_likelihood"]))
        .collect()
}

/// An estimate that is killed goes on, and two runs are compared image by image.
#[test]
fn estimates_outlive_a_kill_and_are_compared() {
    const PATIENCE: Duration = Duration::from_secs(120);
    /// Between the first line and the end of the first batch's.
    const BEGUN: u64 = 10_000;
    let workplace = Workplace::new();
    let recipe = RECIPE.replace("undercomplete", "variational");
    let objective = "likelihood = \"bernoulli\"\nbinarize = true";
    workplace.write(
        "recipe.toml",
        recipe.replace("likelihood = \"squared_error\"", objective),
    );
    for (run, steps) in [("a", "training.steps=20"), ("b", "training.steps=60")] {
        let train = ["train", "recipe.toml", "--backend", "ndarray", "--out"];
        let steps = [run, "--set", steps];
        workplace.run(&[&train[..], &steps].concat()).succeeds();
    }
    let estimate = |run| {
        let density = ["--measures", "density", "--samples", "100"];
        let evaluate = ["evaluate", run, "--backend", "ndarray", "--json"];
        [&evaluate[..], &density].concat()
    };
    let run = workplace.path("a");
    let mut killed = workplace
        .command(&estimate("a"))
        .spawn()
        .expect("the program starts");
    let start = Instant::now();
    while estimate_of(&run).map_or(0, |file| support::read(file).len() as u64) < BEGUN {
        assert!(start.elapsed() < PATIENCE, "no batch was kept");
        thread::sleep(Duration::from_millis(1));
    }
    killed.kill().expect("killed");
    killed.wait().expect("an end");
    assert!(log_likelihoods(&run).len() < 1000, "killed too late");

    let resumed = workplace.run(&estimate("a")).succeeds().json();
    let kept = log_likelihoods(&run);
    fs::remove_dir_all(run.join("log-likelihood")).expect("removed");
    let whole = workplace.run(&estimate("a")).succeeds().json();
    assert_eq!(resumed, whole);
    assert_eq!(kept, log_likelihoods(&run));

    workplace.run(&estimate("b")).succeeds();
    let table = workplace.run(&["compare", "a", "b", "--json"]);
    let table = table.succeeds().json();
    let other = log_likelihoods(&workplace.path("b"));
    let differences: Vec<f64> = kept.iter().zip(&other).map(|(a, b)| a - b).collect();
    assert_eq!(differences.len(), 1000);
    let mean = differences.iter().sum::<f64>() / 1000.0;
    let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
    let error = (squares / 999.0 / 1000.0).sqrt();
    let values = &table[1]["values"];
    let found = |name: &str| number(&values[format!("log_likelihood.{name}")]);
    assert!((found("difference_to_first_nats") - mean).abs() < 1e-9);
    assert!((found("difference_standard_error_nats") - error).abs() < 1e-9);
    assert!(mean < -5.0 * error, "a longer training is better: {mean}");
    let of_first = &table[0]["values"]["log_likelihood.importance_weighted_nats"];
    let density = &whole["density"]["log_likelihood"];
    assert_close(of_first, &density["importance_weighted_nats"]);
}

/// Labels of another data set are read by classifiers that are fitted to that one; without labels the rest is measured.
#[test]
fn another_data_set_is_measured_with_its_own_labels() {
    let workplace = Workplace::new();
    let recipe = format!("{RECIPE}[classifier]\nsteps = 3");
    workplace.write("recipe.toml", recipe);
    let train = ["train", "recipe.toml", "--backend", "ndarray", "--out"];
    let steps = ["run", "--set", "training.steps=3"];
    workplace.run(&[&train[..], &steps].concat()).succeeds();
    // Of two classes that noise says nothing of; the labels of digits would be right a tenth of the time.
    workplace.write("other/train-images-idx3-ubyte", idx_images(120, 28));
    workplace.write("other/t10k-images-idx3-ubyte", idx_images(60, 28));
    let labels = |count: u32| {
        let mut bytes = idx_labels(count);
        bytes[8..]
            .iter_mut()
            .for_each(|label| *label = 7 + *label % 2);
        bytes
    };
    workplace.write("other/train-labels-idx1-ubyte", labels(120));
    workplace.write("other/t10k-labels-idx1-ubyte", labels(60));
    let other = [
        &EVALUATE[..],
        &["--data", "other", "--measures", "representation"],
    ]
    .concat();
    let report = workplace.run(&other).succeeds().json();
    let pixels = &report["representation"]["pixels"];
    assert_eq!(pixels["training_images"], 120);
    // The test images are the first of the training images: the nearest neighbour of each is itself.
    assert!(number(&pixels["neighbours_accuracy"]["value"]) > 0.5);
    assert!(report["classifier"]["error"].is_number());

    fs::remove_file(workplace.path("other/train-labels-idx1-ubyte")).expect("removed");
    fs::remove_file(workplace.path("other/t10k-labels-idx1-ubyte")).expect("removed");
    let report = workplace.run(&other).succeeds().json();
    for part in ["classifier", "representation"] {
        let reason = report[part]["left_out"].as_str();
        assert!(reason.is_some_and(|reason| reason.contains("no labels")));
    }
    let text = ["evaluate", "run", "--backend", "ndarray", "--data", "other"];
    let text = workplace.run(&text).succeeds().stdout;
    assert!(text.contains("classifier"), "{text}");
    assert!(text.contains("saturated units: left out, since"), "{text}");
}
