//! Bad input: a clear error, an exit code, and nothing left behind.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use support::{RECIPE, Ran, Workplace, idx_images, idx_labels, read};

/// A usage error.
const USAGE: i32 = 2;
/// Any other.
const FAILED: i32 = 1;

/// The program fails so, and leaves every file and directory as it was.
#[track_caller]
fn fails(workplace: &Workplace, arguments: &[&str], code: i32, parts: &[&str]) {
    let before = contents(workplace);
    let ran = workplace.run(arguments).fails(code, parts);
    let message = ran.stderr.lines().last().unwrap_or_default();
    let words: Vec<&str> = message.split(": ").collect();
    let twice = |start: usize| start > 0 && words[..start].ends_with(&words[start..]);
    assert!(
        !(1..words.len()).any(twice),
        "the error says something twice: {message}"
    );
    assert_eq!(
        contents(workplace),
        before,
        "{arguments:?} left something behind"
    );
}

/// Every path and, of files, the content.
fn contents(workplace: &Workplace) -> Vec<(std::path::PathBuf, Option<Vec<u8>>)> {
    let paths = workplace.listing().into_iter();
    paths
        .map(|path| {
            let content = path.is_file().then(|| read(&path));
            (path, content)
        })
        .collect()
}

#[test]
fn unknown_names_and_settings() {
    let workplace = Workplace::new();
    workplace.write("recipe.toml", RECIPE);
    workplace.write("misspelt.toml", RECIPE.replace("steps", "stepps"));
    workplace.write(
        "unused.toml",
        RECIPE.replace("[data]", "beta = 2.0\n[data]"),
    );
    workplace.write("magic.toml", RECIPE.replace("undercomplete", "magic"));
    workplace.write("broken.toml", "family = [");
    let train = |recipe, settings: &[&'static str], code, parts: &[&str]| {
        let arguments = [&["train", recipe, "--backend", "ndarray"][..], settings].concat();
        fails(&workplace, &arguments, code, parts);
    };
    train("magic", &[], USAGE, &["magic", "expected", "variational"]);
    train(
        "magic.toml",
        &[],
        FAILED,
        &["magic.toml", "family", "expected one of", "found magic"],
    );
    train("broken.toml", &[], FAILED, &["broken.toml"]);
    train(
        "misspelt.toml",
        &[],
        FAILED,
        &["misspelt.toml", "stepps", "expected"],
    );
    train(
        "unused.toml",
        &[],
        FAILED,
        &["unused.toml", "beta", "expected"],
    );
    let set = |setting, code, parts: &[&str]| {
        train("recipe.toml", &["--set", setting], code, parts);
    };
    set(
        "training.rate=1",
        USAGE,
        &["--set training.rate=1", "rate", "expected"],
    );
    set("objective.beta=2", USAGE, &["beta", "expected"]);
    set("network.channels=[4]", USAGE, &["channels", "expected"]);
    set(
        "network.hidden=[-1]",
        USAGE,
        &["network.hidden=[-1]", "expected"],
    );
    set("extra.key=1", USAGE, &["extra", "expected"]);
    set(
        "training.steps",
        USAGE,
        &["training.steps", "expected KEY.PATH=VALUE"],
    );
    set("training.steps=many", USAGE, &["many"]);
    set("data.name=nowhere", FAILED, &["nowhere", "hint"]);
    train(
        "recipe.toml",
        &["--data", "minst"],
        FAILED,
        &["minst", "did you mean `mnist`"],
    );
    train(
        "recipe.toml",
        &["--data", "mnist"],
        FAILED,
        &["mnist", "hourglass data fetch mnist"],
    );
    train("recipe.toml", &["--rate", "1"], USAGE, &["--rate"]);
    train(
        "recipe.toml",
        &["--epochs", "0"],
        FAILED,
        &["training.steps", "at least 1"],
    );
    fails(&workplace, &["train"], USAGE, &["variational"]);
    fails(
        &workplace,
        &["data", "fetch", "cifar"],
        USAGE,
        &["cifar", "fashion-mnist"],
    );
}

