//! What the program says when something does not fit, and that it says what to do about it.

mod support;

use std::fs;

use image::{GrayImage, Luma};
use support::{RECIPE, Workplace, idx_images, idx_labels};

const USAGE: i32 = 2;
const FAILED: i32 = 1;

/// A run that was stopped after its first checkpoint.
fn paused(workplace: &Workplace, name: &str) {
    workplace
        .train(name, &["--set", "training.steps=2"])
        .succeeds();
    for file in ["model.safetensors", "config.json", "summary.json"] {
        fs::remove_file(workplace.path(name).join(file)).expect("removed");
    }
}

/// Folders of images, a folder for each class.
fn animals(workplace: &Workplace, folder: &str, of_each: u8) {
    for (class, brightness) in [("cat", 20), ("dog", 120), ("zebra", 220)] {
        fs::create_dir_all(workplace.path(format!("{folder}/{class}"))).expect("a directory");
        for index in 0..of_each {
            let image = GrayImage::from_fn(8, 8, |x, y| {
                Luma([brightness ^ ((x as u8 * 5) + y as u8 * 3 + index)])
            });
            let path = workplace.path(format!("{folder}/{class}/{index}.png"));
            image.save(path).expect("written");
        }
    }
}

#[test]
fn another_kind_starts_from_its_defaults_and_keys_are_unset() {
    let workplace = Workplace::new();
    let settings = [
        "training.steps=2",
        "network.code=3",
        "network.kind=conv",
        "data.limit=",
    ];
    let settings: Vec<&str> = settings.iter().flat_map(|given| ["--set", given]).collect();
    workplace.train("run", &settings).succeeds();
    let recipe = fs::read_to_string(workplace.path("run/config.toml")).expect("a recipe");
    for line in ["kind = \"conv\"", "code = 3", "channels = [16, 32]"] {
        assert!(recipe.contains(line), "{recipe}");
    }
    assert!(!recipe.contains("limit"), "{recipe}");
    workplace
        .train("other", &["--set", "data.limits="])
        .fails(USAGE, &["--set data.limits=", "limit, validation"]);
}

#[test]
fn errors_of_recipes_name_the_key_and_its_place() {
    let workplace = Workplace::new();
    workplace.write("recipe.toml", RECIPE);
    workplace.write(
        "gaussian.toml",
        RECIPE.replace("\"squared_error\"", "\"gaussian\""),
    );
    workplace.write(
        "many.toml",
        RECIPE.replace("steps = 60", "steps = \"many\""),
    );
    workplace.write("wide.toml", RECIPE.replace("code = 4", "code = 0"));
    let train = |recipe: &str, settings: &[&str], code, parts: &[&str]| {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let start = ["train", recipe, "--backend", "ndarray"];
        let arguments: Vec<&str> = start.into_iter().chain(settings).collect();
        workplace.run(&arguments).fails(code, parts);
    };
    let forms = "expected \"squared_error\", \"bernoulli\", { gaussian = { sigma = 0.1 } }, { laplace = { scale = 0.1 } } or { huber = { delta = 0.1 } }, found \"gaussian\"";
    train(
        "gaussian.toml",
        &[],
        FAILED,
        &["`objective.likelihood` (gaussian.toml, line 10): ", forms],
    );
    train(
        "recipe.toml",
        &["objective.likelihood=gaussian"],
        USAGE,
        &[
            "`objective.likelihood` (--set objective.likelihood=gaussian): ",
            forms,
        ],
    );
    train(
        "many.toml",
        &[],
        FAILED,
        &[
            "`training.steps` (many.toml, line 17): expected a whole number",
            "found \"many\"",
        ],
    );
    train(
        "recipe.toml",
        &["network.code=7", "training.foo=1"],
        USAGE,
        &[
            "`training.foo` (--set training.foo=1): unknown key",
            "steps, epochs",
            "seed, checkpoint_steps, checkpoint_seconds, from",
        ],
    );
    // What can only be known once the images are: the same places.
    train(
        "wide.toml",
        &[],
        FAILED,
        &["`network.code` (wide.toml, line 7): "],
    );
    train(
        "recipe.toml",
        &["data.limit=0"],
        FAILED,
        &["`data.limit` (--set data.limit=0): expected at least 1 image"],
    );
    train(
        "recipe.toml",
        &["data.labels=[12]"],
        FAILED,
        &["`data.labels` (--set data.labels=[12]): ", "0, 1, 2"],
    );
    train(
        "recipe.toml",
        &["training.early_stopping={term='elbo',patience=2}"],
        FAILED,
        &["`training.early_stopping.term` (--set training.early_stopping={"],
    );
    let epochs = [
        "train",
        "recipe.toml",
        "--backend",
        "ndarray",
        "--epochs",
        "0",
    ];
    workplace.run(&epochs).fails(
        FAILED,
        &["`training.steps` (--epochs 0): expected at least 1"],
    );
}

