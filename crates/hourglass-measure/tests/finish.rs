//! The end of a run: the weights first, and then what can be measured and drawn.

mod support;

use std::fs;

use hourglass_measure::{Finished, Measured, PcaComparison, Subject, Summary, interrupt};
use hourglass_models::Model;
use hourglass_store::{DataIdentity, Description, RunDirectory, SavedModel};
use serde_json::{Map, Value};
use support::{B, model, split};

fn small() -> Model<B> {
    let encoder = ([[0.9, -0.3, 0.5, 0.2], [0.2, 0.6, 0.2, -0.5]], [0.0; 2]);
    let decoder = ([[0.5, -0.2], [0.1, 0.7], [-0.4, 0.3], [0.6, 0.2]], [0.1; 4]);
    model("undercomplete", "", "{}", encoder, decoder)
}

/// Saves a model and measures it, while its progress is watched by `watch`; then reads back what is on disk.
fn finish(watch: &mut dyn FnMut(&str)) -> (Summary, Value) {
    let directory = tempfile::tempdir().expect("a directory");
    let run = RunDirectory::create(Some(directory.path()), "small").expect("a run");
    fs::write(run.metrics(), "").expect("written");
    let (model, split) = (small(), split(20));
    let config = r#"{"family": "undercomplete", "network": {"kind": "mlp", "hidden": [], "code": 2}, "objective": {}}"#;
    let data = DataIdentity {
        name: "test".into(),
        sha256: split.dataset().sha256().into(),
        licence: None,
    };
    let config = serde_json::from_str(config).expect("a config");
    let description = Description::new(config, (**split.dataset().input()).clone(), data);
    let finished = Finished {
        run: &run,
        description: &description,
        subject: Subject {
            model: &model,
            classifier: None,
            split: &split,
            training: Ok(&split),
            device: &Default::default(),
        },
        split: "test",
        facts: Map::new(),
    };
    let read = || -> Value {
        serde_json::from_slice(&fs::read(run.summary()).expect("a summary")).expect("JSON")
    };
    let mut summary = finished.save().expect("saved");
    assert_eq!(read()["test"]["left_out"], "it has not been measured yet");
    finished
        .measure(&mut summary, None, &mut |phase, _, _| watch(phase))
        .expect("what fails is left out");
    // Whatever was left out, the model is there.
    let saved = SavedModel::in_directory(run.path());
    saved
        .load::<B>(&Default::default())
        .expect("the model loads");
    let found = read();
    assert_eq!(Value::Object(summary.to_json()), found);
    (summary, found)
}

#[test]
fn a_run_without_faults_has_everything() {
    let (_, found) = finish(&mut |_| {});
    assert!(found["test"]["squared_error"].is_number(), "{found}");
    assert!(found["test"]["pca"]["squared_error"].is_number(), "{found}");
    assert_eq!(found["not_drawn"], Value::Null);
}

#[test]
fn a_measure_that_panics_is_left_out_and_the_others_are_not() {
    let (summary, found) = finish(&mut |phase| assert!(phase != "fitting PCA", "no {phase} today"));
    assert!(found["test"]["squared_error"].is_number(), "{found}");
    let Measured::Value(evaluation) = summary.evaluation else {
        panic!("{found}")
    };
    assert!(evaluation.has_failed);
    let PcaComparison::LeftOut(reason) = evaluation.pca else {
        panic!("{found}")
    };
    assert!(reason.contains("no fitting PCA today"), "{reason}");
    assert_eq!(found["not_drawn"], Value::Null);

    let (summary, found) = finish(&mut |phase| assert!(phase != "measuring", "no {phase} today"));
    assert!(
        matches!(summary.evaluation, Measured::LeftOut { .. }),
        "{found}"
    );
    assert_eq!(found["not_drawn"], Value::Null);
}

#[test]
fn an_interruption_leaves_out_what_comes_after_it() {
    let mut is_interrupted = false;
    let (summary, found) = finish(&mut |phase| {
        is_interrupted |= phase == "fitting PCA";
        if is_interrupted {
            interrupt();
        }
    });
    assert!(found["test"]["squared_error"].is_number(), "{found}");
    assert_eq!(found["test"]["pca"]["left_out"], "it was interrupted");
    let files: Vec<&str> = summary.not_drawn.iter().map(|(file, _)| *file).collect();
    // The family has no prior, and so no samples that could be missing.
    assert_eq!(files, ["reconstructions.png", "curves.svg"]);
}