#[test]
fn impossible_settings() {
    let workplace = Workplace::new();
    workplace.write("recipe.toml", RECIPE);
    let cases: &[(&str, &[&str], &[&str])] = &[
        (
            "recipe.toml",
            &["network.hidden=[0]"],
            &["`network.hidden`", "at least 1", "[0]"],
        ),
        (
            "recipe.toml",
            &["network.code=0"],
            &["`network.code`", "at least 1", "found 0"],
        ),
        (
            "recipe.toml",
            &["network.hidden=[1000000000, 1000000000]"],
            &["`network`", "at most 2^30 parameters", "found"],
        ),
        (
            "sparse",
            &["network.code=20", "objective.start=20"],
            &["`objective.k`", "25"],
        ),
        (
            "sparse",
            &["objective.start=1001"],
            &["`objective.start`", "1001"],
        ),
        (
            "variational",
            &["network.tied=true"],
            &["`network.tied`", "expected false"],
        ),
        (
            "recipe.toml",
            &["data.limit=0"],
            &["data.limit", "expected", "found 0"],
        ),
        (
            "recipe.toml",
            &["data.validation=1.0"],
            &["data.validation", "below 1"],
        ),
        (
            "recipe.toml",
            &["training.epochs=2"],
            &["`training.steps`", "both"],
        ),
        (
            "recipe.toml",
            &["training.learning_rate=nan"],
            &["`training.learning_rate`", "NaN"],
        ),
        (
            "conv",
            &["network.channels=[2, 2, 2, 2, 2, 2]"],
            &["`network.channels`", "expected"],
        ),
        (
            "conv",
            &[
                "pretraining.layers.method=autoencoder",
                "pretraining.training.steps=2",
            ],
            &["`pretraining`", "mlp"],
        ),
        (
            "deep",
            &[
                "pretraining.layers.method=rbm",
                "pretraining.training.steps=2",
            ],
            &["`network.activation`", "sigmoid", "found elu"],
        ),
        (
            "stacked-denoising",
            &["pretraining.layers.level=2"],
            &["`pretraining.layers.level`", "found 2"],
        ),
        (
            "stacked-denoising",
            &["classifier.early_stopping.term=loss_"],
            &[
                "`classifier.early_stopping.term`",
                "class_nats, error",
                "loss_",
            ],
        ),
        (
            "stacked-denoising",
            &["classifier.steps=0"],
            &["`classifier.steps`", "at least 1"],
        ),
        (
            "undercomplete",
            &["network.output_activation=sigmoid"],
            &["`network.output_activation`", "logits", "found sigmoid"],
        ),
    ];
    for (recipe, settings, parts) in cases {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let start = ["train", recipe, "--backend", "ndarray"];
        let arguments: Vec<&str> = start.into_iter().chain(settings).collect();
        fails(&workplace, &arguments, FAILED, parts);
    }
}

#[test]
fn run_directories_that_can_not_be_used() {
    let workplace = Workplace::new();
    workplace
        .train("run", &["--set", "training.steps=4"])
        .succeeds();
    workplace.write("file", "a file");
    fs::create_dir(workplace.path("empty")).expect("a directory");
    let train = |arguments: &[&str], code, parts: &[&str]| {
        let all = [&["train", "--backend", "ndarray"][..], arguments].concat();
        fails(&workplace, &all, code, parts);
    };
    train(
        &["recipe.toml", "--out", "run"],
        FAILED,
        &["run", "in use", "--out", "--resume"],
    );
    // Permissions do not bind root, but nobody can make a directory below a file.
    train(&["recipe.toml", "--out", "file/run"], FAILED, &["file/run"]);
    train(&["recipe.toml", "--out", "file"], FAILED, &["file"]);
    train(
        &["--resume", "--out", "empty"],
        FAILED,
        &["empty", "expected a run", "without --resume"],
    );
    train(
        &["--resume", "--out", "nowhere"],
        FAILED,
        &["nowhere", "expected a run"],
    );
    train(&["--resume"], USAGE, &["--out"]);
    let other = [
        "--resume",
        "--out",
        "run",
        "--set",
        "training.learning_rate=0.5",
    ];
    train(
        &other,
        FAILED,
        &["run/config.toml", "expected the settings", "found others"],
    );
    train(
        &["variational", "--resume", "--out", "run"],
        FAILED,
        &["expected the settings"],
    );
    train(
        &["--seed", "5", "--resume", "--out", "run"],
        FAILED,
        &["expected the settings"],
    );
    // The run's own settings are no other settings.
    let own = [
        "train",
        "--backend",
        "ndarray",
        "--resume",
        "--out",
        "run",
        "--seed",
        "0",
    ];
    workplace.run(&own).succeeds();
    for command in [
        &["evaluate", "empty"][..],
        &["export", "empty", "--out", "x"],
    ] {
        fails(
            &workplace,
            command,
            FAILED,
            &["empty", "expected a directory with", "train a model"],
        );
    }
    fails(
        &workplace,
        &["export", "run", "--out", "file/x"],
        FAILED,
        &["file"],
    );
}

