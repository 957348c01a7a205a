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
use divan::Bencher;
use divan::counter::ItemsCount;
use hourglass_data::{Batches, Cursor, Locations, Subset};
use hourglass_kernels::{FusedAdam, cross_entropy};
use hourglass_models::{Autoencoder, Shape, StepContext};
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

fn main() {
    divan::main();
}

#[divan::bench]
fn batch(bencher: Bencher) {
    let images = images();
    let mut batches = Batches::training(&images, BATCH, 0, Cursor::default());
    bencher
        .counter(ItemsCount::new(BATCH.get()))
        .bench_local(|| batches.next());
}

fn outputs_and_images() -> [Tensor<B, 2>; 2] {
    [(); 2].map(|()| {
        let shape = [BATCH.get(), FEATURES];
        Tensor::random(shape, Distribution::Uniform(0.0, 1.0), &Default::default())
    })
}

#[divan::bench]
fn cross_entropy_and_gradient(bencher: Bencher) {
    let [outputs, images] = outputs_and_images();
    bencher
        .counter(ItemsCount::new(BATCH.get() * FEATURES))
        .bench_local(|| {
            let logits = outputs.clone().detach().require_grad();
            cross_entropy(logits, images.clone()).mean().backward()
        });
}

#[divan::bench]
fn squared_error_and_gradient(bencher: Bencher) {
    let [outputs, images] = outputs_and_images();
    bencher
        .counter(ItemsCount::new(BATCH.get() * FEATURES))
        .bench_local(|| {
            let difference = outputs.clone().detach().require_grad() - images.clone();
            difference.powi_scalar(2).sum_dim(1).mean().backward()
        });
}

/// Adam's step of a layer of this width.
#[divan::bench(args = [64, 512, 4096])]
fn adam(bencher: Bencher, width: usize) {
    let weights = Tensor::<Flex, 2>::zeros([FEATURES, width], &Default::default());
    let gradient = weights.random_like(Distribution::Normal(0.0, 1.0));
    let adam = FusedAdam::new(0.0);
    let mut now = Some(adam.step(1e-3, weights, gradient.clone(), None));
    bencher
        .counter(ItemsCount::new(FEATURES * width))
        .bench_local(|| {
            let (weights, state) = now.take().expect("put back");
            let gradient = gradient.clone();
            now = Some(adam.step(1e-3, weights, gradient, state));
        });
}

/// A training step of a recipe.
#[divan::bench(args = RECIPES.map(|(name, _)| name))]
fn step(bencher: Bencher, name: &str) {
    let device = Default::default();
    let load = Load::new(&images(), BATCH);
    let found = RECIPES.iter().find(|(of, _)| *of == name);
    let (_, text) = found.expect("one of the recipes");
    let recipe = Recipe::parse(text, Path::new(name), &[]).expect("a recipe");
    let model = recipe.model.init::<B>(Shape::new(1, 28, 28), 0, &device);
    let (mut model, mut step) = (Some(model.expect("a model")), 0);
    let mut optimizer = OptimizerAdaptor::from(FusedAdam::new(0.0));
    bencher
        .counter(ItemsCount::new(BATCH.get()))
        .with_inputs(|| load.batch::<B>(0, &device))
        .bench_local_values(|images| {
            let before = model.take().expect("put back");
            let loss = before.loss(images, &StepContext::train(0, step, 1)).total;
            let gradients = GradientsParams::from_grads(loss.backward(), &before);
            model = Some(optimizer.step(1e-3, before, gradients));
            step += 1;
        });
}
