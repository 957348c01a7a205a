//! Times training steps of the variational autoencoder 784-h-20-h-784: ReLU, Bernoulli on random images, Adam.
//!
//! Prints the median milliseconds of a step and the last loss as a JSON line, for `scripts/bench/compare.py`:
//! `cargo bench --workspace --bench step -- --hidden 400 --batch 128 --backend flex --steps 100`

use std::time::Instant;

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};
use clap::Parser;
use hourglass_kernels::FusedAdam;
use hourglass_models::{Autoencoder, Model, ModelConfig, StepContext, Stream};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WARM_UP_STEPS: u64 = 5;

#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long, default_value_t = 400)]
    hidden: usize,
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// flex or ndarray
    #[arg(long, default_value = "flex")]
    backend: String,
    #[arg(long, default_value_t = 100)]
    steps: u64,
    /// What `cargo bench` passes on.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let (milliseconds, loss) = match arguments.backend.as_str() {
        #[cfg(feature = "flex")]
        "flex" => time::<Autodiff<burn_flex::Flex>>(&arguments),
        #[cfg(feature = "ndarray")]
        "ndarray" => time::<Autodiff<burn_ndarray::NdArray>>(&arguments),
        other => panic!("--backend: expected flex or ndarray, found {other}"),
    };
    println!(
        "{}",
        serde_json::json!({"step_ms": milliseconds, "loss": loss})
    );
}

/// The median milliseconds of a step, and the last loss.
fn time<B: AutodiffBackend>(arguments: &Arguments) -> (f64, f64)
where
    Model<B>: AutodiffModule<B>,
{
    let device = B::Device::default();
    let config = serde_json::json!({
        "family": "variational",
        "network": {"kind": "mlp", "hidden": [arguments.hidden], "code": 20, "activation": "relu"},
    });
    let config: ModelConfig = serde_json::from_value(config).expect("a config");
    let mut model = config
        .init::<B>([1, 28, 28], 0, &device)
        .expect("a valid config");
    let mut optimizer = OptimizerAdaptor::from(FusedAdam::new(0.0));
    let pixels = StepContext::train(1, 0, 1).uniform::<B>(
        Stream::Corruption,
        [arguments.batch, 784],
        &device,
    );
    let pixels: TensorData = pixels.into_data();

    let mut times = Vec::new();
    let mut value = f64::NAN;
    for step in 0..arguments.steps + WARM_UP_STEPS {
        let start = Instant::now();
        let images = Tensor::<B, 2>::from_data(pixels.clone(), &device);
        let loss = model.loss(images, &StepContext::train(0, step, 1)).total;
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-3, model, gradients);
        value = loss.into_data().iter::<f64>().next().expect("a loss");
        if step >= WARM_UP_STEPS {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], value)
}