#[test]
fn two_programs_on_one_run() {
    let workplace = Workplace::new();
    workplace
        .train("run", &["--set", "training.steps=2"])
        .succeeds();
    let held = fs::File::open(workplace.path("run/.lock")).expect("a lock");
    held.lock().expect("locked");
    let resume = ["train", "--backend", "ndarray", "--resume", "--out", "run"];
    fails(
        &workplace,
        &resume,
        FAILED,
        &["run: ", "expected", "no other program"],
    );
    drop(held);
    workplace.run(&resume).succeeds();
}

/// A run that was killed before it had written its recipe has left nothing to be resumed, and nothing in the way.
#[test]
fn a_run_that_was_killed_at_once_is_begun_again() {
    let workplace = Workplace::new();
    workplace.write("run/.lock", "");
    // Of this version and of the one before it.
    let left = ["run/.config.toml.tmp", "run/.config.toml.aB3dE6.tmp"];
    for left in left {
        workplace.write(left, "family = ");
    }
    workplace
        .train("run", &["--set", "training.steps=2"])
        .succeeds();
    for left in left {
        assert!(!workplace.path(left).exists(), "{left}");
    }
}

#[test]
fn early_stopping_without_anything_to_watch() {
    let workplace = Workplace::new();
    workplace.write("recipe.toml", RECIPE);
    let stopping = "training.early_stopping={term='elbo',patience=2}";
    let train = [
        "train",
        "recipe.toml",
        "--backend",
        "ndarray",
        "--out",
        "run",
        "--set",
        stopping,
    ];
    let expected = [
        "training.early_stopping.term",
        "loss, squared_error",
        "found elbo",
    ];
    fails(&workplace, &train, FAILED, &expected);
    let few = [&train[..], &["--set", "data.validation=0.0001"]].concat();
    let expected = [
        "training.early_stopping",
        "expected validation images",
        "500 images",
    ];
    fails(&workplace, &few, FAILED, &expected);
}

/// A model can be measured on other images when its own are gone, but not on images that have taken their place.
#[test]
fn training_images_that_are_gone_or_others() {
    let workplace = Workplace::new();
    let images = |value| {
        let bytes: Vec<u8> = (0..20 * 16).map(|i| (i * value % 251) as u8).collect();
        let header = [0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 4, 0, 0, 0, 4];
        [&header[..], &bytes[..]].concat()
    };
    for (directory, value) in [("own", 3), ("other", 7)] {
        workplace.write(
            &format!("{directory}/train-images-idx3-ubyte"),
            images(value),
        );
        workplace.write(
            &format!("{directory}/t10k-images-idx3-ubyte"),
            images(value + 1),
        );
    }
    workplace
        .train("run", &["--data", "own", "--set", "training.steps=2"])
        .succeeds();
    let evaluate = ["evaluate", "run", "--backend", "ndarray", "--json"];
    let measured = workplace.run(&evaluate).succeeds().json();
    assert!(measured["pca"]["squared_error"].is_number());

    workplace.write("own/train-images-idx3-ubyte", images(5));
    fails(
        &workplace,
        &evaluate,
        FAILED,
        &["own: expected the images", "SHA-256", "--data"],
    );
    fs::remove_dir_all(workplace.path("own")).expect("removed");
    fails(&workplace, &evaluate, FAILED, &["own"]);
    let other = [&evaluate[..], &["--data", "other"]].concat();
    let measured = workplace.run(&other).succeeds().json();
    let reason = measured["pca"]["left_out"].as_str().expect("a reason");
    assert!(reason.contains("own"), "{reason}");
}