#[test]
fn the_nearest_shape_that_convolutions_can_take_is_suggested() {
    let workplace = Workplace::new();
    fs::create_dir(workplace.path("odd")).expect("a directory");
    for index in 0..4 {
        let image = GrayImage::from_pixel(65, 126, Luma([index * 50]));
        let path = workplace.path(format!("odd/{index}.png"));
        image.save(path).expect("written");
    }
    let train = ["train", "conv", "--backend", "ndarray", "--data", "odd"];
    workplace.run(&train).fails(
        FAILED,
        &["`network.channels`", "126 x 65", "--shape 1x128x64"],
    );
    let more = [
        "--shape",
        "1x128x64",
        "--epochs",
        "1",
        "--set",
        "network.channels=[2, 2]",
    ];
    let more = [
        &train[..],
        &more,
        &["--set", "training.batch_size=2", "--out", "run"],
    ]
    .concat();
    workplace.run(&more).succeeds();
}

#[test]
fn without_test_images_others_are_measured_and_named() {
    let workplace = Workplace::new();
    workplace.write("own/train-images-idx3-ubyte", idx_images(60, 8));
    workplace.write("own/train-labels-idx1-ubyte", idx_labels(60));
    let brief = ["--data", "own", "--set", "training.steps=2"];
    workplace.train("run", &brief).succeeds();
    let whole = [&brief[..], &["--set", "data.validation=0.0"]].concat();
    workplace.train("whole", &whole).succeeds();
    for (run, data, split, images) in [
        ("run", None, "validation", 6),
        ("whole", None, "train", 60),
        ("run", Some("mnist-mini"), "test", 1000),
    ] {
        let evaluate = ["evaluate", run, "--backend", "ndarray", "--json"];
        let data = data.map(|data| ["--data", data]);
        let arguments = [
            &evaluate[..],
            data.as_ref().map_or(&[][..], |data| &data[..]),
        ]
        .concat();
        let arguments = [&arguments[..], &["--measures", "reconstruction"]].concat();
        let ran = workplace.run(&arguments).succeeds();
        assert_eq!(ran.json()["split"], split, "{ran:#?}");
        assert_eq!(ran.json()["images"], images, "{ran:#?}");
        let told = format!("own has no test images: its {split} images are measured");
        assert_eq!(ran.stderr.contains(&told), split != "test", "{ran:#?}");
        assert_eq!(ran.stderr.contains("--split"), split != "test", "{ran:#?}");
    }
    // What is asked for by name must be there.
    workplace
        .run(&["evaluate", "run", "--split", "test"])
        .fails(FAILED, &["own", "test"]);
    workplace
        .run(&["report", "run", "--backend", "ndarray"])
        .succeeds();
    let page = fs::read_to_string(workplace.path("report.html")).expect("a page");
    assert!(page.contains("validation"), "{page}");
}

#[test]
fn classes_are_called_by_their_names() {
    let workplace = Workplace::new();
    animals(&workplace, "animals/train", 12);
    animals(&workplace, "animals/test", 4);
    let train = [
        "--data",
        "animals",
        "--set",
        "training.steps=2",
        "--set",
        "data.labels=[\"cat\", \"dog\"]",
    ];
    workplace.train("run", &train).succeeds();

    let info = ["data", "info", "animals"];
    let text = workplace.run(&info).succeeds().stdout;
    let counts = "images per label: cat 12, dog 12, zebra 12";
    assert!(text.contains(counts), "{text}");
    let json = workplace.run(&[&info[..], &["--json"]].concat()).json();
    assert_eq!(json["train"]["labels"], serde_json::json!([12, 12, 12]));
    let names = serde_json::json!(["cat", "dog", "zebra"]);
    assert_eq!(json["test"]["label_names"], names);

    let evaluate = ["evaluate", "run", "--backend", "ndarray"];
    let text = workplace.run(&evaluate).succeeds().stdout;
    let rows: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.contains("by class"))
        .skip(2)
        .take(3)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(rows, ["cat", "dog", "zebra"], "{text}");
    let json = workplace.run(&[&evaluate[..], &["--json"]].concat()).json();
    let class = &json["reconstruction"]["classes"][2];
    assert_eq!(
        (&class["label"], &class["name"]),
        (&2.into(), &"zebra".into())
    );

    let detect = [
        "detect",
        "run",
        "--backend",
        "ndarray",
        "--normal",
        "cat,dog",
    ];
    let table = workplace.run(&detect).succeeds().stdout;
    assert!(
        table.lines().any(|line| line.ends_with(",zebra")),
        "{table}"
    );
    workplace
        .run(&["detect", "run", "--normal", "horse"])
        .fails(FAILED, &["--normal", "cat, dog, zebra", "horse"]);

    let embed = ["embed", "run", "--backend", "ndarray", "--out", "map.svg"];
    workplace.run(&embed).succeeds();
    workplace
        .run(&["report", "run", "--backend", "ndarray"])
        .succeeds();
    for file in ["map.svg", "report.html"] {
        let content = fs::read_to_string(workplace.path(file)).expect("read");
        assert!(content.contains("zebra"), "{file}");
    }
}

