//! Tables and vectors through the whole program: trained on, used, and given back in the user's units and columns.

mod support;

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;

use serde_json::Value;
use support::Workplace;

/// Rows of weight (near 70), height (170 + 2 (weight - 70)), smokes and town; every twentieth is odd: light and tall.
fn people(rows: u32) -> String {
    let mut text = "weight,height,smokes,town,odd\n".to_owned();
    for row in 0..rows {
        // As good as random, and the same everywhere.
        let random = |step: u32| f64::from((row * 2_654_435 + step * 40_503) % 1000) / 1000.0;
        let weight = 60.0 + 20.0 * random(1);
        let is_odd = row % 20 == 7;
        let height = match is_odd {
            true => 230.0 - (weight - 70.0),
            false => 170.0 + 2.0 * (weight - 70.0) + random(2),
        };
        let smokes = if random(3) < 0.5 { "yes" } else { "no" };
        let town = ["Bern", "Oslo", "Rome"][row as usize % 3];
        let odd = u8::from(is_odd);
        let _ = writeln!(text, "{weight:.3},{height:.3},{smokes},{town},{odd}");
    }
    text
}

/// The rows of a CSV file, by the names of its columns.
fn table(text: &str) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.deserialize();
    rows.map(|row| row.expect("a row")).collect()
}

fn number(row: &HashMap<String, String>, column: &str) -> f64 {
    row[column].parse().expect("a number")
}

/// A run on people.csv, whose labels are `odd`.
fn trained(more: &[&str]) -> Workplace {
    let workplace = Workplace::new();
    workplace.write("people.csv", people(400));
    let arguments = [
        "train",
        "tabular",
        "--data",
        "people.csv",
        "--label",
        "odd",
        "--test-fraction",
        "0.25",
        "--out",
        "run",
        "--set",
        "training.steps=300",
        "--backend",
        "flex",
    ];
    workplace.run(&[&arguments, more].concat()).succeeds();
    workplace
}

#[test]
fn odd_rows_are_found_and_the_columns_that_made_them_are_named() {
    let workplace = trained(&[]);
    let ran = workplace.run(&[
        "detect",
        "run",
        "--normal",
        "0",
        "--json",
        "--backend",
        "flex",
    ]);
    let json = ran.succeeds().json();
    assert_eq!(json["score"], "columns");
    let auroc = json["auroc"].as_f64().expect("an area");
    assert!(auroc > 0.99, "{auroc}");
    assert!(
        json["pca"]["auroc"].is_number() && json["recall"].is_number(),
        "{json:#}"
    );
    assert!(json["standard_errors"]["auroc"].is_number());
    let first = &json["strangest"][0];
    let column = &first["columns"][0];
    assert_eq!(column["column"], "height", "{first:#}");
    // In centimetres.
    let found: f64 = column["found"]
        .as_str()
        .expect("a text")
        .parse()
        .expect("a number");
    assert!((200.0..250.0).contains(&found), "{first:#}");

    let ran = workplace
        .run(&["detect", "run", "people.csv", "--backend", "flex"])
        .succeeds();
    let rows = table(&ran.stdout);
    assert_eq!(rows.len(), 400);
    let above = rows
        .iter()
        .find(|row| row["anomalous"] == "true")
        .expect("an anomaly");
    assert!(
        above["reasons"].contains("expected") && above["reasons"].contains("%"),
        "{above:?}"
    );
    assert!(
        ran.stderr
            .contains("passed over columns that the model does not know: odd")
    );
}