#[test]
fn classifiers_without_labels_and_damaged_ones() {
    let workplace = Workplace::new();
    workplace.write("own/train-images-idx3-ubyte", idx_images(20, 28));
    workplace.write("own/t10k-images-idx3-ubyte", idx_images(20, 28));
    workplace.write("recipe.toml", format!("{RECIPE}[classifier]\nsteps = 2"));
    let train = [
        "train",
        "recipe.toml",
        "--backend",
        "ndarray",
        "--out",
        "run",
    ];
    let unlabelled = [&train[..], &["--data", "own"]].concat();
    fails(
        &workplace,
        &unlabelled,
        FAILED,
        &["`classifier`", "labels", "own"],
    );
    assert!(!workplace.path("run").exists());

    workplace.run(&train).succeeds();
    let path = workplace.path("run/classifier.safetensors");
    let bytes = fs::read(&path).expect("read");
    let evaluate = ["evaluate", "run", "--backend", "ndarray"];
    fs::write(&path, &bytes[..bytes.len() - 4]).expect("written");
    fails(
        &workplace,
        &evaluate,
        FAILED,
        &["classifier.safetensors", "safetensors file"],
    );
    // A model's weights under a classifier's name.
    fs::copy(workplace.path("run/model.safetensors"), &path).expect("copied");
    fails(
        &workplace,
        &evaluate,
        FAILED,
        &["classifier.safetensors", "head.weight", "missing"],
    );
}

