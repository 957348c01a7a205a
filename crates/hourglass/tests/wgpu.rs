//! The same numbers on wgpu as on the CPU. Runs where `HOURGLASS_TEST_WGPU=1` is set, and then needs an adapter; a software
//! one will do.

#![cfg(all(feature = "wgpu", feature = "flex", feature = "ndarray"))]

mod support;

use std::sync::OnceLock;

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn_wgpu::WgpuDevice;
use burn_wgpu::graphics::{Dx12, Metal, Vulkan};
use hourglass_data::{Locations, Subset};
use hourglass_models::{Model, ModelConfig};
use hourglass_train::parity::{self, ParityError};
use serde_json::{Value, json};
use support::{Workplace, idx_images, idx_labels, read};

type Wgpu = Autodiff<burn_wgpu::Wgpu>;
type Flex = Autodiff<burn_flex::Flex>;
type NdArray = Autodiff<burn_ndarray::NdArray>;

/// A batch, a last partial one, and one that is larger, as in evaluation.
const SIZES: &[usize] = &[16, 5, 40];

fn is_asked_for() -> bool {
    let asked = std::env::var_os("HOURGLASS_TEST_WGPU").is_some_and(|value| value == "1");
    if !asked {
        println!("skipped: HOURGLASS_TEST_WGPU is not 1");
    }
    asked
}

/// The first adapter, started.
fn device() -> WgpuDevice {
    static DEVICE: OnceLock<WgpuDevice> = OnceLock::new();
    let start = || {
        let devices = Workplace::new()
            .run(&["devices", "--json"])
            .succeeds()
            .json();
        let adapter = &devices["adapters"][0];
        assert!(
            adapter.is_object(),
            "expected an adapter for wgpu, found none"
        );
        let device = match adapter["kind"].as_str() {
            Some("software") => WgpuDevice::Cpu,
            Some("integrated GPU") => WgpuDevice::IntegratedGpu(0),
            Some("virtual GPU") => WgpuDevice::VirtualGpu(0),
            _ => WgpuDevice::DiscreteGpu(0),
        };
        let options = burn_wgpu::RuntimeOptions::default();
        match adapter["api"].as_str() {
            Some("Metal") => burn_wgpu::init_setup::<Metal>(&device, options),
            Some("Dx12") => burn_wgpu::init_setup::<Dx12>(&device, options),
            _ => burn_wgpu::init_setup::<Vulkan>(&device, options),
        };
        device
    };
    DEVICE.get_or_init(start).clone()
}

/// A workplace with `idx/`: 60 training and 10 test images of 4x4 pixels.
fn workplace() -> Workplace {
    let workplace = Workplace::new();
    for (split, count) in [("train", 60), ("t10k", 10)] {
        workplace.write(
            &format!("idx/{split}-images-idx3-ubyte"),
            idx_images(count, 4),
        );
        workplace.write(&format!("idx/{split}-labels-idx1-ubyte"), idx_labels(count));
    }
    workplace
}

fn images(workplace: &Workplace) -> Subset {
    let path = workplace.path("idx");
    let locations = Locations::new(workplace.path("data"), None);
    let splits = hourglass_data::open(path.to_str().expect("a path in UTF-8"), &locations);
    Subset::all(splits.expect("images").train())
}

fn config(description: Value) -> ModelConfig {
    serde_json::from_value(description.clone())
        .unwrap_or_else(|error| panic!("{error}: {description}"))
}

fn model(family: &str, network: Value, objective: Value) -> ModelConfig {
    config(json!({"family": family, "network": network, "objective": objective}))
}

fn mlp(more: Value) -> Value {
    let mut network = json!({"kind": "mlp", "hidden": [], "code": 4});
    let settings = more.as_object().expect("settings").clone();
    network.as_object_mut().expect("a map").extend(settings);
    network
}

