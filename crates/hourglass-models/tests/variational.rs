//! What is special to the variational family, in double precision: its bounds, its importance weights, and binary images.

mod support;

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use burn::backend::NdArray;
use burn::tensor::{Tensor, TensorData};
use hourglass_models::{
    Autoencoder, Model, ModelConfig, Shape, StepContext, Stream, VariationalObjective,
    load_state_dict, state_dict,
};
use support::{Case, cases};

type B = NdArray<f64>;

fn values<const D: usize>(tensor: Tensor<B, D>) -> Vec<f64> {
    tensor.into_data().to_vec().expect("f64")
}

fn scalar(tensor: Tensor<B, 1>) -> f64 {
    tensor.into_scalar()
}

fn case(name: &str) -> Case {
    let mut cases = cases().into_iter();
    cases.find(|case| case.name == name).expect("the case")
}

/// The model of a case, its weights kept, with another objective.
fn with_objective(case: &Case, change: impl Fn(&mut VariationalObjective)) -> Model<B> {
    let ModelConfig::Variational(mut config) = case.description.config.clone() else {
        panic!("{} is not variational", case.name);
    };
    change(&mut config.objective);
    let model =
        ModelConfig::Variational(config).init(case.description.shape, 0, &Default::default());
    let weights = state_dict(&case.model::<B>()).expect("weights");
    load_state_dict(model.expect("a valid config"), weights).expect("the same network")
}

/// Row b * samples + i is sample i of image b, and a weight is p(x|z) p(z) / q(z|x), from the densities written out.
#[test]
fn importance_weights_are_ratios_of_densities() {
    let log_normal = |x: f64, mean: f64, variance: f64| {
        -0.5 * ((TAU * variance).ln() + (x - mean).powi(2) / variance)
    };
    let case = case("variational-importance-gaussian");
    let (model, images) = (case.model::<B>(), case.images::<B>());
    let sigma: f64 = 0.3;
    let weights = model.log_importance_weights(images.clone(), &case.step(), 3);
    let weights = values(weights.expect("weights"));
    let posterior = model.posterior(images.clone()).expect("a posterior");
    let (means, log_variances) = (values(posterior.mean), values(posterior.log_variance));
    let [batch, features] = images.dims();
    let images = values(images);
    let code = means.len() / batch;
    let epsilon: Vec<f64> = case.tensors["noise.epsilon"].to_vec().expect("f64");
    assert_eq!(weights.len(), batch * 3);
    for (row, weight) in weights.iter().enumerate() {
        let image = row / 3;
        let (mut latents, mut expected) = (vec![0.0; code], 0.0);
        for j in 0..code {
            let (mean, variance) = (
                means[image * code + j],
                log_variances[image * code + j].exp(),
            );
            latents[j] = mean + variance.sqrt() * epsilon[row * code + j];
            expected += log_normal(latents[j], 0.0, 1.0) - log_normal(latents[j], mean, variance);
        }
        let latents = TensorData::new(latents, [1, code]);
        let decoded = model.decode(Tensor::from_data(latents, &Default::default()));
        for (i, mean) in values(decoded).into_iter().enumerate() {
            expected += log_normal(images[image * features + i], mean, sigma * sigma);
        }
        assert!(
            (weight - expected).abs() < 1e-9,
            "{weight} instead of {expected}"
        );
    }
}

/// With one sample the bound is the evidence lower bound, whose KL term has a closed form.
#[test]
fn one_importance_sample_gives_the_evidence_lower_bound() {
    const SAMPLES: usize = 20_000;
    let case = case("variational-bernoulli");
    let (model, images) = (case.model::<B>(), case.images::<B>());
    let repeated = images.clone().unsqueeze_dim::<3>(1).repeat_dim(1, 1000);
    let repeated = repeated.reshape([5 * 1000, 12]); // [batch * 1000, features]
    let (mut of_weights, mut of_bound) = (0.0, 0.0);
    for batch in 0..SAMPLES as u64 / 1000 {
        let step = StepContext::evaluate(0, batch);
        let weights = model.log_importance_weights(images.clone(), &step, 1000);
        of_weights -= scalar(weights.expect("weights").mean()) * 1000.0 / SAMPLES as f64;
        let loss = model.loss(repeated.clone(), &step);
        let (_, bound) = loss
            .terms
            .into_iter()
            .find(|(name, _)| *name == "negative_elbo")
            .expect("the bound");
        of_bound += scalar(bound) * 1000.0 / SAMPLES as f64;
    }
    let difference = of_weights - of_bound;
    // The reconstruction terms are of the same samples, so what is left is the closed form of the KL against its samples.
    assert!(difference.abs() < 0.02, "{of_weights} {of_bound}");
}