#[test]
fn damaged_checkpoints() {
    let workplace = Workplace::new();
    workplace
        .train("run", &["--set", "training.steps=4"])
        .succeeds();
    workplace
        .train("other", &["--set", "training.steps=4", "--seed", "1"])
        .succeeds();
    let path = workplace.path("run/checkpoint/checkpoint.bin");
    let whole = read(&path);
    let flipped = {
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    let metrics = read(workplace.path("run/metrics.jsonl"));
    for (bytes, found) in [
        (&whole[..whole.len() / 2], "found a wrong checksum"),
        (&whole[..9], "found a"),
        (&[], "found other content"),
        (&flipped, "found a wrong checksum"),
        (b"something else", "found other content"),
        (
            &read(workplace.path("other/checkpoint/checkpoint.bin")),
            "checkpoint of this recipe",
        ),
    ] {
        fs::write(&path, bytes).expect("written");
        let resume = ["train", "--backend", "ndarray", "--resume", "--out", "run"];
        fails(
            &workplace,
            &resume,
            FAILED,
            &["checkpoint.bin", "expected", found],
        );
        assert_eq!(read(workplace.path("run/metrics.jsonl")), metrics);
    }
}

#[test]
fn damaged_images() {
    let workplace = Workplace::new();
    workplace.write("recipe.toml", RECIPE);
    const IMAGES: &str = "idx/train-images-idx3-ubyte";
    const LABELS: &str = "idx/train-labels-idx1-ubyte";
    let good = idx_images(20, 4);
    let check = |images: &[u8], labels: &[u8], parts: &[&str]| {
        workplace.write(IMAGES, images);
        workplace.write(LABELS, labels);
        let arguments = [
            "train",
            "recipe.toml",
            "--backend",
            "ndarray",
            "--data",
            "idx",
        ];
        fails(&workplace, &arguments, FAILED, parts);
        fails(&workplace, &["data", "info", "idx"], FAILED, parts);
    };
    let long = [&good[..], b"x"].concat();
    let mut magic = good.clone();
    magic[3] = 9;
    let mut huge = good.clone();
    huge[4..16].fill(0xff);
    check(
        &good[..good.len() - 1],
        &idx_labels(20),
        &[IMAGES, "truncated", "336", "335"],
    );
    check(&good[..7], &idx_labels(20), &[IMAGES, "header of 16 bytes"]);
    check(&[], &idx_labels(20), &[IMAGES, "expected"]);
    check(&long, &idx_labels(20), &[IMAGES, "too long", "336", "337"]);
    check(
        &magic,
        &idx_labels(20),
        &[IMAGES, "magic number 0x00000803", "0x00000809"],
    );
    check(&huge, &idx_labels(20), &[IMAGES]);
    check(&good, &idx_labels(19), &[IMAGES, LABELS, "19", "20"]);
    check(&good, &good, &[LABELS, "swapped"]);
    fs::remove_file(workplace.path(LABELS)).expect("removed");
    fs::remove_file(workplace.path(IMAGES)).expect("removed");
    let parts = ["idx", "train-images-idx3-ubyte"];
    fails(&workplace, &["data", "info", "idx"], FAILED, &parts);
    fails(
        &workplace,
        &["data", "info", "recipe.toml"],
        FAILED,
        &["recipe.toml", "expected a PNG or JPEG image", "found text"],
    );

    workplace.write("idx/train-images-idx3-ubyte.gz", b"\x1f\x8b not gzip");
    let ran = workplace.run(&["data", "info", "idx"]);
    ran.fails(FAILED, &["train-images-idx3-ubyte.gz", "gzip", "hint"]);
    let unpacked = files_below(&workplace.path("data"));
    assert!(unpacked.is_empty(), "{unpacked:?}");
}

fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries
        .flat_map(|entry| {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Answers every request with `body`, of which it says that it has `length` bytes.
fn serve(body: &'static [u8], length: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(body);
        }
    });
    format!("http://{address}")
}

/// An empty gzip file.
const GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00";

#[test]
fn downloads_that_stop_or_are_of_another_file() {
    for (body, length, part) in [
        (GZIP, 1000, "stopped after 20 bytes"),
        (GZIP, GZIP.len(), "expected SHA-256"),
        (&b"<html>"[..], 6, "expected gzip data"),
    ] {
        let workplace = Workplace::new();
        let mirror = serve(body, length);
        let mut command = workplace.command(&["data", "fetch", "mnist"]);
        command.env("HOURGLASS_MIRROR", &mirror);
        let ran = Ran::from_output(command.output().expect("the program runs"));
        let parts = [
            "train-images-idx3-ubyte",
            &mirror,
            part,
            "hint: run it again",
        ];
        ran.fails(FAILED, &parts);
        // A part is kept where the next attempt can go on from it, and never under the final name.
        let left = files_below(&workplace.path("data"));
        let is_part = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(".gz.part");
        assert!(left.iter().all(is_part), "{left:?}");
        assert_eq!(left.len(), usize::from(length == 1000), "{left:?}");
    }
}

#[test]
fn not_a_number_in_training() {
    let workplace = Workplace::new();
    let settings = [
        "training.optimizer=sgd",
        "training.learning_rate=1e30",
        "training.checkpoint_steps=1",
    ];
    let settings: Vec<&str> = settings
        .iter()
        .flat_map(|setting| ["--set", setting])
        .collect();
    let ran = workplace.train("run", &settings);
    ran.fails(
        FAILED,
        &[
            "step 1",
            "expected a finite loss",
            "checkpoint",
            "learning_rate",
        ],
    );
    for file in ["model.safetensors", "summary.json", "config.json"] {
        assert!(!workplace.path("run").join(file).exists(), "{file}");
    }
    let checkpoint = workplace.path("run/checkpoint/checkpoint.bin");
    hourglass_train::Checkpoint::read(&checkpoint).expect("a whole checkpoint or none");

    // The last step has no further one that could find it.
    let last = [
        "training.steps=1",
        "training.optimizer=sgd",
        "training.learning_rate=1e30",
        "data.validation=0.0",
    ];
    let last: Vec<&str> = last.iter().flat_map(|setting| ["--set", setting]).collect();
    let ran = workplace.train("last", &last);
    ran.fails(
        FAILED,
        &[
            "after step 1",
            "expected a finite",
            "test images",
            "learning_rate",
        ],
    );
    assert!(!workplace.path("last/model.safetensors").exists());

    // A rate that leads there slowly: the checkpoint that is left is one of finite terms.
    let ran = workplace.train(
        "slowly",
        &[&settings[..], &["--set", "training.learning_rate=3.0"]].concat(),
    );
    ran.fails(
        FAILED,
        &["expected a finite", "the last good checkpoint is of step"],
    );
}