#[test]
fn models_are_compared_by_what_they_have() {
    let workplace = Workplace::new();
    let train = ["--set", "training.steps=2"];
    workplace.train("run", &train).succeeds();
    let all = workplace.run(&["compare", "run", "variational", "conv", "--json"]);
    let all = all.succeeds().json();
    assert_eq!(all[0]["values"]["data.name"], "mnist-mini");
    assert_eq!(all[1]["values"]["data.name"], "mnist");
    assert_eq!(all[1]["values"]["measured on"], "test");
    assert_eq!(all[2]["values"]["network.kind"], "conv");
    for place in 0..3 {
        assert!(all[place]["values"]["squared_error"].is_number(), "{all}");
        assert!(
            all[place]["values"]["pca.squared_error"].is_number(),
            "{all}"
        );
    }

    // A model that was never measured here, and one whose training has not ended.
    let export = [
        "export",
        "run",
        "--format",
        "safetensors",
        "--out",
        "weights.safetensors",
    ];
    workplace.run(&export).succeeds();
    let import = ["import", "weights.safetensors", "--out", "imported"];
    workplace.run(&import).succeeds();
    let ran = workplace.run(&["compare", "run", "imported"]);
    let how = "hourglass evaluate imported --json > imported/metrics.json";
    let ran = ran.fails(FAILED, &["imported: expected", "summary.json", how]);
    assert!(!ran.stderr.contains("--resume"), "{ran:#?}");
    let evaluate = ["evaluate", "imported", "--json", "--backend", "ndarray"];
    let measured = workplace.run(&evaluate).succeeds().stdout;
    workplace.write("imported/metrics.json", measured);
    workplace.run(&["compare", "run", "imported"]).succeeds();

    paused(&workplace, "paused");
    workplace
        .run(&["compare", "run", "paused"])
        .fails(FAILED, &["hourglass train --resume --out paused"]);
}

#[test]
fn whatever_takes_a_model_says_how_a_paused_run_goes_on() {
    let workplace = Workplace::new();
    paused(&workplace, "run");
    let commands: [&[&str]; 17] = [
        &["sample", "run"],
        &["evaluate", "run"],
        &["compare", "run"],
        &["export", "run", "--out", "x.safetensors"],
        &["card", "run"],
        &["reconstruct", "run", "--out", "x"],
        &["denoise", "run", "--out", "x"],
        &["inpaint", "run", "--mask", "half:bottom", "--out", "x"],
        &["interpolate", "run", "test:0", "test:1"],
        &["traverse", "run"],
        &["encode", "run", "--out", "x.npy"],
        &["decode", "run", "recipe.toml", "--out", "x"],
        &["detect", "run"],
        &["embed", "run"],
        &["compress", "run", "--out", "x.hgz"],
        &["decompress", "run", "recipe.toml", "--out", "x"],
        &["bench", "run"],
    ];
    let told = [
        "run: expected a finished model, found a run without config.json",
        "the training has not ended; go on with it by `hourglass train --resume --out run`",
    ];
    for command in commands {
        workplace.run(command).fails(FAILED, &told);
    }
    let from = [
        "train",
        "recipe.toml",
        "--from",
        "run",
        "--backend",
        "ndarray",
    ];
    workplace.run(&from).fails(FAILED, &told);

    let resume = ["train", "--resume", "--out", "run", "--backend", "ndarray"];
    workplace.run(&resume).succeeds();
    let sample = [
        "sample",
        "variational",
        "--backend",
        "ndarray",
        "--count",
        "4",
    ];
    workplace.run(&sample).succeeds();
}
