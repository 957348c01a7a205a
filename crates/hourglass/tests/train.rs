//! Every family from `train` to `export`, by the real program.

mod support;

use std::fs;
use std::path::Path;

use hourglass_data::{Locations, Subset};
use hourglass_measure::fit_pca;
use hourglass_measure::pca::largest_principal_angle;
use hourglass_train::Recipe;
use safetensors::SafeTensors;
use serde_json::Value;
use support::{Workplace, read};

/// Terms that `evaluate` gives for each recipe beside `loss`.
const TERMS: &[(&str, &[&str])] = &[
    ("undercomplete", &["squared_error"]),
    ("sparse", &["squared_error", "active_units"]),
    ("sparse-l1", &["squared_error", "l1_norm", "active_units"]),
    (
        "sparse-kl",
        &[
            "squared_error",
            "sparsity_kl_nats",
            "median_target_deviation",
        ],
    ),
    ("denoising", &["cross_entropy", "corrupted_squared_error"]),
    (
        "contractive",
        &["cross_entropy", "jacobian_squared", "jacobian_norm"],
    ),
    (
        "variational",
        &["cross_entropy", "kl_nats", "negative_elbo"],
    ),
    ("linear", &["squared_error"]),
    ("conv", &["squared_error"]),
    (
        "vae-50",
        &["reconstruction_nats", "kl_nats", "negative_elbo"],
    ),
    (
        "iwae",
        &[
            "importance_weighted_nats",
            "reconstruction_nats",
            "kl_nats",
            "negative_elbo",
        ],
    ),
];

/// Settings that make a recipe quick; k of top-k is 25, so the code has to have more units.
fn quick(name: &str) -> Vec<&'static str> {
    let mut settings = vec![
        "training.steps=30",
        "training.batch_size=50",
        "data.limit=300",
    ];
    settings.extend(match name {
        "sparse" => &["network.code=60", "objective.start=50"][..],
        "undercomplete" | "variational" => &["network.hidden=[16]", "network.code=8"],
        "conv" => &["network.channels=[2, 2]", "network.code=8"],
        "linear" => &["network.code=8"],
        "vae-50" => &["network.hidden=[16]", "network.code=8"],
        "iwae" => &[
            "network.hidden=[16]",
            "network.code=8",
            "objective.samples=4",
        ],
        _ => &["network.code=40"],
    });
    settings
        .into_iter()
        .flat_map(|setting| ["--set", setting])
        .collect()
}

fn train_quickly(workplace: &Workplace, name: &str) {
    let arguments = ["train", name, "--backend", "ndarray"];
    workplace
        .run(&[&arguments[..], &quick(name)].concat())
        .succeeds();
}

/// The file is a PNG with all of its chunks, to the last.
#[track_caller]
fn assert_is_png(path: &Path) {
    let bytes = read(path);
    let mut rest = bytes
        .strip_prefix(b"\x89PNG\r\n\x1a\n")
        .expect("a PNG's signature");
    let mut kinds = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        // Kind, content, checksum.
        let (chunk, after) = after.split_at(u32::from_be_bytes(*length) as usize + 8);
        kinds.push(chunk[..4].to_vec());
        rest = after;
    }
    assert_eq!(
        kinds.first().map(Vec::as_slice),
        Some(&b"IHDR"[..]),
        "{}",
        path.display()
    );
    assert_eq!(
        kinds.last().map(Vec::as_slice),
        Some(&b"IEND"[..]),
        "{}",
        path.display()
    );
}

#[track_caller]
fn assert_is_whole_run(run: &Path, name: &str) {
    for file in ["config.toml", "metrics.jsonl", "figures/curves.svg"] {
        assert!(!read(run.join(file)).is_empty(), "{name}: {file}");
    }
    let svg = String::from_utf8(read(run.join("figures/curves.svg"))).expect("text");
    assert!(
        svg.contains("<svg") && svg.trim_end().ends_with("</svg>"),
        "{name}"
    );
    assert_is_png(&run.join("figures/reconstructions.png"));
    let samples = run.join("figures/samples.png");
    let has_prior = ["variational", "vae-50", "iwae"].contains(&name);
    assert_eq!(samples.exists(), has_prior, "{name}");
    if samples.exists() {
        assert_is_png(&samples);
    }
    let config: Value =
        serde_json::from_slice(&read(run.join("config.json"))).expect("config.json");
    let recipe = String::from_utf8(read(run.join("config.toml"))).expect("text");
    let recipe = Recipe::parse(&recipe, Path::new("config.toml"), &[]).expect("config.toml");
    assert_eq!(config["model"]["family"], recipe.model.family());
    assert_eq!(
        config["model"],
        serde_json::to_value(&recipe.model).expect("settings"),
        "{name}"
    );
    assert_eq!(
        hourglass_store::read_metrics(&run.join("metrics.jsonl"))
            .expect("metrics")
            .last()
            .expect("a line")
            .step,
        30,
        "{name}"
    );
}