#[test]
fn what_leaves_is_in_the_units_and_columns_of_the_table() {
    let workplace = trained(&[
        "--set",
        "objective.level=0.2",
        "--set",
        "objective.trim=0.1",
    ]);
    workplace
        .run(&[
            "reconstruct",
            "run",
            "people.csv",
            "--out",
            "made",
            "--backend",
            "flex",
        ])
        .succeeds();
    let text = fs::read_to_string(workplace.path("made/rows.csv")).expect("rows");
    assert_eq!(text.lines().next(), Some("id,weight,height,smokes,town"));
    let (made, rows) = (table(&text), table(&people(400)));
    assert_eq!((made.len(), made[3]["id"].as_str()), (400, "3"));
    let errors = rows.iter().zip(&made).filter(|(row, _)| row["odd"] == "0");
    let errors: Vec<f64> = errors
        .map(|(row, made)| (number(row, "height") - number(made, "height")).abs())
        .collect();
    let error = errors.iter().sum::<f64>() / errors.len() as f64;
    // The heights of the others have a mean absolute deviation of 10.
    assert!(error < 4.0, "{error}");
    let right = rows
        .iter()
        .zip(&made)
        .filter(|(row, made)| row["town"] == made["town"]);
    let right = right.count();
    assert!(right > 300, "{right}");

    // Codes and back give the same rows.
    workplace
        .run(&[
            "encode",
            "run",
            "people.csv",
            "--out",
            "codes.npy",
            "--backend",
            "flex",
        ])
        .succeeds();
    for name in ["decoded.csv", "decoded.parquet"] {
        workplace
            .run(&[
                "decode",
                "run",
                "codes.npy",
                "--out",
                name,
                "--backend",
                "flex",
            ])
            .succeeds();
    }
    let decoded = fs::read_to_string(workplace.path("decoded.csv")).expect("rows");
    assert_eq!(table(&decoded)[5]["weight"], made[5]["weight"]);
    // The Parquet file is one that can be used like the text.
    let score = |data: &str| {
        let arguments = ["detect", "run", data, "--json", "--backend", "flex"];
        let json = workplace.run(&arguments).succeeds().json();
        json["strangest"][0]["score"].as_f64().expect("a score")
    };
    let (parquet, text) = (score("decoded.parquet"), score("decoded.csv"));
    assert!((parquet - text).abs() < 1e-3 * text, "{parquet} {text}");

    workplace
        .run(&[
            "sample",
            "run",
            "--count",
            "7",
            "--out",
            "new.csv",
            "--backend",
            "flex",
        ])
        .succeeds();
    let sampled = table(&fs::read_to_string(workplace.path("new.csv")).expect("rows"));
    assert_eq!(sampled.len(), 7);
    assert!(
        sampled
            .iter()
            .all(|row| ["Bern", "Oslo", "Rome"].contains(&row["town"].as_str()))
    );
    let way = [
        "interpolate",
        "run",
        "test:0",
        "test:1",
        "--steps",
        "3",
        "--out",
        "way.csv",
        "--backend",
        "flex",
    ];
    workplace.run(&way).succeeds();
    let way = table(&fs::read_to_string(workplace.path("way.csv")).expect("rows"));
    assert_eq!(way.len(), 5);
}

#[test]
fn every_command_takes_a_table_or_says_why_not() {
    let workplace = trained(&[]);
    for arguments in [
        &["evaluate", "run"][..],
        &["report", "run", "--out", "report.html"],
        &["embed", "run", "--out", "map.svg"],
        &["traverse", "run", "--dimensions", "0", "--out", "walk.csv"],
        &["compare", "run", "run"],
        &["export", "run", "--format", "onnx", "--out", "run.onnx"],
        &[
            "export",
            "run",
            "--format",
            "safetensors",
            "--out",
            "run.safetensors",
        ],
        &["data", "info", "people.csv"],
    ] {
        workplace.run(arguments).succeeds();
    }
    let page = fs::read_to_string(workplace.path("report.html")).expect("a page");
    assert!(page.contains("4 columns"));
    for (arguments, part) in [
        (
            &["denoise", "run", "--out", "x"][..],
            "expected a model of images, found one of rows",
        ),
        (
            &["inpaint", "run", "--mask", "half:left", "--out", "x"],
            "expected random:SHARE with a model of rows",
        ),
        (
            &["sample", "run", "--out", "x.gif"],
            ".csv or .parquet or .npy",
        ),
        (&["sample", "run", "--out", "x.npy"], "`smokes` has texts"),
        (
            &["detect", "run", "mnist-mini"],
            "expected samples of the kind `table`",
        ),
    ] {
        let ran = workplace.run(arguments);
        assert!(ran.stderr.contains(part), "{arguments:?}: {ran:#?}");
        assert_ne!(ran.code, Some(0));
    }
}

#[test]
fn missing_cells_are_filled_in_better_than_by_the_mean() {
    let workplace = trained(&[
        "--set",
        "objective.level=0.3",
        "--set",
        "objective.trim=0.2",
    ]);
    let hide = [
        "inpaint",
        "run",
        "people.csv",
        "--mask",
        "random:0.2",
        "--out",
        "hidden",
        "--json",
    ];
    let json = workplace.run(&hide).succeeds().json();
    let error = |what: &str| {
        json["errors"][what]["unknown_squared_error"]["value"]
            .as_f64()
            .expect("an error")
    };
    assert!(error("model") < 0.8 * error("baseline"), "{json:#}");

    let with_hole = people(40).replacen("Oslo", "", 1);
    workplace.write("holes.csv", &with_hole);
    workplace
        .run(&["inpaint", "run", "holes.csv", "--out", "filled"])
        .succeeds();
    let filled = table(&fs::read_to_string(workplace.path("filled/rows.csv")).expect("rows"));
    let before = table(&with_hole);
    let hole = before
        .iter()
        .position(|row| row["town"].is_empty())
        .expect("a hole");
    assert!(["Bern", "Oslo", "Rome"].contains(&filled[hole]["town"].as_str()));
    for (row, filled) in before.iter().zip(&filled) {
        let [known, kept] = [row, filled].map(|row| number(row, "weight"));
        assert!((known - kept).abs() < 1e-4, "{known} {kept}");
    }
    let ran = workplace.run(&["reconstruct", "run", "holes.csv", "--out", "made"]);
    assert!(
        ran.stderr
            .contains("column `town`: expected a value, found none"),
        "{ran:#?}"
    );
}

