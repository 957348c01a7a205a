//! How fast a backend trains a model and encodes images with it, in images per second.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use burn::module::AutodiffModule;
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use hourglass_data::{Batches, Subset};
use hourglass_models::{Autoencoder, Model, StepContext};
use serde::Serialize;

use crate::optimizer::AnyOptimizer;
use crate::recipe::TrainingConfig;

/// Steps that are not timed: the first ones compile, allocate and fill caches.
const WARM_UP_STEPS: usize = 5;
/// Steps are timed in groups that take at least this long, so that devices with a queue need not wait for every step.
const GROUP: Duration = Duration::from_millis(20);
/// The most bytes of images that are kept ready, as single-precision numbers.
const MOST_BYTES: usize = 64 << 20;

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub enum Budget {
    /// For so many steps.
    Steps(NonZeroUsize),
    /// For groups of steps until so much time has passed.
    Time(Duration),
}

/// The time of a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Throughput {
    /// The median over groups of steps.
    pub step_ms: f64,
    /// The fastest group's mean.
    pub fastest_ms: f64,
    /// The slowest group's mean.
    pub slowest_ms: f64,
    /// Images per second, by the median.
    pub images_per_second: f64,
    /// Steps that were timed.
    pub steps: usize,
    /// The loss of the last step, if the model was trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
}

/// Images in memory, batch after batch.
pub struct Load {
    batches: Vec<TensorData>,
    size: usize,
}

impl Load {
    /// The first whole batches of a set, as many as fit into 64 MiB; all of the set if it is smaller than a batch.
    pub fn new(images: &Subset, batch: NonZeroUsize) -> Self {
        let size = batch.get().min(images.len());
        let features = images.dataset().features();
        let count = MOST_BYTES / (size * features * size_of::<f32>()).max(1);
        let batches = Batches::sequential(images, batch).take_while(|batch| batch.len() == size);
        let data = |batch: hourglass_data::Batch| TensorData::new(batch.images, [size, features]);
        let batches = batches.take(count.max(1)).map(data).collect();
        Self { batches, size }
    }

    /// Images per step.
    pub fn batch_size(&self) -> usize {
        self.size
    }

    /// The batch of a step, `[batch, features]`; after the last one the first comes again.
    pub fn batch<B: Backend>(&self, step: usize, device: &B::Device) -> Tensor<B, 2> {
        let data = self.batches[step % self.batches.len()].clone();
        Tensor::from_data(data, device)
    }
}

/// Times training steps: loss, gradients and optimiser.
pub fn time_training<B: AutodiffBackend>(
    model: Model<B>,
    config: &TrainingConfig,
    load: &Load,
    budget: Budget,
    device: &B::Device,
) -> Throughput {
    let mut optimizer = AnyOptimizer::new(config);
    let (mut model, mut last) = (Some(model), None);
    let step = |step: usize| {
        let before = model.take().expect("put back after every step");
        let images = load.batch::<B>(step, device);
        // As at the beginning of training, where schedules have not advanced yet.
        let context = StepContext::train(0, step as u64, u64::MAX);
        let loss = before.loss(images, &context).total;
        let gradients = GradientsParams::from_grads(loss.backward(), &before);
        model = Some(optimizer.step(config, config.learning_rate, before, gradients));
        last = Some(loss.inner());
    };
    let (times, steps) = timed::<B>(step, budget, device);
    let loss = last.and_then(|loss| loss.into_data().iter::<f64>().next());
    summarise(times, steps, load, loss)
}

/// Times the encoding of batches that come from the computer's memory.
pub fn time_encoding<B: AutodiffBackend>(
    model: &Model<B>,
    load: &Load,
    budget: Budget,
    device: &B::Device,
) -> Throughput {
    let model = model.valid();
    let step = |step: usize| {
        model.encode(load.batch(step, device)).into_data();
    };
    let (times, steps) = timed::<B>(step, budget, device);
    summarise(times, steps, load, None)
}

/// The mean milliseconds of a step in each group, and the number of steps.
fn timed<B: AutodiffBackend>(
    mut step: impl FnMut(usize),
    budget: Budget,
    device: &B::Device,
) -> (Vec<f64>, usize) {
    let mut next = 0;
    let mut group = |steps: usize| {
        let start = Instant::now();
        for _ in 0..steps {
            step(next);
            next += 1;
        }
        // An error of the device shows in the values that are read.
        let _ = B::sync(device);
        start.elapsed()
    };
    group(WARM_UP_STEPS - 1);
    let one = group(1);
    let size = (GROUP.as_secs_f64() / one.as_secs_f64().max(1e-9)).ceil() as usize;
    let start = Instant::now();
    let (mut times, mut done) = (Vec::new(), 0);
    loop {
        let size = match budget {
            Budget::Steps(steps) => size.min(steps.get() - done),
            Budget::Time(time) if times.is_empty() || start.elapsed() < time => size,
            Budget::Time(_) => 0,
        };
        if size == 0 {
            return (times, done);
        }
        times.push(group(size).as_secs_f64() * 1e3 / size as f64);
        done += size;
    }
}

fn summarise(mut times: Vec<f64>, steps: usize, load: &Load, loss: Option<f64>) -> Throughput {
    times.sort_by(f64::total_cmp);
    let step_ms = times[times.len() / 2];
    Throughput {
        step_ms,
        fastest_ms: times[0],
        slowest_ms: times[times.len() - 1],
        images_per_second: 1e3 * load.size as f64 / step_ms,
        steps,
        loss,
    }
}
