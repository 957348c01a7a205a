//! The pieces of a training step apart, on the CPU: data, losses, optimiser, and one step of each family.
//!
//! `cargo bench --workspace --bench pieces`

use std::num::NonZeroUsize;
use std::path::Path;

use burn::backend::Autodiff;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{GradientsParams, Optimizer, SimpleOptimizer};
use burn::tensor::{Distribution, Tensor};
use burn_flex::Flex;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hourglass_data::{Batches, Cursor, Locations, Subset};
use hourglass_kernels::{FusedAdam, cross_entropy};
use hourglass_models::{Autoencoder, StepContext};
use hourglass_train::Recipe;
use hourglass_train::throughput::Load;

type B = Autodiff<Flex>;

const BATCH: NonZeroUsize = NonZeroUsize::new(128).unwrap();
const FEATURES: usize = 784;
/// A recipe of every family.
const RECIPES: [(&str, &str); 6] = [
    (
        "undercomplete",
        include_str!("../../../models/undercomplete/recipe.toml"),
    ),
    ("sparse", include_str!("../../../models/sparse/recipe.toml")),
    (
        "denoising",
        include_str!("../../../models/denoising/recipe.toml"),
    ),
    (
        "contractive",
        include_str!("../../../models/contractive/recipe.toml"),
    ),
    (
        "variational",
        include_str!("../../../models/variational/recipe.toml"),
    ),
    ("conv", include_str!("../../../models/conv/recipe.toml")),
];

fn images() -> Subset {
    let splits = hourglass_data::open("mnist-mini", &Locations::from_env(None));
    Subset::all(splits.expect("the embedded images").train())
}

fn data(criterion: &mut Criterion) {
    let images = images();
    let mut group = criterion.benchmark_group("data");
    group.throughput(Throughput::Elements(BATCH.get() as u64));
    let mut batches = Batches::training(&images, BATCH, 0, Cursor::default());
    group.bench_function("batch", |bencher| bencher.iter(|| batches.next()));
    group.finish();
}

fn losses(criterion: &mut Criterion) {
    let device = Default::default();
    let random = || {
        let shape = [BATCH.get(), FEATURES];
        Tensor::<B, 2>::random(shape, Distribution::Uniform(0.0, 1.0), &device)
    };
    let (outputs, images) = (random(), random());
    let mut group = criterion.benchmark_group("loss and gradient");
    group.throughput(Throughput::Elements((BATCH.get() * FEATURES) as u64));
    group.bench_function("cross-entropy", |bencher| {
        bencher.iter(|| {
            let logits = outputs.clone().detach().require_grad();
            cross_entropy(logits, images.clone()).mean().backward()
        });
    });
    group.bench_function("squared error", |bencher| {
        bencher.iter(|| {
            let difference = outputs.clone().detach().require_grad() - images.clone();
            difference.powi_scalar(2).sum_dim(1).mean().backward()
        });
    });
    group.finish();
}

fn optimiser(criterion: &mut Criterion) {
    let device = Default::default();
    let mut group = criterion.benchmark_group("Adam");
    for width in [64, 512, 4096] {
        let weights = Tensor::<Flex, 2>::zeros([FEATURES, width], &device);
        let gradient = weights.random_like(Distribution::Normal(0.0, 1.0));
        let adam = FusedAdam::new(0.0);
        let mut now = Some(adam.step(1e-3, weights, gradient.clone(), None));
        group.throughput(Throughput::Elements((FEATURES * width) as u64));
        group.bench_function(format!("{FEATURES} x {width}"), |bencher| {
            bencher.iter(|| {
                let (weights, state) = now.take().expect("put back");
                let gradient = gradient.clone();
                now = Some(adam.step(1e-3, weights, gradient, state));
            });
        });
    }
    group.finish();
}

fn steps(criterion: &mut Criterion) {
    let device = Default::default();
    let load = Load::new(&images(), BATCH);
    let mut group = criterion.benchmark_group("step");
    group.throughput(Throughput::Elements(BATCH.get() as u64));
    for (name, text) in RECIPES {
        let recipe = Recipe::parse(text, Path::new(name), &[]).expect("a recipe");
        let model = recipe.model.init::<B>([1, 28, 28], 0, &device);
        let (mut model, mut step) = (Some(model.expect("a model")), 0);
        let mut optimizer = OptimizerAdaptor::from(FusedAdam::new(0.0));
        let mut train = |images: Tensor<B, 2>| {
            let before = model.take().expect("put back");
            let loss = before.loss(images, &StepContext::train(0, step, 1)).total;
            let gradients = GradientsParams::from_grads(loss.backward(), &before);
            model = Some(optimizer.step(1e-3, before, gradients));
            step += 1;
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || load.batch::<B>(0, &device),
                &mut train,
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(pieces, data, losses, optimiser, steps);
criterion_main!(pieces);