#[test]
fn devices_that_are_not_there() {
    let workplace = Workplace::new();
    workplace.write("recipe.toml", RECIPE);
    let before = workplace.listing();
    let without_driver = |arguments: &[&str], code, parts: &[&str]| {
        let mut command = workplace.command(arguments);
        command
            .env("VK_DRIVER_FILES", "/nonexistent")
            .env("VK_ICD_FILENAMES", "/nonexistent");
        let output = command.output().expect("the program runs");
        Ran::from_output(output).fails(code, parts);
        assert_eq!(workplace.listing(), before);
    };
    if cfg!(all(feature = "wgpu", target_os = "linux")) {
        let parts = [
            "--backend wgpu",
            "found none",
            "mesa-vulkan-drivers",
            "--backend flex",
        ];
        without_driver(
            &["train", "recipe.toml", "--backend", "wgpu"],
            FAILED,
            &parts,
        );
        without_driver(
            &["train", "recipe.toml", "--device", "0"],
            FAILED,
            &["found none"],
        );
    }
    for backend in ["flex", "ndarray"] {
        let arguments = [
            "train",
            "recipe.toml",
            "--backend",
            backend,
            "--device",
            "0",
        ];
        fails(
            &workplace,
            &arguments,
            USAGE,
            &["--device", "--backend wgpu", backend],
        );
    }
    let ran = workplace.run(&["train", "recipe.toml", "--device", "99"]);
    assert!([Some(FAILED), Some(USAGE)].contains(&ran.code), "{ran:#?}");
    assert!(ran.stderr.contains("hourglass devices"), "{ran:#?}");
    assert_eq!(workplace.listing(), before);
    fails(
        &workplace,
        &["train", "recipe.toml", "--backend", "abacus"],
        USAGE,
        &["abacus", "flex"],
    );
}

type Tensors = Vec<(String, Vec<usize>, Vec<u8>)>;

fn tensors(bytes: &[u8]) -> Tensors {
    let file = SafeTensors::deserialize(bytes).expect("safetensors");
    file.iter()
        .map(|(name, view)| (name.to_owned(), view.shape().to_vec(), view.data().to_vec()))
        .collect()
}

fn serialized(tensors: &Tensors) -> Vec<u8> {
    let views = tensors.iter().map(|(name, shape, data)| {
        (
            name,
            TensorView::new(Dtype::F32, shape.clone(), data).expect("a tensor"),
        )
    });
    safetensors::serialize(views, None).expect("safetensors")
}

