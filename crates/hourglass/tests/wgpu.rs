//! The same numbers on wgpu as on the CPU. What needs an adapter is ignored unless it is asked for; a software one will do.

#![cfg(all(feature = "wgpu", feature = "flex", feature = "ndarray"))]

mod support;

use std::path::Path;
use std::sync::OnceLock;

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use burn_wgpu::WgpuDevice;
use burn_wgpu::graphics::{Dx12, Metal, Vulkan};
use hourglass_data::{Locations, Subset};
use hourglass_kernels::{
    doubling_convolution, halving_convolution, linear, mean, row_sums, sum, sum_dim,
};
use hourglass_models::{Model, ModelConfig, Shape};
use hourglass_train::self_check::{self, SelfCheckError, Sizes};
use serde_json::{Value, json};
use support::{Workplace, idx_images, idx_labels, read};

type Wgpu = Autodiff<burn_wgpu::Wgpu>;
type Flex = Autodiff<burn_flex::Flex>;
type NdArray = Autodiff<burn_ndarray::NdArray>;

/// A batch, a last partial one, and one that is larger, as in evaluation.
const SIZES: &[usize] = &[16, 5, 40];

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
) -> Result<f64, SelfCheckError> {
    let model = on_g
        .init::<G>(Shape::new(1, 4, 4), 1, device)
        .expect("a model");
    let sizes = Sizes {
        with_gradients: SIZES.to_vec(),
        ..Sizes::default()
    };
    let training = self_check::check::<G, C>(&model, on_c, None, images, &sizes, device)?;
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
) -> Result<f64, SelfCheckError> {
    self_check::check_use::<G, C>(model, on_c, Shape::new(1, 4, 4), SIZES, device)
}

#[test]
fn the_cpu_backends_agree() {
    let workplace = workplace();
    let images = images(&workplace);
    for config in models() {
        let error = compare::<Flex, NdArray>(&config, &config, &images, &Default::default());
        let error = error.unwrap_or_else(|error| panic!("{config:?}: {error}"));
        assert!(error <= self_check::TOLERANCE, "{config:?}: {error}");
    }
}

#[test]
#[ignore = "needs an adapter for wgpu: run with `-- --ignored`"]
fn every_family_trains_encodes_and_decodes_alike_on_wgpu() {
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
            assert!(error <= self_check::TOLERANCE, "{config:?}: {error}");
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
        let SelfCheckError::Differs { error, .. } = error else {
            panic!("{message}");
        };
        assert!(error > self_check::TOLERANCE, "{wrong:?}: {message}");
    }
    let wider = contractive(0.5, "sigmoid", 5);
    let error = compare::<G, C>(&right, &wider, &images, device).expect_err("another width");
    assert!(matches!(error, SelfCheckError::Model(_)), "{error}");
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
        let model = right.init::<G::InnerBackend>(Shape::new(1, 4, 4), 1, device);
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
#[ignore = "needs an adapter for wgpu: run with `-- --ignored`"]
fn the_check_finds_differences_on_wgpu() {
    assert_finds_differences::<Wgpu, Flex>(&device());
}

#[test]
#[ignore = "needs an adapter for wgpu: run with `-- --ignored`"]
fn a_run_on_wgpu_from_the_first_step_to_the_measures() {
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
#[ignore = "needs an adapter for wgpu: run with `-- --ignored`"]
fn every_command_that_uses_a_model_checks_it_first() {
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

/// Numbers whose sums are known: 1, 1 1/8, ... 1 7/8, 1, ...
fn numbers(count: usize) -> Vec<f32> {
    (0..count)
        .map(|place| 1.0 + (place % 8) as f32 / 8.0)
        .collect()
}

fn assert_close(found: TensorData, expected: &[f64], what: &str) {
    let found: Vec<f64> = found.iter().collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs() / expected.abs();
        // Rounding, on either side; what a loop that ends early leaves out is a hundredth and more.
        assert!(
            error < self_check::TOLERANCE,
            "{what}: expected {expected}, found {found}"
        );
    }
}

#[test]
#[ignore = "needs an adapter for wgpu: run with `-- --ignored`"]
fn long_sums_are_right_on_wgpu() {
    for count in [(1 << 18) - 1, 1 << 18, (1 << 18) + 1, 1_000_000, 10_000_000] {
        // A thousand rows share the numbers; one and three have as many each.
        for (rows, length) in [(1, count), (3, count), (1000, count / 1000)] {
            let data = numbers(rows * length);
            let total: f64 = data.iter().copied().map(f64::from).sum();
            let of_rows = data
                .chunks(length)
                .map(|row| row.iter().copied().map(f64::from).sum());
            let of_rows: Vec<f64> = of_rows.collect();
            let data = TensorData::new(data, [rows, length]);
            let x = Tensor::<burn_wgpu::Wgpu, 2>::from_data(data, &device());
            let what = format!("{rows} rows of {length}");
            assert_close(row_sums(x.clone()).into_data(), &of_rows, &what);
            assert_close(sum(x.clone()).into_data(), &[total], &what);
            let means = [total / (rows * length) as f64];
            assert_close(mean(x.clone()).into_data(), &means, &what);
            let columns: Tensor<burn_wgpu::Wgpu, 2> = x.transpose();
            assert_close(sum_dim(columns, 0).into_data(), &of_rows, &what);
        }
    }
}

/// The values of what work gives and the gradients of its operands, where everything that comes after weighs numbers of its own.
fn values_and_gradients<B: AutodiffBackend, const N: usize>(
    shapes: [[usize; 2]; N],
    work: impl Fn([Tensor<B, 2>; N]) -> Tensor<B, 2>,
    device: &B::Device,
) -> Vec<TensorData> {
    let operands = shapes.map(|[rows, columns]| {
        let data = TensorData::new(numbers(rows * columns), [rows, columns]);
        Tensor::<B, 2>::from_data(data, device).require_grad()
    });
    let value = work(operands.clone());
    let [rows, columns] = value.dims();
    let weights = TensorData::new(numbers(rows * columns), [rows, columns]);
    let gradients = (value.clone() * Tensor::from_data(weights, device))
        .sum()
        .backward();
    let gradient =
        |operand: Tensor<B, 2>| operand.grad(&gradients).expect("a gradient").into_data();
    let mut found = vec![value.into_data()];
    found.extend(operands.map(gradient));
    found
}

fn assert_alike(found: &[TensorData], expected: &[TensorData], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        let expected: Vec<f64> = expected.iter().collect();
        assert_close(found.clone(), &expected, what);
    }
}

