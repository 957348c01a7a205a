//! A hostile world: readers that go away, pipes in the place of files, planted links, models beyond the range of float32.

#![cfg(unix)]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use support::{RECIPE, Ran, Workplace, idx_images, read};

const PATIENCE: Duration = Duration::from_secs(60);

/// A pipe that nobody reads.
fn unread() -> Stdio {
    let (_, writer) = std::io::pipe().expect("a pipe");
    writer.into()
}

/// A disk that is full.
#[cfg(target_os = "linux")]
fn full() -> Stdio {
    fs::File::create("/dev/full").expect("a device").into()
}

fn ended(command: &mut Command) -> Ran {
    Ran::from_output(command.output().expect("the program runs"))
}

/// What the program gives; an error where it waits without end.
fn ends(workplace: &Workplace, arguments: &[&str]) -> Ran {
    let mut child = workplace
        .command(arguments)
        .spawn()
        .expect("the program starts");
    let started = Instant::now();
    while child.try_wait().expect("a state").is_none() {
        if started.elapsed() > PATIENCE {
            child.kill().expect("killed");
            panic!("{arguments:?} waits without end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ran::from_output(child.wait_with_output().expect("an end"))
}

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo runs").success());
}

fn is_pipe(path: &Path) -> bool {
    let found = fs::symlink_metadata(path).expect("something");
    found.file_type().is_fifo()
}

/// A directory of a few images, as IDX.
fn images(workplace: &Workplace) {
    workplace.write("images/train-images-idx3-ubyte", idx_images(20, 28));
}

#[test]
fn results_that_nobody_reads_end_a_command_quietly() {
    let workplace = Workplace::new();
    images(&workplace);
    let detect = [
        "detect",
        "variational",
        "images",
        "--threshold",
        "1",
        "--backend",
        "ndarray",
    ];
    for arguments in [
        &["models"][..],
        &["models", "--json"],
        &["devices"],
        &["data", "list"],
        &detect,
    ] {
        let ran = ended(workplace.command(arguments).stdout(unread()));
        assert_eq!(ran.code, Some(0), "{arguments:?} {ran:?}");
        // Drivers of graphics cards say what they like.
        assert!(!ran.stderr.contains("stdout"), "{arguments:?} {ran:?}");
    }
    // All files of a command are there before it prints their names.
    let export = [
        "export",
        "variational",
        "--format",
        "onnx",
        "--external-data",
        "--out",
        "model.onnx",
    ];
    let ran = ended(workplace.command(&export).stdout(unread()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for file in ["model.onnx", "model.onnx.data"] {
        assert!(workplace.path(file).exists(), "{file}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn results_that_find_no_room_are_an_error() {
    let workplace = Workplace::new();
    for arguments in [&["models"][..], &["devices"], &["devices", "--json"]] {
        let ran = ended(workplace.command(arguments).stdout(full()));
        ran.fails(
            1,
            &["error: the results can't be written to stdout: No space left"],
        );
    }
}

/// What can't be told on stderr ends nothing.
#[test]
fn a_training_that_nobody_watches_goes_on_to_its_end() {
    let workplace = Workplace::new();
    workplace.write("recipe.toml", RECIPE);
    let train = |out| {
        let arguments = ["train", "recipe.toml", "--backend", "ndarray", "--out", out];
        workplace.command(&arguments)
    };
    let whole = ended(&mut train("whole"));
    assert_eq!(whole.code, Some(0), "{whole:?}");
    let mut unwatched = vec![("closed", unread(), unread())];
    #[cfg(target_os = "linux")]
    unwatched.push(("full", unread(), full()));
    for (out, stdout, stderr) in unwatched {
        let ran = ended(train(out).stdout(stdout).stderr(stderr));
        assert_eq!(ran.code, Some(0), "{out}: {ran:?}");
        let weights = |run: &str| read(workplace.path(run).join("model.safetensors"));
        assert!(weights(out) == weights("whole"), "{out}");
        assert!(workplace.path(out).join("summary.json").exists(), "{out}");
    }
    // An error that can't be told is one all the same.
    let nowhere = ["train", "nowhere"];
    let ran = ended(workplace.command(&nowhere).stderr(unread()));
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

#[test]
fn pipes_are_no_files() {
    let workplace = Workplace::new();
    images(&workplace);
    workplace
        .train("run", &["--set", "training.steps=2"])
        .succeeds();
    for name in [
        "p.hgz",
        "p.npy",
        "p.png",
        "p.gz",
        "p.csv",
        "p.safetensors",
        "p.json",
    ] {
        make_pipe(&workplace.path(name));
    }
    let refused = |arguments: &[&str], file: &str| {
        let ran = ends(&workplace, arguments);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let expected = format!("{file}: expected a file, found a pipe");
        assert!(ran.stderr.contains(&expected), "{ran:?}");
    };
    refused(
        &["decompress", "variational", "p.hgz", "--out", "x.npy"],
        "p.hgz",
    );
    for name in ["p.npy", "p.png", "p.gz"] {
        refused(&["data", "info", name], name);
        refused(&["encode", "variational", name, "--out", "x.npy"], name);
    }
    for name in ["p.npy", "p.csv"] {
        refused(&["decode", "variational", name, "--out", "x.npy"], name);
    }
    refused(&["import", "p.safetensors", "--out", "x"], "p.safetensors");
    // Of a run, everything that is read.
    for file in [
        "checkpoint/checkpoint.bin",
        "config.toml",
        "model.safetensors",
    ] {
        let path = workplace.path("run").join(file);
        let content = read(&path);
        fs::remove_file(&path).expect("removed");
        make_pipe(&path);
        let arguments: &[&str] = match file {
            "model.safetensors" => &["sample", "run"],
            _ => &["train", "--resume", "--out", "run", "--backend", "ndarray"],
        };
        refused(arguments, file);
        fs::remove_file(&path).expect("removed");
        fs::write(&path, content).expect("written");
    }
    for file in ["metrics.jsonl", ".lock"] {
        let path = workplace.path("run").join(file);
        fs::remove_file(&path).expect("removed");
        make_pipe(&path);
        let ran = ends(
            &workplace,
            &["train", "--resume", "--out", "run", "--backend", "ndarray"],
        );
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(
            ran.stderr.contains(file) && ran.stderr.contains("found a pipe"),
            "{ran:?}"
        );
        fs::remove_file(&path).expect("removed");
        fs::write(&path, "").expect("written");
    }
}

#[test]
fn what_is_no_file_is_not_written_over() {
    let workplace = Workplace::new();
    images(&workplace);
    for name in [
        "p.png",
        "p.npy",
        "p.hgz",
        "p.safetensors",
        "p.html",
        "p.csv",
        "p.svg",
    ] {
        make_pipe(&workplace.path(name));
        let mut arguments = match name {
            "p.png" => vec!["sample", "variational"],
            "p.npy" => vec!["encode", "variational", "images"],
            "p.hgz" => vec!["compress", "variational", "images"],
            "p.safetensors" => vec!["export", "variational"],
            "p.html" => vec!["report", "variational"],
            "p.csv" => vec!["detect", "variational", "images", "--threshold", "1"],
            _ => vec!["embed", "variational", "images"],
        };
        arguments.extend(["--out", name, "--force"]);
        let ran = ends(&workplace, &arguments).fails(1, &[name, "found a pipe"]);
        assert!(is_pipe(&workplace.path(name)), "{ran:?}");
    }
}

#[test]
fn planted_links_lead_nowhere() {
    let workplace = Workplace::new();
    images(&workplace);
    let precious = workplace.write("precious", "kept");
    for name in [".codes.npy.tmp", ".picture.png.tmp"] {
        symlink(&precious, workplace.path(name)).expect("a link");
    }
    let encode = [
        "encode",
        "variational",
        "images",
        "--out",
        "codes.npy",
        "--backend",
        "ndarray",
    ];
    workplace.run(&encode).succeeds();
    let sample = [
        "sample",
        "variational",
        "--out",
        "picture.png",
        "--backend",
        "ndarray",
    ];
    workplace.run(&sample).succeeds();
    assert_eq!(read(&precious), b"kept");
    assert!(read(workplace.path("codes.npy")).starts_with(b"\x93NUMPY"));
    assert!(!workplace.path("codes.npy").is_symlink());
}

/// An import that was killed is neither a model nor in the way of the next one, or of a run.
#[test]
fn a_killed_import_leaves_nothing_in_the_way() {
    let workplace = Workplace::new();
    let export = ["export", "variational", "--out", "weights.safetensors"];
    workplace.run(&export).succeeds();
    let killed = |out: &str| {
        workplace.write(&format!("{out}/.import.aB3dE6.tmp/config.json"), "{");
        workplace.write(&format!("{out}/model.safetensors"), "half");
    };
    let import = ["import", "weights.safetensors", "--out", "imported"];
    killed("imported");
    workplace.run(&import).succeeds();
    let names = |out: &str| {
        let entries = fs::read_dir(workplace.path(out)).expect("a directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.into_string().expect("text"))
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("imported"), ["config.json", "model.safetensors"]);
    assert!(read(workplace.path("imported/model.safetensors")).len() > 1000);
    // One that is whole is in use, and no run to be resumed.
    let ran = workplace
        .run(&import)
        .fails(1, &["imported", "in use", "another with --out"]);
    assert!(!ran.stderr.contains("--resume"), "{ran:?}");
    killed("run");
    workplace
        .train("run", &["--set", "training.steps=2"])
        .succeeds();
    assert!(!workplace.path("run/.import.aB3dE6.tmp").exists());
    // Another program's import that is still going on is in use.
    workplace.write("busy/.import.aB3dE6.tmp/config.json", "{");
    let running = fs::File::open(workplace.path("busy/.import.aB3dE6.tmp")).expect("open");
    running.lock().expect("locked");
    let busy = ["import", "weights.safetensors", "--out", "busy"];
    workplace.run(&busy).fails(1, &["busy", "in use"]);
    assert!(workplace.path("busy/.import.aB3dE6.tmp").exists());
}

/// Weights with one value in place of every one.
fn filled(weights: &[u8], value: f32) -> Vec<u8> {
    let file = SafeTensors::deserialize(weights).expect("safetensors");
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = file
        .iter()
        .map(|(name, view)| {
            let numbers = view.shape().iter().product();
            let bytes = value.to_le_bytes().repeat(numbers);
            (name.to_owned(), view.shape().to_vec(), bytes)
        })
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor");
        (name, view)
    });
    safetensors::serialize(views, None).expect("safetensors")
}

#[test]
fn models_beyond_the_range_of_float32_make_no_images() {
    let workplace = Workplace::new();
    images(&workplace);
    let export = ["export", "variational", "--out", "weights.safetensors"];
    workplace.run(&export).succeeds();
    let import = ["import", "weights.safetensors", "--out", "huge"];
    workplace.run(&import).succeeds();
    let path = workplace.path("huge/model.safetensors");
    let whole = read(&path);
    let commands = [
        &["sample", "huge", "--out", "x.png"][..],
        &["reconstruct", "huge", "images", "--out", "x"],
        &[
            "inpaint", "huge", "images", "--mask", "half:top", "--out", "x",
        ],
        &["traverse", "huge", "--out", "x.png"],
        &["encode", "huge", "images", "--out", "x.npy"],
    ];
    for (value, said) in [
        (3e38, "expected values of at most 1e18"),
        // Each weight is possible; what comes of them is not.
        (9e17, "finite"),
    ] {
        fs::write(&path, filled(&whole, value)).expect("written");
        let before = workplace.listing();
        for command in commands {
            let arguments = [command, &["--backend", "ndarray"]].concat();
            let ran = workplace.run(&arguments).fails(1, &[said]);
            // An encoder's codes are told of the file that they were for.
            assert!(
                ran.stderr.contains("huge") || command[0] == "encode",
                "{ran:?}"
            );
            assert_eq!(workplace.listing(), before, "{command:?}");
        }
    }
}

#[test]
fn compressed_codes_beyond_the_range_of_float32_make_no_images() {
    let workplace = Workplace::new();
    images(&workplace);
    let compress = [
        "compress",
        "variational",
        "images",
        "--out",
        "x.hgz",
        "--backend",
        "ndarray",
    ];
    workplace.run(&compress).succeeds();
    let mut bytes = read(workplace.path("x.hgz"));
    // The header ends where its checksum stands; its ranges are behind 63 bytes.
    let ranges = 63..63 + 20 * 8;
    let checksum = |bytes: &[u8]| crc32(bytes).to_le_bytes();
    let end =
        (ranges.end..bytes.len() - 4).find(|&end| checksum(&bytes[..end]) == bytes[end..end + 4]);
    let end = end.expect("a checksum");
    for range in bytes[ranges].chunks_exact_mut(8) {
        range[..4].copy_from_slice(&(-3.4e38_f32).to_le_bytes());
        range[4..].copy_from_slice(&3.4e38_f32.to_le_bytes());
    }
    let changed = checksum(&bytes[..end]);
    bytes[end..end + 4].copy_from_slice(&changed);
    workplace.write("x.hgz", bytes);
    let before = workplace.listing();
    for out in ["x.npy", "x"] {
        let decompress = [
            "decompress",
            "variational",
            "x.hgz",
            "--out",
            out,
            "--backend",
            "ndarray",
        ];
        workplace
            .run(&decompress)
            .fails(1, &["x.hgz", "image 0: expected finite values"]);
        assert_eq!(workplace.listing(), before);
    }
}

/// The checksum of zip files and of ours.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn floats_and_deep_headers_are_refused() {
    let workplace = Workplace::new();
    let npy = |text: &str, numbers: &[u8]| {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.write_all(text.as_bytes()).expect("memory");
        bytes.extend(numbers);
        bytes
    };
    let floats = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 28, 28), }\n";
    workplace.write("floats.npy", npy(floats, &[0; 2 * 28 * 28 * 4]));
    workplace.write("deep.npy", npy(&"[".repeat(44), &[]));
    let refused = |arguments: &[&str], parts: &[&str]| {
        ends(&workplace, arguments).fails(1, parts);
    };
    let told = ["floats.npy", "not rounded unasked", "astype(numpy.uint8)"];
    refused(&["data", "info", "floats.npy"], &told);
    refused(&["train", "variational", "--data", "floats.npy"], &told);
    refused(&["data", "info", "deep.npy"], &["deep.npy", "header"]);
    let decode = ["decode", "variational", "deep.npy", "--out", "x.npy"];
    refused(&decode, &["deep.npy", "header"]);
}