#[test]
fn damaged_weights() {
    let workplace = Workplace::new();
    workplace
        .train("run", &["--set", "training.steps=2"])
        .succeeds();
    let path = workplace.path("run/model.safetensors");
    let whole = read(&path);
    let changed = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = tensors(&whole);
        change(&mut tensors);
        serialized(&tensors)
    };
    let bias = |tensors: &Tensors| {
        let position = tensors
            .iter()
            .position(|(name, ..)| name == "encoder.0.bias");
        position.expect("a bias")
    };
    let mut huge_header = whole.clone();
    huge_header[..8].fill(0x7f);
    let overlapping = {
        let header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
        [&(header.len() as u64).to_le_bytes(), &header[..], &[0; 12]].concat()
    };
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (
            whole[..whole.len() - 10].to_vec(),
            &["expected a safetensors file"],
        ),
        (whole[..5].to_vec(), &["expected a safetensors file"]),
        (Vec::new(), &["expected a safetensors file"]),
        (
            b"PK\x03\x04 a pickle".to_vec(),
            &["expected a safetensors file", "torch.save"],
        ),
        (huge_header, &["expected a safetensors file"]),
        (overlapping, &["expected a safetensors file"]),
        (
            changed(&|tensors| {
                let bias = bias(tensors);
                tensors[bias].1 = vec![4, 4];
            }),
            &["`encoder.0.bias`", "[4, 4]", "[16]"],
        ),
        (
            changed(&|tensors| {
                let bias = bias(tensors);
                tensors.remove(bias);
            }),
            &["`encoder.0.bias`", "missing"],
        ),
        (
            changed(&|tensors| tensors.push(("extra".into(), vec![1], vec![0; 4]))),
            &["`extra`", "not part of this model"],
        ),
        (
            changed(&|tensors| {
                let bias = bias(tensors);
                tensors[bias].2[..4].copy_from_slice(&f32::NAN.to_le_bytes());
            }),
            &["`encoder.0.bias`", "not a finite number"],
        ),
    ];
    for (bytes, parts) in cases {
        fs::write(&path, bytes).expect("written");
        let parts = [&["run/model.safetensors"][..], parts].concat();
        for command in [
            &["evaluate", "run", "--backend", "ndarray"][..],
            &["export", "run", "--out", "exported.safetensors"],
            &[
                "import",
                "run/model.safetensors",
                "--config",
                "run/config.json",
                "--out",
                "imported",
            ],
        ] {
            fails_in_little_memory(&workplace, command, &parts);
        }
    }
    // A terabyte that is not there.
    let file = fs::File::create(&path).expect("a file");
    file.set_len(1 << 40).expect("a length");
    for command in [
        &["evaluate", "run", "--backend", "ndarray"][..],
        &["sample", "run", "--out", "picture.png"],
        &[
            "import",
            "run/model.safetensors",
            "--config",
            "run/config.json",
            "--out",
            "imported",
        ],
    ] {
        let parts = ["run/model.safetensors", "expected"];
        fails_in_little_memory(&workplace, command, &parts);
    }
    fs::remove_file(&path).expect("removed");
    fails(
        &workplace,
        &["evaluate", "run"],
        FAILED,
        &["model.safetensors"],
    );
}

#[test]
fn damaged_settings() {
    let workplace = Workplace::new();
    workplace
        .train("run", &["--set", "training.steps=2"])
        .succeeds();
    let path = workplace.path("run/config.json");
    let whole = read(&path);
    let changed = |key: &str, value: Value| {
        let mut config: Value = serde_json::from_slice(&whole).expect("JSON");
        *config.pointer_mut(key).expect("the setting") = value;
        config.to_string().into_bytes()
    };
    let mut newer: Value = serde_json::from_slice(&whole).expect("JSON");
    newer["format"] = json!(3);
    newer["added"] = json!("since");
    newer["model"]["family"] = json!("magic");
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (
            newer.to_string().into_bytes(),
            &["expected format 2", "found 3", "a later version"],
        ),
        (whole[..whole.len() / 2].to_vec(), &["EOF"]),
        (b"[]".to_vec(), &["expected"]),
        (
            changed("/format", json!(99)),
            &["expected format 2", "found 99"],
        ),
        (
            changed("/model/family", json!("magic")),
            &["magic", "expected"],
        ),
        (
            changed("/model/network/hidden", json!([0])),
            &["`network.hidden`"],
        ),
        (
            changed("/model/network/hidden", json!([17])),
            &["tensor `", "has shape", "the model's has ["],
        ),
        (
            changed(
                "/model/network/hidden",
                json!([1_000_000_000_u64, 1_000_000_000_u64]),
            ),
            &["`network`", "at most 2^30 parameters"],
        ),
        (
            changed("/model/network/hidden", json!([u64::MAX])),
            &["`network`", "more than can be counted"],
        ),
        // Just within the limit: the file's weights are too few, which is found before 4 GiB are asked for.
        (
            changed("/model/network/hidden", json!([600_000])),
            &["model.safetensors", "472800000 values or more", "found"],
        ),
        (
            changed("/input/shape", json!([1, 1_u64 << 40, 1_u64 << 40])),
            &["expected", "1099511627776"],
        ),
        (changed("/input/shape", json!([0, 0, 0])), &["expected"]),
        (
            vec![b' '; (64 << 20) + 1],
            &["config.json", "at most 67108864 bytes"],
        ),
    ];
    for (bytes, parts) in cases {
        fs::write(&path, bytes).expect("written");
        for command in [
            &["evaluate", "run", "--backend", "ndarray"][..],
            &["export", "run", "--out", "exported.safetensors"],
        ] {
            fails_in_little_memory(&workplace, command, parts);
        }
    }
}

