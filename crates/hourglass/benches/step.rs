//! Times training steps (loss, gradients, Adam) of the model in a directory, or the encoding of batches, for
//! `scripts/bench/compare.py`: prints the median milliseconds and the last loss as a JSON line.
//!
//! `cargo bench --workspace --bench step -- --model DIRECTORY --images FILE --batch 128 --backend flex --steps 100`

use std::path::PathBuf;
use std::time::Instant;

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};
use clap::Parser;
use hourglass_kernels::{FusedAdam, on_workers, without_kernels};
use hourglass_models::{Autoencoder, StepContext};
use hourglass_store::SavedModel;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WARM_UP_STEPS: usize = 5;
const LEARNING_RATE: f64 = 1e-3;

#[derive(Debug, Parser)]
struct Arguments {
    /// The directory of a model, whose weights the training begins with.
    #[arg(long)]
    model: PathBuf,
    /// Bytes, image after image.
    #[arg(long)]
    images: PathBuf,
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// flex, ndarray or wgpu
    #[arg(long, default_value = "flex")]
    backend: String,
    #[arg(long, default_value_t = 100)]
    steps: usize,
    /// Compute with Burn's own operations alone.
    #[arg(long)]
    plain: bool,
    /// Encode in place of training.
    #[arg(long)]
    encode: bool,
    /// What `cargo bench` passes on.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let (milliseconds, loss) = match arguments.plain {
        true => without_kernels(|| on_backend(&arguments)),
        false => on_backend(&arguments),
    };
    println!(
        "{}",
        serde_json::json!({"step_ms": milliseconds, "loss": loss})
    );
}

fn on_backend(arguments: &Arguments) -> (f64, f64) {
    match arguments.backend.as_str() {
        #[cfg(feature = "flex")]
        "flex" => time::<Autodiff<burn_flex::Flex>>(arguments),
        #[cfg(feature = "ndarray")]
        "ndarray" => time::<Autodiff<burn_ndarray::NdArray>>(arguments),
        #[cfg(feature = "wgpu")]
        "wgpu" => time::<Autodiff<burn_wgpu::Wgpu>>(arguments),
        other => panic!("--backend: expected flex, ndarray or wgpu, found {other}"),
    }
}

/// The median milliseconds of a step, and the last loss.
fn time<B: AutodiffBackend>(arguments: &Arguments) -> (f64, f64) {
    let device = B::Device::default();
    let saved = SavedModel::in_directory(&arguments.model);
    let features = saved
        .description()
        .expect("settings")
        .shape
        .iter()
        .product();
    let model = saved.load::<B>(&device).expect("a model");
    let pixels = std::fs::read(&arguments.images).expect("images");
    let batches: Vec<TensorData> = pixels
        .chunks_exact(arguments.batch * features)
        .map(|batch| {
            let values = batch.iter().map(|&pixel| f32::from(pixel) / 255.0);
            TensorData::new(values.collect(), [arguments.batch, features])
        })
        .collect();
    let mut batches = batches.iter().cycle().map(Clone::clone);
    if arguments.encode {
        let model = model.valid();
        let encode = |images: TensorData| {
            let images = Tensor::from_data(images, &device);
            model.encode(images).into_data();
            0.0
        };
        return timed::<B>(arguments.steps, &mut batches, encode);
    }
    let mut optimizer = OptimizerAdaptor::from(FusedAdam::new(0.0));
    let (mut model, mut step) = (Some(model), 0);
    let train = |images: TensorData| {
        let images = Tensor::<B, 2>::from_data(images, &device);
        let before = model.take().expect("a model");
        let loss = before.loss(images, &StepContext::train(0, step, 1)).total;
        let gradients = GradientsParams::from_grads(loss.backward(), &before);
        model = Some(optimizer.step(LEARNING_RATE, before, gradients));
        step += 1;
        loss.into_data().iter::<f64>().next().expect("a loss")
    };
    timed::<B>(arguments.steps, &mut batches, train)
}

/// The median milliseconds of what is done for each batch, and its last value.
fn timed<B: AutodiffBackend>(
    steps: usize,
    batches: &mut impl Iterator<Item = TensorData>,
    mut work: impl FnMut(TensorData) -> f64 + Send,
) -> (f64, f64) {
    let mut times = Vec::new();
    let mut value = f64::NAN;
    for images in batches.take(steps + WARM_UP_STEPS) {
        let start = Instant::now();
        value = on_workers::<B, _>(|| work(images));
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.drain(..WARM_UP_STEPS);
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], value)
}