#[test]
fn the_bound_falls_with_the_number_of_samples() {
    let case = case("variational-importance-gaussian");
    let bound = |samples: usize| {
        let model = with_objective(&case, |objective| objective.samples = samples);
        let losses = (0..200).map(|batch| {
            let loss = model.loss(case.images(), &StepContext::evaluate(0, batch));
            scalar(loss.total)
        });
        losses.sum::<f64>() / 200.0
    };
    let bounds = [1, 5, 50, 500].map(bound);
    let falls = bounds.windows(2).all(|pair| pair[1] < pair[0] - 0.5);
    assert!(falls, "{bounds:?}");
}

#[test]
fn samples_can_come_in_chunks() {
    let case = case("variational-importance-bernoulli");
    let (model, images) = (case.model::<B>(), case.images::<B>());
    let [batch, _] = images.dims();
    let weights = |step: &StepContext, samples| {
        let weights = model.log_importance_weights(images.clone(), step, samples);
        weights.expect("weights")
    };
    let epsilon = case.tensors["noise.epsilon"].clone();
    let epsilon = Tensor::<B, 2>::from_data(epsilon, &Default::default());
    let [rows, code] = epsilon.dims();
    let of_images = epsilon.reshape([batch, rows / batch, code]);
    let parts = [(0, 1), (1, 2)].map(|(first, count)| {
        let part = of_images
            .clone()
            .narrow(1, first, count)
            .reshape([batch * count, code]);
        let noise = BTreeMap::from([(Stream::Epsilon, part.into_data())]);
        weights(&StepContext::evaluate(0, 0).with_noise(noise), count)
    });
    let difference = Tensor::cat(parts.into(), 1) - weights(&case.step(), 3);
    assert!(difference.abs().max().into_scalar() < 1e-12);
}

#[test]
fn binary_images_are_drawn_anew_at_every_step_and_once_for_an_evaluation() {
    let case = case("variational-binary");
    let model = case.model::<B>();
    let images = case.images::<B>().repeat_dim(0, 400);
    let binary = |step: StepContext| {
        model
            .binarize(images.clone(), &step)
            .expect("binary images")
    };
    let first = binary(StepContext::train(0, 0, 10));
    let levels = values(first.clone());
    assert!(levels.iter().all(|&pixel| pixel == 0.0 || pixel == 1.0));
    assert_ne!(levels, values(binary(StepContext::train(0, 1, 10))));
    let evaluated = || values(binary(StepContext::evaluate(0, 0)));
    assert_eq!(evaluated(), evaluated());

    // Of each pixel the share of ones is its value; exactly so for black and white.
    let share = first.reshape([400, 5 * 12]).mean_dim(0);
    for (share, pixel) in values(share).into_iter().zip(values(case.images::<B>())) {
        let tolerance = 4.0 * (pixel * (1.0 - pixel) / 400.0).sqrt();
        assert!((share - pixel).abs() <= tolerance, "{share} {pixel}");
    }
}

/// The loss draws them itself, and takes images that are binary already as they are.
#[test]
fn the_loss_is_of_the_binary_images() {
    let case = case("variational-binary");
    let (model, step) = (case.model::<B>(), case.step());
    let binary = model.binarize(case.images(), &step).expect("binary images");
    let grey = with_objective(&case, |objective| objective.binarize = false);
    let expected = scalar(grey.loss(binary.clone(), &step).total);
    assert_eq!(scalar(model.loss(case.images(), &step).total), expected);
    assert_eq!(scalar(model.loss(binary, &step).total), expected);
    assert!(grey.binarize(case.images(), &step).is_none());
}

#[test]
fn settings_that_would_not_be_used_are_errors() {
    for (objective, key) in [
        (r#"{"samples": 0}"#, "objective.samples"),
        (r#"{"samples": 2, "beta": 0.5}"#, "objective.beta"),
        (r#"{"samples": 2, "warmup": 0.1}"#, "objective.warmup"),
        (
            r#"{"binarize": true, "likelihood": {"gaussian": {"sigma": 0.1}}}"#,
            "objective.binarize",
        ),
    ] {
        let network = r#"{"kind": "mlp", "code": 3}"#;
        let config = format!(
            r#"{{"family": "variational", "network": {network}, "objective": {objective}}}"#
        );
        let config: ModelConfig = serde_json::from_str(&config).expect("a config");
        let error = config.validate(Shape::new(1, 4, 4)).expect_err(objective);
        assert_eq!(error.key, key, "{error}");
    }
}