/// Every family, with every objective and both networks.
fn models() -> Vec<ModelConfig> {
    let one = || mlp(json!({"code_activation": "sigmoid", "tied": true}));
    let deep = |activation: &str| mlp(json!({"hidden": [8], "activation": activation}));
    let conv = || json!({"kind": "conv", "channels": [2, 3], "code": 4});
    let wide = || mlp(json!({"code": 12}));
    vec![
        model(
            "undercomplete",
            deep("relu"),
            json!({"likelihood": "squared_error"}),
        ),
        model(
            "undercomplete",
            deep("elu"),
            json!({"likelihood": "bernoulli"}),
        ),
        model(
            "undercomplete",
            deep("gelu"),
            json!({"likelihood": {"gaussian": {"sigma": 0.3}}}),
        ),
        model("undercomplete", conv(), json!({})),
        model("sparse", one(), json!({"penalty": "l1", "weight": 0.5})),
        model(
            "sparse",
            one(),
            json!({"penalty": "kl", "target": 0.05, "weight": 1.0}),
        ),
        model(
            "sparse",
            wide(),
            json!({"penalty": "top-k", "k": 3, "start": 6}),
        ),
        model(
            "denoising",
            one(),
            json!({"corruption": "masking", "likelihood": "bernoulli"}),
        ),
        model("denoising", deep("tanh"), json!({"corruption": "gaussian"})),
        model(
            "denoising",
            conv(),
            json!({"corruption": "salt-and-pepper"}),
        ),
        model(
            "contractive",
            one(),
            json!({"weight": 0.5, "likelihood": "bernoulli"}),
        ),
        model("contractive", deep("sigmoid"), json!({"weight": 0.5})),
        model(
            "contractive",
            conv(),
            json!({"weight": 0.5, "jacobian": "estimate", "samples": 2}),
        ),
        model(
            "variational",
            deep("relu"),
            json!({"likelihood": "bernoulli"}),
        ),
        model(
            "variational",
            conv(),
            json!({"likelihood": {"gaussian": {"sigma": 0.3}}}),
        ),
    ]
}

/// Compares a model of one description on `G` with one of another on `C`, in training and in use.
fn compare<G: AutodiffBackend, C: AutodiffBackend>(
    on_g: &ModelConfig,
    on_c: &ModelConfig,
    images: &Subset,
    device: &G::Device,
) -> Result<f64, ParityError> {
    let model = on_g.init::<G>([1, 4, 4], 1, device).expect("a model");
    let training = parity::check::<G, C>(&model, on_c, None, images, SIZES, device)?;
    Ok(
        training.max(compare_use::<G::InnerBackend, C::InnerBackend>(
            &model.valid(),
            on_c,
            device,
        )?),
    )
}

fn compare_use<G: Backend, C: Backend>(
    model: &Model<G>,
    on_c: &ModelConfig,
    device: &G::Device,
) -> Result<f64, ParityError> {
    parity::check_use::<G, C>(model, on_c, [1, 4, 4], SIZES, device)
}

#[test]
fn the_cpu_backends_agree() {
    let workplace = workplace();
    let images = images(&workplace);
    for config in models() {
        let error = compare::<Flex, NdArray>(&config, &config, &images, &Default::default());
        let error = error.unwrap_or_else(|error| panic!("{config:?}: {error}"));
        assert!(error <= parity::TOLERANCE, "{config:?}: {error}");
    }
}

#[test]
fn every_family_trains_encodes_and_decodes_alike_on_wgpu() {
    if !is_asked_for() {
        return;
    }
    let workplace = workplace();
    let images = images(&workplace);
    let models = models();
    for family in ModelConfig::FAMILIES {
        assert!(
            models.iter().any(|model| model.family() == *family),
            "{family}"
        );
    }
    for config in models {
        let flex = compare::<Wgpu, Flex>(&config, &config, &images, &device());
        let ndarray = compare::<Wgpu, NdArray>(&config, &config, &images, &device());
        for error in [flex, ndarray] {
            let error = error.unwrap_or_else(|error| panic!("{config:?}: {error}"));
            println!("{:<14} {error:.1e}", config.family());
            assert!(error <= parity::TOLERANCE, "{config:?}: {error}");
        }
    }
}