#[test]
fn a_killed_run_on_a_table_goes_on_to_the_same_weights() {
    let workplace = Workplace::new();
    workplace.write("people.csv", people(200));
    let train = |out: &str, more: &[&str]| {
        let arguments = [
            "train",
            "tabular",
            "--data",
            "people.csv",
            "--label",
            "odd",
            "--out",
            out,
            "--set",
            "training.steps=120",
            "--set",
            "training.checkpoint_steps=50",
            "--no-measure",
            "--backend",
            "flex",
        ];
        workplace.run(&[&arguments, more].concat())
    };
    train("whole", &[]).succeeds();
    // Of a run that was killed, only the checkpoint is there.
    train("part", &[]).succeeds();
    for file in ["model.safetensors", "config.json", "summary.json"] {
        let _ = fs::remove_file(workplace.path("part").join(file));
    }
    workplace
        .run(&[
            "train",
            "--resume",
            "--out",
            "part",
            "--no-measure",
            "--backend",
            "flex",
        ])
        .succeeds();
    let weights =
        |run: &str| fs::read(workplace.path(run).join("model.safetensors")).expect("weights");
    assert!(weights("whole") == weights("part"));
    let config = fs::read_to_string(workplace.path("whole/config.json")).expect("settings");
    let config: Value = serde_json::from_str(&config).expect("JSON");
    assert_eq!(config["format"], 2);
    assert_eq!(config["input"]["columns"][3]["values"][1], "Oslo");

    let changed = people(201);
    workplace.write("people.csv", changed);
    let ran = workplace.run(&["evaluate", "whole", "--backend", "flex"]);
    assert!(
        ran.stderr
            .contains("expected the rows that the model was trained on"),
        "{ran:#?}"
    );
}

#[test]
fn vectors_go_through_the_program() {
    let workplace = Workplace::new();
    let mut numbers = Vec::new();
    for row in 0..300_u32 {
        let random = |step: u32| ((row * 7919 + step * 104_729) % 1009) as f32 / 1009.0;
        let (a, b) = (random(1), random(2));
        numbers.extend([100.0 + a, b, a + b, a - b, 0.001 * a].map(f32::to_le_bytes));
    }
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (300, 5), }".to_owned();
    let header = format!("{header:<117}\n");
    let length = (header.len() as u16).to_le_bytes();
    let bytes = [
        b"\x93NUMPY\x01\x00",
        &length[..],
        header.as_bytes(),
        numbers.as_flattened(),
    ]
    .concat();
    workplace.write("v.npy", bytes);
    let settings = [
        "--set",
        "network.hidden=[16]",
        "--set",
        "network.code=2",
        "--set",
        "training.steps=400",
    ];
    let settings = [
        &settings[..],
        &[
            "--set",
            "objective.likelihood=squared_error",
            "--backend",
            "flex",
        ],
    ]
    .concat();
    let train = [
        "train",
        "undercomplete",
        "--data",
        "v.npy",
        "--out",
        "run",
        "--json",
    ];
    let json = workplace
        .run(&[&train[..], &settings].concat())
        .succeeds()
        .json();
    let validation = &json["validation"];
    assert!(
        validation["squared_error"].as_f64() < Some(0.5),
        "{validation:#}"
    );
    workplace
        .run(&["reconstruct", "run", "--out", "made", "--backend", "flex"])
        .succeeds();
    let made = fs::read(workplace.path("made/vectors.npy")).expect("an array");
    let made = &made[made.len() - 300 * 20..];
    let first = f32::from_le_bytes(made[..4].try_into().expect("four bytes"));
    assert!((99.5..101.5).contains(&first), "{first}");
    let detect = ["detect", "run", "v.npy", "--json", "--backend", "flex"];
    let json = workplace.run(&detect).succeeds().json();
    assert!(
        json["strangest"][0]["columns"][0]["column"]
            .as_str()
            .is_some_and(|name| name.starts_with('x'))
    );
}