#[test]
fn every_recipe_trains_is_measured_again_and_exported() {
    for (name, terms) in TERMS {
        let workplace = Workplace::new();
        train_quickly(&workplace, name);
        let family = name.split('-').next().expect("a name");
        let family = match family {
            "linear" | "conv" => "undercomplete",
            "vae" | "iwae" => "variational",
            family => family,
        };
        let out = format!("runs/{family}-1");
        let run = workplace.path(&out);
        assert_is_whole_run(&run, name);

        let evaluate = ["evaluate", &out, "--json", "--backend", "ndarray"];
        let measured = workplace
            .run(&[&evaluate[..], &["--measures", "density"]].concat())
            .succeeds()
            .json();
        let summary: Value =
            serde_json::from_slice(&read(run.join("summary.json"))).expect("summary.json");
        let numbers = summary["test"].as_object().expect("test numbers");
        for (key, value) in numbers {
            assert_eq!(&measured[key], value, "{name}: {key}");
        }
        assert_eq!(measured["images"], 1000, "{name}");
        let binarized = measured["binarized"].as_bool().unwrap_or(false);
        assert_eq!(binarized, ["vae-50", "iwae"].contains(name), "{name}");
        let grey = measured.get("note").is_some();
        assert_eq!(grey, measured.get("cross_entropy").is_some(), "{name}");
        for key in terms.iter().chain(&["loss", "squared_error"]) {
            let value = measured[key]
                .as_f64()
                .unwrap_or_else(|| panic!("{name}: no {key} in {measured:#}"));
            assert!(value.is_finite(), "{name}: {key} {value}");
        }
        let pca = &measured["pca"];
        assert!(
            pca["squared_error"]
                .as_f64()
                .is_some_and(|error| error > 0.0),
            "{name}: {pca}"
        );
        assert_exports(&workplace, &out, name);
    }
}

#[track_caller]
fn assert_exports(workplace: &Workplace, out: &str, name: &str) {
    let export = [
        "export",
        out,
        "--format",
        "safetensors",
        "--out",
        "exported.safetensors",
    ];
    workplace.run(&export).succeeds();
    let bytes = read(workplace.path("exported.safetensors"));
    assert_eq!(
        bytes,
        read(workplace.path(out).join("model.safetensors")),
        "{name}"
    );
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    // The convolutional encoder begins with the layer that unflattens.
    let first = if name == "conv" { 1 } else { 0 };
    for tensor in [
        format!("encoder.{first}.weight"),
        format!("encoder.{first}.bias"),
        "decoder.0.bias".into(),
    ] {
        assert!(
            tensors.names().contains(&tensor.as_str()),
            "{name}: {tensor} in {:?}",
            tensors.names()
        );
    }
}

#[test]
fn export_writes_over_a_file_only_by_force() {
    let workplace = Workplace::new();
    workplace
        .train("run", &["--set", "training.steps=2"])
        .succeeds();
    workplace.write("there.safetensors", "precious");
    let export = ["export", "run", "--out", "there.safetensors"];
    workplace
        .run(&export)
        .fails(1, &["there.safetensors", "expected a new file", "--force"]);
    assert_eq!(read(workplace.path("there.safetensors")), b"precious");
    workplace
        .run(&[&export[..], &["--force"]].concat())
        .succeeds();
    assert_eq!(
        read(workplace.path("there.safetensors")),
        read(workplace.path("run/model.safetensors"))
    );
    let tensors = read(workplace.path("there.safetensors"));
    let tensors = SafeTensors::deserialize(&tensors).expect("safetensors");
    let shape = |name: &str| tensors.tensor(name).expect(name).shape().to_vec();
    assert_eq!(shape("encoder.0.weight"), [16, 784]);
    assert_eq!(shape("encoder.2.weight"), [4, 16]);
    assert_eq!(shape("decoder.0.weight"), [16, 4]);
    assert_eq!(shape("decoder.2.bias"), [784]);

    workplace
        .run(
            &[
                &export[..],
                &["--force", "--examples", "examples.safetensors"],
            ]
            .concat(),
        )
        .succeeds();
    let examples = read(workplace.path("examples.safetensors"));
    let examples = SafeTensors::deserialize(&examples).expect("safetensors");
    assert_eq!(examples.tensor("codes").expect("codes").shape(), [1000, 4]);
}

