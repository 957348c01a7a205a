//! Estimates of the log-likelihood, and what is said of the code, against closed forms in double precision. In a file of
//! its own, since a process has one default precision.

mod support;

use std::f64::consts::TAU;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use hourglass_data::Subset;
use hourglass_measure::measures::Estimate;
use hourglass_measure::{
    EstimateDirectory, FinishedEstimate, LogLikelihood, Subject, code_information, evaluate,
    evidence_lower_bound, log_likelihood,
};
use hourglass_models::{Model, ModelConfig, Shape};
use hourglass_store::{RunDirectory, SavedModel};
use support::{B, CODE, FEATURES, assert_close, dot, images, split};

const SIGMA: f64 = 0.4;

/// The columns of W in the decoder x = W z + b: orthogonal, so that the dimensions of the posterior are independent.
const COLUMNS: [[f64; FEATURES]; CODE] = [[0.9, -0.3, 0.5, 0.2], [0.2, 0.6, 0.2, -0.5]];
const BIAS: [f64; FEATURES] = [0.2, 0.4, 0.5, 0.1];

/// A variational model of linear layers.
fn model(
    objective: &str,
    encoder: [[f64; FEATURES]; 2 * CODE],
    encoder_bias: [f64; 2 * CODE],
    decoder: [[f64; CODE]; FEATURES],
    decoder_bias: [f64; FEATURES],
) -> Model<B> {
    support::model(
        "variational",
        "",
        objective,
        (encoder, encoder_bias),
        (decoder, decoder_bias),
    )
}

/// W, `[features, code]`
fn weight() -> [[f64; CODE]; FEATURES] {
    std::array::from_fn(|i| COLUMNS.map(|column| column[i]))
}