/// What the check has to find: another weight of a term, another likelihood, another activation, another width.
fn assert_finds_differences<G: AutodiffBackend, C: AutodiffBackend>(device: &G::Device) {
    let workplace = workplace();
    let images = images(&workplace);
    let contractive = |weight: f64, activation: &str, code: usize| {
        let network = json!({"code_activation": activation, "code": code});
        model("contractive", mlp(network), json!({"weight": weight}))
    };
    let right = contractive(0.5, "sigmoid", 4);
    compare::<G, C>(&right, &right, &images, device).expect("the same model");
    for wrong in [contractive(0.6, "sigmoid", 4), contractive(0.5, "tanh", 4)] {
        let error = compare::<G, C>(&right, &wrong, &images, device).expect_err("a difference");
        let message = error.to_string();
        assert!(message.contains("--backend flex"), "{message}");
        let ParityError::Differs { error, .. } = error else {
            panic!("{message}");
        };
        assert!(error > parity::TOLERANCE, "{wrong:?}: {message}");
    }
    let wider = contractive(0.5, "sigmoid", 5);
    let error = compare::<G, C>(&right, &wider, &images, device).expect_err("another width");
    assert!(matches!(error, ParityError::Model(_)), "{error}");
    let variational = |likelihood: Value| {
        let network = mlp(json!({"code": 4}));
        model("variational", network, json!({"likelihood": likelihood}))
    };
    let bernoulli = variational(json!("bernoulli"));
    let gaussian = variational(json!({"gaussian": {"sigma": 0.3}}));
    for (right, wrong, quantity) in [
        (&right, &contractive(0.5, "tanh", 4), "what is encoded"),
        (&bernoulli, &gaussian, "what is decoded"),
    ] {
        let model = right.init::<G::InnerBackend>([1, 4, 4], 1, device);
        let found = compare_use::<_, C::InnerBackend>(&model.expect("a model"), wrong, device);
        let message = found.expect_err("a difference").to_string();
        assert!(message.contains(quantity), "{message}");
    }
}

#[test]
fn the_check_finds_differences() {
    assert_finds_differences::<Flex, NdArray>(&Default::default());
}

#[test]
fn the_check_finds_differences_on_wgpu() {
    if is_asked_for() {
        assert_finds_differences::<Wgpu, Flex>(&device());
    }
}

#[test]
fn a_run_on_wgpu_from_the_first_step_to_the_measures() {
    if !is_asked_for() {
        return;
    }
    let workplace = workplace();
    let data = workplace.path("idx");
    let arguments = |backend| {
        let mut arguments = vec!["train", "variational", "--json", "--backend", backend];
        arguments.extend(["--data", data.to_str().expect("a path in UTF-8")]);
        let settings = [
            "network.hidden=[8]",
            "network.code=2",
            "training.steps=12",
            "training.batch_size=16",
            "training.checkpoint_steps=5",
        ];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        arguments
    };
    let out = |name| ["--out", name];
    let ran = workplace.run(&[&arguments("wgpu")[..], &out("gpu")].concat());
    let ran = ran.succeeds();
    assert!(
        ran.stderr.contains("the largest relative difference is"),
        "{ran:#?}"
    );
    let gpu = ran.json();
    assert_eq!(gpu["backend"], "wgpu");
    let cpu = workplace.run(&[&arguments("flex")[..], &out("cpu")].concat());
    let cpu = cpu.succeeds().json();
    for term in ["negative_elbo", "squared_error"] {
        let [ours, expected] = [&gpu, &cpu].map(|run| run["test"][term].as_f64().expect(term));
        let error = (ours - expected).abs() / expected;
        assert!(error < 1e-3, "{term}: {ours} on wgpu, {expected} on flex");
    }
    assert!(!read(workplace.path("gpu/figures/samples.png")).is_empty());

    let evaluate = ["evaluate", "gpu", "--json", "--backend", "wgpu"];
    let measured = workplace.run(&evaluate).succeeds().json();
    assert_eq!(measured["squared_error"], gpu["test"]["squared_error"]);
}

#[test]
fn every_command_that_uses_a_model_checks_it_first() {
    if !is_asked_for() {
        return;
    }
    let workplace = workplace();
    workplace.train("run", &[]).succeeds();
    for (arguments, needs) in [
        ("encode run --out codes.npy", "codes.npy"),
        ("decode run codes.npy --out images.npy", "images.npy"),
        ("compress run --out images.hgz", "images.hgz"),
        (
            "decompress run images.hgz --out restored.npy",
            "restored.npy",
        ),
        ("detect run --out scores.csv", "scores.csv"),
        ("embed run --out map.png", "map.png"),
        ("sample run --components 2 --out samples.png", "samples.png"),
        ("interpolate run test:0 test:1 --out way.png", "way.png"),
        (
            "traverse run --image test:0 --out dimensions.png",
            "dimensions.png",
        ),
        ("reconstruct run --out reconstructed", "reconstructed"),
        ("report run --out report.html", "report.html"),
    ] {
        let words = arguments.split(' ').chain(["--backend", "wgpu"]);
        let done = workplace.run(&words.collect::<Vec<_>>());
        let said = done.succeeds().stderr;
        assert!(said.contains("against the CPU"), "{arguments}: {said}");
        assert!(workplace.path(needs).exists(), "{arguments}");
    }
}