#[test]
fn a_second_run_gets_the_next_name_and_the_seed_decides_the_bytes() {
    let workplace = Workplace::new();
    workplace.write("recipe.toml", support::RECIPE);
    let train = ["train", "recipe.toml", "--backend", "ndarray"];
    for seed in ["7", "7", "8"] {
        workplace
            .run(&[&train[..], &["--seed", seed]].concat())
            .succeeds();
    }
    let model =
        |number| read(workplace.path(format!("runs/undercomplete-{number}/model.safetensors")));
    let metrics =
        |number| read(workplace.path(format!("runs/undercomplete-{number}/metrics.jsonl")));
    assert_eq!(model(1), model(2));
    assert_eq!(metrics(1), metrics(2));
    assert_ne!(model(1), model(3));
}

#[test]
fn epochs_and_settings_of_the_command_line_are_kept() {
    let workplace = Workplace::new();
    let set = ["--epochs", "2", "--set", "training.schedule=cosine"];
    let ran = workplace.train("run", &[&set[..], &["--json"]].concat());
    let summary = ran.succeeds().json();
    // 450 of the 500 images are trained on, 50 at a time.
    assert_eq!(summary["steps"], 18);
    assert_eq!(summary["training_images"], 450);
    assert_eq!(summary["backend"], "ndarray");
    let text = String::from_utf8(read(workplace.path("run/config.toml"))).expect("text");
    assert!(
        text.contains("schedule = \"cosine\"") && text.contains("epochs = 2"),
        "{text}"
    );
    assert!(!text.contains("steps = 60"), "{text}");

    let train = workplace.run(&["evaluate", "run", "--split", "train", "--json"]);
    assert_eq!(train.succeeds().json()["images"], 450);
    let validation = workplace.run(&["evaluate", "run", "--split", "validation", "--json"]);
    assert_eq!(validation.succeeds().json()["images"], 50);
}

/// A linear autoencoder's decoder spans the space of the first principal components (Baldi & Hornik 1989).
#[test]
fn the_linear_recipe_finds_the_subspace_of_pca() {
    const DEGREES: f64 = 2.0;
    let workplace = Workplace::new();
    workplace
        .run(&["train", "linear", "--backend", "flex", "--out", "linear"])
        .succeeds();
    let bytes = read(workplace.path("linear/model.safetensors"));
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let weight = tensors.tensor("decoder.0.weight").expect("the decoder");
    let [features, code] = weight.shape() else {
        panic!("{:?}", weight.shape())
    };
    assert_eq!((*features, *code), (784, 16));
    let basis: Vec<f64> = weight
        .data()
        .chunks_exact(4)
        .map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().expect("4 bytes"))))
        .collect();
    let locations = Locations::new(workplace.path("data"), None);
    let splits = hourglass_data::open("mnist-mini", &locations).expect("embedded");
    let training = Subset::all(splits.train());
    assert_eq!(training.len(), 5000);
    let pca = fit_pca(&training, 16, None, &mut |_, _, _| {}).expect("PCA");
    let angle = largest_principal_angle(&basis, &pca, 16).expect("an angle");
    println!("the largest principal angle is {angle:.3} degrees");
    assert!(angle < DEGREES, "{angle} degrees");
}

#[test]
fn data_and_devices_are_described() {
    let workplace = Workplace::new();
    let list = workplace.run(&["data", "list"]).succeeds().stdout;
    assert!(list.contains("mnist-mini"), "{list}");
    assert!(list.contains("hourglass data fetch mnist"), "{list}");
    let list = workplace.run(&["data", "list", "--json"]).succeeds().json();
    let here: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| (entry["name"].as_str(), entry["here"].as_bool()))
        .collect();
    let expected = [
        ("mnist-mini", true),
        ("breast-cancer", true),
        ("mnist", false),
        ("fashion-mnist", false),
    ];
    assert_eq!(here, expected.map(|(name, here)| (Some(name), Some(here))));

    let info = workplace.run(&["data", "info", "mnist-mini", "--json"]);
    let info = info.succeeds().json();
    assert_eq!(info["train"]["images"], 5000);
    assert_eq!(info["test"]["images"], 1000);
    let labels = info["test"]["labels"].as_array().expect("counts");
    let total: u64 = labels.iter().filter_map(Value::as_u64).sum();
    assert_eq!((labels.len(), total), (10, 1000));
    workplace.run(&["data", "info", "mnist-mini"]).succeeds();

    let devices = workplace.run(&["devices", "--json"]).succeeds().json();
    assert_eq!(devices["build"]["flex"], true);
    assert!(devices["adapters"].is_array());
    let text = workplace.run(&["devices"]).succeeds().stdout;
    assert!(text.contains("this build has"), "{text}");
    assert_eq!(
        fs::read_dir(workplace.path("data")).expect("data").count(),
        0
    );
}