#[test]
fn settings_that_ask_for_terabytes() {
    let workplace = Workplace::new();
    let train = [
        "train",
        "variational",
        "--out",
        "run",
        "--backend",
        "ndarray",
    ];
    let train = [
        &train[..],
        &["--set", "training.steps=2", "--set", "data.limit=300"],
    ]
    .concat();
    workplace.run(&train).succeeds();
    let path = workplace.path("run/config.json");
    let mut config: Value = serde_json::from_slice(&read(&path)).expect("JSON");
    config["model"]["objective"]["samples"] = json!(1_000_000_000);
    fs::write(&path, config.to_string()).expect("written");
    for command in [
        &["evaluate", "run", "--backend", "ndarray"][..],
        &["export", "run", "--out", "exported.safetensors"],
    ] {
        fails_in_little_memory(&workplace, command, &["`objective.samples`", "1 to 10000"]);
    }
}

fn fails_in_little_memory(workplace: &Workplace, arguments: &[&str], parts: &[&str]) {
    let before = workplace.listing();
    let mut command = workplace.command(arguments);
    limit_memory(&mut command);
    let ran = Ran::from_output(command.output().expect("the program runs"));
    ran.fails(FAILED, parts);
    assert_eq!(workplace.listing(), before);
}

/// At most 4 GiB of addresses, so that a program that believes a damaged file is found out.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the standard library sets no limits")]
fn limit_memory(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;

    const BYTES: libc::rlim_t = 4 << 30;
    let limit = || {
        let limit = libc::rlimit {
            rlim_cur: BYTES,
            rlim_max: BYTES,
        };
        // SAFETY: setrlimit may be called between fork and exec, and reads only what it is given.
        match unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(limit) };
}

#[cfg(not(target_os = "linux"))]
fn limit_memory(_: &mut std::process::Command) {}

/// A disk of 64 KiB, unmounted when dropped.
#[cfg(target_os = "linux")]
struct TinyDisk<'a>(&'a Path);

#[cfg(target_os = "linux")]
impl<'a> TinyDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mut mount = std::process::Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(at);
        let output = mount.output().ok()?;
        output.status.success().then_some(Self(at))
    }
}

#[cfg(target_os = "linux")]
impl Drop for TinyDisk<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let workplace = Workplace::new();
    let disk = workplace.path("disk");
    fs::create_dir(&disk).expect("a directory");
    let Some(mounted) = TinyDisk::mount(&disk) else {
        println!("skipped: this user can't mount a tmpfs");
        return;
    };
    let ran = workplace.train("disk/run", &["--set", "training.checkpoint_steps=5"]);
    ran.fails(FAILED, &["checkpoint.bin", "No space left"]);
    let left = files_below(&disk);
    let is_partial = |path: &std::path::PathBuf| {
        path.extension().is_some_and(|extension| extension == "tmp")
            || path.ends_with("checkpoint.bin")
    };
    assert!(!left.iter().any(is_partial), "{left:?}");
    drop(mounted);
}