/// The linear Gaussian model, its encoder the exact posterior but for the means being off by `shift` and the
/// log-variances by `widening`.
fn linear_gaussian(shift: f64, widening: f64) -> Model<B> {
    assert!(dot(&COLUMNS[0], &COLUMNS[1]).abs() < 1e-12);
    let mut encoder = [[0.0; FEATURES]; 2 * CODE];
    let mut bias = [0.0; 2 * CODE];
    for (j, column) in COLUMNS.iter().enumerate() {
        // The variance 1 / (1 + |w|^2 / sigma^2), and the mean variance * w (x - b) / sigma^2.
        let variance = 1.0 / (1.0 + dot(column, column) / (SIGMA * SIGMA));
        encoder[j] = column.map(|w| variance * w / (SIGMA * SIGMA));
        bias[j] = shift - dot(&encoder[j], &BIAS);
        bias[CODE + j] = variance.ln() + widening;
    }
    let objective = format!(r#"{{"likelihood": {{"gaussian": {{"sigma": {SIGMA}}}}}}}"#);
    model(&objective, encoder, bias, weight(), BIAS)
}

/// log N(x; b, W W^T + sigma^2 I), by the matrix inversion and determinant lemmas with orthogonal columns.
fn exact_log_density(image: &[f64; FEATURES]) -> f64 {
    let variance = SIGMA * SIGMA;
    let residual: [f64; FEATURES] = std::array::from_fn(|i| image[i] - BIAS[i]);
    let mut squares = dot(&residual, &residual);
    let mut log_determinant = FEATURES as f64 * variance.ln();
    for column in &COLUMNS {
        let (norm, projection) = (dot(column, column), dot(column, &residual));
        squares -= projection * projection / (variance + norm);
        log_determinant += (1.0 + norm / variance).ln();
    }
    -0.5 * (FEATURES as f64 * TAU.ln() + log_determinant + squares / variance)
}

fn subject<'a>(model: &'a Model<B>, split: &'a Subset) -> Subject<'a, B> {
    Subject {
        model,
        classifier: None,
        split,
        training: Err("not asked for"),
        device: &burn::backend::ndarray::NdArrayDevice::Cpu,
    }
}

fn estimated(model: &Model<B>, split: &Subset, samples: usize) -> LogLikelihood {
    let samples = NonZeroUsize::new(samples).expect("samples");
    log_likelihood(subject(model, split), samples, None, &mut |_, _, _| {})
        .expect("a variational model")
}

/// Every weight is p(x) itself.
#[test]
fn the_exact_posterior_gives_the_exact_likelihood() {
    let split = split(3);
    let exact = images(&split).iter().map(exact_log_density).sum::<f64>() / 3.0;
    // The number of samples is no multiple of a chunk's.
    for samples in [1, 2, 4001] {
        let found = estimated(&linear_gaussian(0.0, 0.0), &split, samples);
        assert_close(found.importance_weighted_nats, -exact, 1e-9);
        assert_close(found.smallest_effective_samples, samples as f64, 1e-6);
        if samples == 1 {
            assert_eq!(found.monte_carlo_error_nats, None);
        } else {
            assert!(
                found
                    .monte_carlo_error_nats
                    .is_some_and(|error| error < 1e-6)
            );
        }
    }
}

#[test]
fn the_estimate_is_within_its_error_of_the_exact_likelihood() {
    // More than a batch.
    let (split, samples) = (split(700), 500);
    let exact: Vec<f64> = images(&split).iter().map(exact_log_density).collect();
    let mean = exact.iter().sum::<f64>() / exact.len() as f64;
    let variance = exact
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>();
    let standard_error = (variance / (exact.len() - 1) as f64 / exact.len() as f64).sqrt();

    let found = estimated(&linear_gaussian(0.15, 0.4), &split, samples);
    assert_eq!((found.images, found.samples), (700, samples));
    let error = found.monte_carlo_error_nats.expect("samples");
    assert!((1e-4..1e-2).contains(&error), "{found:?}");
    let expected = found.bias_nats.expect("samples") - mean;
    assert_close(found.importance_weighted_nats, expected, 4.0 * error);
    assert_close(
        found.standard_error_nats.expect("images"),
        standard_error,
        0.05 * standard_error,
    );
    assert!(found.effective_samples < 0.95 * samples as f64, "{found:?}");
    assert!(found.smallest_effective_samples > 1.0, "{found:?}");
}

#[test]
fn progress_ends_with_all_images() {
    let (split, mut last) = (split(3), 0);
    let samples = NonZeroUsize::new(4001).expect("samples");
    let model = linear_gaussian(0.0, 0.0);
    log_likelihood(
        subject(&model, &split),
        samples,
        None,
        &mut |_, done, total| {
            assert!(done >= last && total == 3);
            last = done;
        },
    );
    assert_eq!(last, 3);
}

#[test]
fn divergences_and_active_units_are_those_of_the_encoder() {
    let split = split(600);
    let images = images(&split);
    let mean = |value: &dyn Fn(&[f64; FEATURES]) -> f64| {
        images.iter().map(value).sum::<f64>() / images.len() as f64
    };
    let pixel_mean = mean(&|x| x[0]);
    let pixel_variance = mean(&|x| (x[0] - pixel_mean).powi(2));
    // The first unit's mean has a variance a little above the threshold, the second's a little below; means far from 0.
    let slopes = [0.010_1, 0.009_9].map(|variance: f64| (variance / pixel_variance).sqrt());
    let mut encoder = [[0.0; FEATURES]; 2 * CODE];
    encoder[0][0] = slopes[0];
    encoder[1][0] = -slopes[1];
    let bias = [3.0, 0.5, -1.0, 0.0];
    let model = model(
        r#"{"likelihood": "bernoulli"}"#,
        encoder,
        bias,
        weight(),
        BIAS,
    );
    let found =
        code_information(subject(&model, &split), &mut |_, _, _| {}).expect("a variational model");

    assert_close(found.mean_variance[0], 0.010_1, 1e-9);
    assert_close(found.mean_variance[1], 0.009_9, 1e-9);
    assert_eq!(found.active_units, 1);
    let squares = [
        mean(&|x| (3.0 + slopes[0] * x[0]).powi(2)),
        mean(&|x| (0.5 - slopes[1] * x[0]).powi(2)),
    ];
    let expected = 0.5 * (squares[0] + (-1.0_f64).exp() + 1.0 - 1.0);
    assert_close(found.kl_nats[0], expected, 1e-9);
    assert_close(found.kl_nats[1], 0.5 * squares[1], 1e-9);
}

/// With a code that says nothing the likelihood of binary images is that of their number of ones.
#[test]
fn binary_images_are_the_same_in_every_measure() {
    let split = split(600);
    let objective = r#"{"likelihood": "bernoulli", "binarize": true}"#;
    let (nothing, logit) = ([[0.0; FEATURES]; 2 * CODE], 0.7);
    let model = model(
        objective,
        nothing,
        [0.0; 2 * CODE],
        [[0.0; CODE]; FEATURES],
        [logit; FEATURES],
    );
    let found = estimated(&model, &split, 3);
    assert_close(found.effective_samples, 3.0, 1e-9);
    // -log p = pixels * log(1 + exp(l)) - ones * l
    let nats = found.importance_weighted_nats * 600.0;
    let ones = (2400.0 * logit.exp().ln_1p() - nats) / logit;
    assert_close(ones, ones.round(), 1e-6);
    let grey: f64 = images(&split).iter().flatten().sum();
    assert_close(ones, grey, 4.0 * 600_f64.sqrt());

    let evaluation = evaluate(subject(&model, &split), None, &mut |_, _, _| {}).expect("numbers");
    assert!(evaluation.binarized);
    let terms: Vec<_> = evaluation
        .terms
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let expected = ["loss", "reconstruction_nats", "kl_nats", "negative_elbo"];
    assert_eq!(terms, expected);
    let term = evaluation.terms[1].1;
    assert_close(term, found.importance_weighted_nats, 1e-9);
    // (1 - p)^2 for a one, p^2 for a zero.
    let p = 1.0 / (1.0 + (-logit).exp());
    let squares = ones * (1.0 - p).powi(2) + (2400.0 - ones) * p * p;
    assert_close(evaluation.squared_error, squares / 600.0, 1e-4);
}

#[test]
fn families_without_a_posterior_have_no_estimate() {
    let network = r#"{"kind": "mlp", "hidden": [], "code": 2}"#;
    let config = format!(r#"{{"family": "undercomplete", "network": {network}}}"#);
    let config: ModelConfig = serde_json::from_str(&config).expect("a config");
    let model = config.init::<B>(Shape::new(1, 2, 2), 0, &Default::default());
    let model = model.expect("a valid config");
    let split = split(3);
    let subject = subject(&model, &split);
    let progress = &mut |_: &str, _: usize, _: usize| {};
    assert!(log_likelihood(subject, NonZeroUsize::MIN, None, progress).is_none());
    assert!(code_information(subject, progress).is_none());
    assert!(evidence_lower_bound(subject, progress).is_none());
}

#[test]
fn the_bound_is_that_of_the_terms_with_the_error_of_its_images() {
    let split = split(700);
    let model = linear_gaussian(0.15, 0.4);
    let subject = subject(&model, &split);
    let found = evidence_lower_bound(subject, &mut |_, _, _| {}).expect("a variational model");
    let evaluation = evaluate(subject, None, &mut |_, _, _| {}).expect("numbers");
    for (name, found) in [
        ("negative_elbo", found.negative_elbo),
        ("reconstruction_nats", found.reconstruction_nats),
        ("kl_nats", found.kl_nats),
    ] {
        let term = evaluation.terms.iter().find(|(term, _)| term == name);
        assert_close(found.value, term.expect("a term").1, 1e-9);
        assert!(found.standard_error.is_some_and(|error| error > 0.0));
    }
    // The KL has no noise: only the means differ between images.
    let images = images(&split);
    let divergence = |image: &[f64; FEATURES]| {
        let of_dimension = |column: &[f64; FEATURES]| {
            let variance = 1.0 / (1.0 + dot(column, column) / (SIGMA * SIGMA));
            let residual: [f64; FEATURES] = std::array::from_fn(|i| image[i] - BIAS[i]);
            let mean = 0.15 + variance * dot(column, &residual) / (SIGMA * SIGMA);
            let log_variance = variance.ln() + 0.4;
            0.5 * (mean * mean + log_variance.exp() - log_variance - 1.0)
        };
        COLUMNS.iter().map(of_dimension).sum::<f64>()
    };
    let values: Vec<f64> = images.iter().map(divergence).collect();
    let expected = Estimate::mean(&values).expect("images");
    assert_close(found.kl_nats.value, expected.value, 1e-9);
    let error = expected.standard_error.expect("images");
    assert_close(found.kl_nats.standard_error.expect("images"), error, 1e-9);
}

/// More than a chunk of samples, and two batches of images and a part of one.
const RESUMED: (usize, usize) = (1100, 2100);

fn directory(path: &Path, model_sha256: &str) -> EstimateDirectory {
    EstimateDirectory {
        path: path.join("log-likelihood"),
        model_sha256: model_sha256.into(),
        backend: "ndarray".into(),
        data: "test".into(),
        split: "test".into(),
    }
}

/// The estimate that goes on in a directory, and how many images it has computed.
fn kept(model: &Model<B>, split: &Subset, directory: &EstimateDirectory) -> (LogLikelihood, usize) {
    let samples = NonZeroUsize::new(RESUMED.1).expect("samples");
    let mut first = None;
    let progress = &mut |_: &str, done: usize, _: usize| {
        first.get_or_insert(done);
    };
    let found = log_likelihood(subject(model, split), samples, Some(directory), progress);
    let done = first.map_or(0, |first| split.len() - first / 500 * 500);
    (found.expect("a variational model"), done)
}

fn only_file(directory: &EstimateDirectory) -> PathBuf {
    let mut files = std::fs::read_dir(&directory.path).expect("a directory");
    let file = files.next().expect("a file").expect("a file").path();
    assert!(files.next().is_none());
    file
}

#[test]
fn an_estimate_goes_on_where_it_was_killed() {
    let (split, model) = (split(RESUMED.0), linear_gaussian(0.15, 0.4));
    let expected = estimated(&model, &split, RESUMED.1);
    let place = tempfile::tempdir().expect("a directory");
    let directory = directory(place.path(), "a");
    assert_eq!(kept(&model, &split, &directory), (expected, 1100));
    let path = only_file(&directory);
    let whole = std::fs::read(&path).expect("a file");
    let ends: Vec<usize> = (0..whole.len()).filter(|&i| whole[i] == b'\n').collect();
    let [first, second, third, fourth] = ends[..] else {
        panic!("{} lines", ends.len());
    };
    assert_eq!(fourth + 1, whole.len());

    // The bytes that were written, and the images that are left to do.
    let killed = [
        (first / 2, 1100),
        (second, 1100),
        (second + 1, 600),
        ((second + third) / 2, 600),
        (third + 1, 100),
        (fourth, 100),
        (fourth + 1, 0),
    ];
    for (bytes, left) in killed {
        std::fs::write(&path, &whole[..bytes]).expect("written");
        assert_eq!(
            kept(&model, &split, &directory),
            (expected, left),
            "{bytes}"
        );
        assert_eq!(std::fs::read(&path).expect("a file"), whole, "{bytes}");
    }

    // A digit of an estimate of the second batch, a line that is there twice, one that is missing, zeros from a power cut.
    let digit = (second..third).rev().find(|&i| whole[i].is_ascii_digit());
    let mut changed = whole.clone();
    let digit = digit.expect("a digit");
    changed[digit] = if whole[digit] == b'1' { b'2' } else { b'1' };
    let mut zeros = whole.clone();
    zeros[second + 1..third].fill(0);
    let damaged = [
        (changed, 600),
        ([&whole[..=second], &whole[first + 1..]].concat(), 600),
        ([&whole[..=first], &whole[second + 1..]].concat(), 1100),
        ([&whole[..], &whole[third + 1..]].concat(), 0),
        (zeros, 600),
    ];
    for (place, (bytes, left)) in damaged.into_iter().enumerate() {
        std::fs::write(&path, bytes).expect("written");
        assert_eq!(
            kept(&model, &split, &directory),
            (expected, left),
            "{place}"
        );
        assert_eq!(std::fs::read(&path).expect("a file"), whole, "{place}");
    }
}

#[test]
fn another_model_starts_over() {
    let (split, place) = (split(RESUMED.0), tempfile::tempdir().expect("a directory"));
    let (own, other) = (linear_gaussian(0.15, 0.4), linear_gaussian(0.3, 0.4));
    let of_own = directory(place.path(), "a");
    let of_other = directory(place.path(), "b");
    kept(&own, &split, &of_own);
    let expected = estimated(&other, &split, RESUMED.1);
    assert_eq!(kept(&other, &split, &of_other), (expected, 1100));
    assert_eq!(kept(&other, &split, &of_other), (expected, 0));
    // So do other images, which have a file of their own.
    assert_eq!(
        kept(&other, &split.limit(600).expect("images"), &of_other).1,
        600
    );
    assert_eq!(kept(&other, &split, &of_other).1, 0);
}

#[test]
fn what_cant_be_written_is_measured_all_the_same() {
    let (split, model) = (split(3), linear_gaussian(0.15, 0.4));
    let place = tempfile::NamedTempFile::new().expect("a file");
    let below_a_file = directory(place.path(), "a");
    let expected = estimated(&model, &split, RESUMED.1);
    assert_eq!(kept(&model, &split, &below_a_file), (expected, 3));
    // With one sample the variance is no number, which a file has no form for.
    let place = tempfile::tempdir().expect("a directory");
    let directory = directory(place.path(), "a");
    for _ in 0..2 {
        let subject = subject(&model, &split);
        let progress = &mut |_: &str, _: usize, _: usize| {};
        let found = log_likelihood(subject, NonZeroUsize::MIN, Some(&directory), progress);
        assert_eq!(found.expect("an estimate").monte_carlo_error_nats, None);
    }
}

#[test]
fn finished_estimates_are_those_of_the_model_as_it_is() {
    let (split, model) = (split(600), linear_gaussian(0.15, 0.4));
    let place = tempfile::tempdir().expect("a directory");
    let run = RunDirectory::open(place.path());
    for file in ["model.safetensors", "config.json"] {
        std::fs::write(place.path().join(file), file).expect("written");
    }
    let hash = SavedModel::in_directory(run.path())
        .sha256()
        .expect("a model");
    let directory = directory(run.path(), &hash);
    let (expected, _) = kept(&model, &split, &directory);
    let [found] = &FinishedEstimate::all_of(&run)[..] else {
        panic!("expected an estimate");
    };
    let mean = found.mean().expect("images");
    assert_close(mean.value, expected.importance_weighted_nats, 1e-12);
    assert_eq!(
        (found.origin.images, found.origin.samples),
        (600, RESUMED.1)
    );

    let path = only_file(&directory);
    let whole = std::fs::read(&path).expect("a file");
    std::fs::write(&path, &whole[..whole.len() - 1]).expect("written");
    assert!(FinishedEstimate::all_of(&run).is_empty(), "unfinished");
    std::fs::write(&path, &whole).expect("written");
    std::fs::write(place.path().join("config.json"), "another").expect("written");
    assert!(FinishedEstimate::all_of(&run).is_empty(), "another model");
}