#[test]
fn the_help_of_every_command_has_an_example() {
    let workplace = Workplace::new();
    let commands_of = |command: &[&str]| -> Vec<String> {
        let help = workplace.run(&[command, &["--help"]].concat());
        let help = help.succeeds().stdout;
        let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let lines = lines.take_while(|line| !line.is_empty());
        // A description goes on below itself, further in.
        let lines = lines.filter_map(|line| line.strip_prefix("  "));
        let lines = lines.filter(|line| !line.starts_with(' '));
        let names = lines.filter_map(|line| line.split_whitespace().next());
        let names = names.filter(|name| *name != "help").map(str::to_owned);
        names.collect()
    };
    let all = commands_of(&[]);
    assert!(all.len() > 20, "{all:?}");
    for name in &all {
        let inner = commands_of(&[name]);
        let commands = match inner.is_empty() {
            true => vec![vec![name.as_str()]],
            false => inner
                .iter()
                .map(|inner| vec![name.as_str(), inner])
                .collect(),
        };
        for command in commands {
            let help = workplace.run(&[&command[..], &["--help"]].concat());
            let help = help.succeeds().stdout;
            let example = format!("\n  hourglass {}", command.join(" "));
            assert!(
                help.contains("Example") && help.contains(&example),
                "{help}"
            );
        }
    }
    let version = workplace.run(&["--version"]).succeeds().stdout;
    assert_eq!(
        version.trim(),
        concat!("hourglass ", env!("CARGO_PKG_VERSION"))
    );
}

/// A `.npy` file of `images` images of bytes.
fn npy(images: usize, height: usize, width: usize) -> Vec<u8> {
    let header = format!(
        "{{'descr': '|u1', 'fortran_order': False, 'shape': ({images}, {height}, {width}), }}"
    );
    let header = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend((0..images * height * width).map(|i| (i * i % 251) as u8));
    bytes
}

const FEW_STEPS: [&str; 12] = [
    "train",
    "undercomplete",
    "--backend",
    "flex",
    "--set",
    "network.hidden=[4]",
    "--set",
    "network.code=2",
    "--set",
    "training.steps=2",
    "--out",
    "run",
];

#[test]
fn a_picture_that_cannot_be_drawn_is_left_out_and_the_run_is_finished() {
    let workplace = Workplace::new();
    workplace.write("tall.npy", npy(12, 16_384, 1));
    let train = [&FEW_STEPS[..], &["--data", "tall.npy"]].concat();
    let ran = workplace.run(&train).succeeds();
    for part in [
        "figures/reconstructions.png was left out: image grid: expected at most 16384 pixels",
        "hourglass train --resume --out run",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {ran:#?}");
    }
    let summary: Value =
        serde_json::from_slice(&read(workplace.path("run/summary.json"))).expect("JSON");
    assert!(
        summary["validation"]["squared_error"].is_number(),
        "{summary}"
    );
    assert!(
        summary["not_drawn"]["reconstructions.png"].is_string(),
        "{summary}"
    );
    workplace
        .run(&[
            "evaluate",
            "run",
            "--split",
            "validation",
            "--backend",
            "flex",
            "--measures",
            "reconstruction",
        ])
        .succeeds();
    workplace
        .run(&["train", "--resume", "--out", "run"])
        .succeeds();
}

/// Images whose covariance matrix would take 19 GB.
#[test]
fn images_of_49152_values_are_measured_beside_pca() {
    let workplace = Workplace::new();
    workplace.write("large.npy", npy(8, 128, 384));
    let train = [&FEW_STEPS[..], &["--data", "large.npy"]].concat();
    let ran = workplace.run(&train).succeeds();
    assert!(ran.stdout.contains("PCA with 2 components"), "{ran:#?}");
    assert_is_png(&workplace.path("run/figures/reconstructions.png"));
}

#[test]
fn a_run_that_is_not_to_be_measured_has_its_model_and_is_measured_later() {
    let workplace = Workplace::new();
    workplace.write("small.npy", npy(40, 6, 6));
    let train = [&FEW_STEPS[..], &["--data", "small.npy", "--no-measure"]].concat();
    let ran = workplace.run(&train).succeeds();
    assert!(
        ran.stdout
            .contains("there are no numbers: it has not been measured yet"),
        "{ran:#?}"
    );
    assert!(!workplace.path("run/figures/reconstructions.png").exists());
    let weights = read(workplace.path("run/model.safetensors"));
    workplace.run(&["compare", "run"]).fails(
        1,
        &[
            "expected a finished run with its numbers",
            "hourglass train --resume --out run",
        ],
    );
    let ran = workplace
        .run(&["train", "--resume", "--out", "run"])
        .succeeds();
    assert!(ran.stdout.contains("squared_error"), "{ran:#?}");
    assert_eq!(read(workplace.path("run/model.safetensors")), weights);
    workplace.run(&["compare", "run"]).succeeds();
}