fn products<B: AutodiffBackend>(shape: [usize; 3], device: &B::Device) -> Vec<TensorData> {
    let [rows, inner, columns] = shape;
    let shapes = [[rows, inner], [inner, columns], [1, columns]];
    let work = |[x, weight, bias]: [Tensor<B, 2>; 3]| linear(x, weight, bias.flatten(0, 1));
    values_and_gradients(shapes, work, device)
}

fn convolutions<B: AutodiffBackend>(
    batch: usize,
    side: usize,
    device: &B::Device,
) -> Vec<TensorData> {
    let shapes = [
        [batch, side * side],
        [1, 3 * 16],
        [1, 3],
        [1, 3 * 16],
        [1, 1],
    ];
    let work = |[x, weight, bias, back, back_bias]: [Tensor<B, 2>; 5]| {
        let (bias, back_bias) = (bias.flatten(0, 1), back_bias.flatten(0, 1));
        let maps = halving_convolution(x, [1, side, side], weight.reshape([3, 1, 4, 4]), bias);
        let shape = [3, side / 2, side / 2];
        doubling_convolution(maps, shape, back.reshape([3, 1, 4, 4]), back_bias)
    };
    values_and_gradients(shapes, work, device)
}

#[test]
#[ignore = "needs an adapter for wgpu: run with `-- --ignored`"]
fn long_layers_have_the_cpus_values_and_gradients_on_wgpu() {
    for shape in [[3, 1_000_000, 2], [1_000_000, 3, 2], [2, 3, 1_000_000]] {
        let expected = products::<NdArray>(shape, &Default::default());
        assert_alike(
            &products::<Wgpu>(shape, &device()),
            &expected,
            &format!("{shape:?}"),
        );
    }
    // More than 2^18 pixels a map; batches that can and can't be cut into multiples of four; single large images.
    for (batch, side) in [(340, 28), (1100, 32), (1, 600), (3, 512)] {
        let expected = convolutions::<NdArray>(batch, side, &Default::default());
        let found = convolutions::<Wgpu>(batch, side, &device());
        let what = format!("{batch} images of {side} x {side}");
        assert_alike(&found, &expected, &what);
    }
}

#[test]
#[ignore = "needs an adapter for wgpu: run with `-- --ignored`"]
fn every_published_recipe_trains_for_an_epoch_on_wgpu() {
    let workplace = workplace();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    for model in std::fs::read_dir(models).expect("the published models") {
        let model = model.expect("a model");
        let recipe = std::fs::read_to_string(model.path().join("recipe.toml")).expect("a recipe");
        let name = model.file_name();
        let name = name.to_str().expect("a name in UTF-8");
        let mut arguments = format!("train {name} --backend wgpu --out {name}");
        // A recipe for tables brings its own.
        if !recipe.contains("breast-cancer") {
            arguments += " --data idx";
        }
        // A step of a batch is an epoch of these images; one recipe trains phases alone.
        for (phase, more) in [
            (
                "[pretraining.training]",
                " --set pretraining.training.steps=1",
            ),
            ("[classifier]", " --set classifier.steps=1"),
        ] {
            if recipe.contains(phase) {
                arguments += more;
            }
        }
        if !recipe.contains("steps = 0") {
            arguments += " --epochs 1";
        }
        let ran = workplace.run(&arguments.split(' ').collect::<Vec<_>>());
        let said = ran.succeeds().stderr;
        assert!(
            said.contains("the largest relative difference is"),
            "{name}: {said}"
        );
    }
}
