//! The parts of a report against numbers worked out by hand, in double precision, for models small enough.

mod support;

use std::f64::consts::TAU;
use std::num::NonZeroUsize;

use hourglass_data::Subset;
use hourglass_measure::measures::Estimate;
use hourglass_measure::{
    Contraction, Measure, Measured, Outliers, PcaComparison, Report, Request, Robustness, Subject,
    examine, fit_pca,
};
use hourglass_models::{Corruption, Model};
use support::{B, CODE, FEATURES, assert_close, dot, images, model, split, subset};

type Image = [f64; FEATURES];

/// The rows of the encoder: at right angles.
const ROWS: [Image; CODE] = [[0.9, -0.3, 0.5, 0.2], [0.2, 0.6, 0.2, -0.5]];
const ENCODER_BIAS: [f64; CODE] = [-0.3, 0.1];
const DECODER: [[f64; CODE]; FEATURES] = [[0.5, -0.2], [0.1, 0.7], [-0.4, 0.3], [0.6, 0.2]];
const DECODER_BIAS: Image = [0.2, 0.1, 0.5, -0.1];

/// Squared errors, linear layers, and the code's activation times `gain` before it.
fn with_activation(family: &str, activation: &str, objective: &str, gain: f64) -> Model<B> {
    model(
        family,
        &format!(r#", "code_activation": "{activation}""#),
        objective,
        (ROWS.map(|row| row.map(|w| gain * w)), ENCODER_BIAS),
        (DECODER, DECODER_BIAS),
    )
}

/// x -> A x + c, every unit of the code linear.
fn linear() -> Model<B> {
    with_activation("undercomplete", "linear", "{}", 1.0)
}

/// A and c of the linear model, `[outputs, inputs]`.
fn linear_map() -> ([Image; FEATURES], Image) {
    let matrix = DECODER.map(|row| {
        std::array::from_fn(|input| dot(&row, &std::array::from_fn(|j| ROWS[j][input])))
    });
    let offset = std::array::from_fn(|i| DECODER_BIAS[i] + dot(&DECODER[i], &ENCODER_BIAS));
    (matrix, offset)
}

/// The same of PCA with two components: V V^T and m - V V^T m.
fn pca_map(training: &Subset) -> ([Image; FEATURES], Image) {
    let pca = fit_pca(training, CODE, None, &mut |_, _, _| {}).expect("images");
    let components = pca.components(CODE);
    let row = |i: usize| -> [f64; CODE] { std::array::from_fn(|j| components[(i, j)]) };
    let matrix: [Image; FEATURES] =
        std::array::from_fn(|i| std::array::from_fn(|j| dot(&row(i), &row(j))));
    let mean: Image = std::array::from_fn(|i| pca.mean()[i]);
    (
        matrix,
        std::array::from_fn(|i| mean[i] - dot(&matrix[i], &mean)),
    )
}

/// ||A x + c - target||^2
fn squared_error((matrix, offset): &([Image; FEATURES], Image), x: &Image, target: &Image) -> f64 {
    let outputs = (0..FEATURES).map(|i| dot(&matrix[i], x) + offset[i] - target[i]);
    outputs.map(|difference| difference * difference).sum()
}

struct Inputs<'a> {
    split: &'a Subset,
    training: &'a Subset,
    others: &'a Subset,
    jacobian_images: usize,
}

fn report(model: &Model<B>, measure: Measure, inputs: &Inputs<'_>) -> Report {
    let subject = Subject {
        model,
        classifier: None,
        split: inputs.split,
        training: Ok(inputs.training),
        device: &burn::backend::ndarray::NdArrayDevice::Cpu,
    };
    let request = Request {
        samples: NonZeroUsize::MIN,
        estimates: None,
        labelled: inputs.training,
        jacobian_images: inputs.jacobian_images,
        outliers: Ok(inputs.others),
        cache: None,
    };
    examine(subject, &[measure], &request, &mut |_, _, _| {}).expect("numbers")
}

fn inputs(split: &Subset) -> Inputs<'_> {
    Inputs {
        split,
        training: split,
        others: split,
        jacobian_images: 200,
    }
}

#[track_caller]
fn value<T>(measured: Measured<T>) -> T {
    match measured {
        Measured::Value(value) => value,
        Measured::LeftOut { left_out } => panic!("left out: {left_out}"),
    }
}

#[track_caller]
fn assert_estimate(found: Estimate, values: &[f64], tolerance: f64) {
    let expected = Estimate::mean(values).expect("values");
    assert_close(found.value, expected.value, tolerance);
    let errors = found.standard_error.zip(expected.standard_error);
    let (found, expected) = errors.expect("standard errors");
    assert_close(found, expected, tolerance);
}

fn contraction(model: &Model<B>, split: &Subset, images: usize) -> Contraction {
    let inputs = Inputs {
        jacobian_images: images,
        ..inputs(split)
    };
    value(
        report(model, Measure::Contraction, &inputs)
            .contraction
            .expect("asked for"),
    )
}

/// Rows at right angles: the singular values are their lengths times the slopes of the units.
#[test]
fn contraction_is_that_of_units_at_right_angles() {
    assert_close(dot(&ROWS[0], &ROWS[1]), 0.0, 1e-12);
    let gain = 6.0;
    let (split, sample) = (split(700), 37);
    let sigmoid: fn(f64) -> (f64, f64) = |a| {
        let h = 1.0 / (1.0 + (-a).exp());
        (h, h * (1.0 - h))
    };
    let tanh: fn(f64) -> (f64, f64) = |a| (a.tanh(), 1.0 - a.tanh() * a.tanh());
    // The unsaturated range: the outer twentieths of the whole are cut off.
    for (name, unit, range) in [
        ("sigmoid", sigmoid, 0.05..=0.95),
        ("tanh", tanh, -0.9..=0.9),
    ] {
        let model = with_activation("undercomplete", name, "{}", gain);
        let found = contraction(&model, &split, sample);
        let (mut norms, mut largest, mut smallest, mut saturated) = (vec![], vec![], vec![], 0);
        for (index, image) in images(&split).iter().enumerate() {
            let of_unit = |j: usize| {
                let (value, slope) = unit(gain * dot(&ROWS[j], image) + ENCODER_BIAS[j]);
                (value, slope * gain * dot(&ROWS[j], &ROWS[j]).sqrt())
            };
            let ((first, a), (second, b)) = (of_unit(0), of_unit(1));
            saturated += [first, second]
                .iter()
                .filter(|h| !range.contains(*h))
                .count();
            if index < sample {
                norms.push(a.hypot(b));
                largest.push(a.max(b));
                smallest.push(a.min(b));
            }
        }
        assert_eq!(found.images, sample);
        assert_estimate(found.jacobian_norm, &norms, 1e-6);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert_close(found.singular_values[0], mean(&largest), 1e-6);
        assert_close(found.singular_values[1], mean(&smallest), 1e-6);
        assert!((200..1200).contains(&saturated), "{name}: {saturated}");
        assert_eq!(value(found.saturated_units), saturated as f64 / 1400.0);
    }
}

/// The mean and the variance of a corrupted pixel.
fn moments(corruption: Corruption, level: f64, x: f64) -> (f64, f64) {
    let (mean, square) = match corruption {
        Corruption::Gaussian => return (x, level * level),
        Corruption::Masking => ((1.0 - level) * x, (1.0 - level) * x * x),
        Corruption::SaltAndPepper => (
            (1.0 - level) * x + level / 2.0,
            (1.0 - level) * x * x + level / 2.0,
        ),
    };
    (mean, square - mean * mean)
}

/// Of a linear map the expected error follows from the mean and the variance of the noise.
#[test]
fn robustness_is_the_expected_error_of_linear_maps() {
    let split = split(4000);
    let found = report(&linear(), Measure::Robustness, &inputs(&split));
    let found = value(found.robustness.expect("asked for"));
    let levels: Vec<f64> = found.iter().map(|row| row.level).collect();
    assert_eq!(levels, [0.1, 0.2, 0.3, 0.5].repeat(3));
    let identity = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    for row in found {
        let Robustness {
            corruption,
            level,
            images: measured,
            corrupted_squared_error,
            squared_error: found,
            pca_squared_error,
        } = row;
        assert_eq!(measured, 4000);
        let expected = |map: &([Image; FEATURES], Image)| {
            let of_image = |image: &Image| {
                let moments = image.map(|x| moments(corruption, level, x));
                let spread = (0..FEATURES).flat_map(|i| (0..FEATURES).map(move |j| (i, j)));
                let variance: f64 = spread
                    .map(|(i, j)| map.0[i][j] * map.0[i][j] * moments[j].1)
                    .sum();
                squared_error(map, &moments.map(|(mean, _)| mean), image) + variance
            };
            images(&split).iter().map(of_image).sum::<f64>() / 4000.0
        };
        // Five standard errors, of which the noise is a part.
        let near = |found: Estimate, expected: f64| {
            let tolerance = 5.0 * found.standard_error.expect("an error");
            assert!(tolerance < 0.1 * expected);
            assert_close(found.value, expected, tolerance);
        };
        near(found, expected(&linear_map()));
        near(pca_squared_error.expect("PCA"), expected(&pca_map(&split)));
        let own = expected(&(identity, [0.0; FEATURES]));
        assert_close(corrupted_squared_error, own, 0.05 * own);
    }
}

/// The share of pairs in which the outlier has the larger error.
fn share_of_pairs(inliers: &[f64], outliers: &[f64]) -> f64 {
    let wins = outliers
        .iter()
        .map(|outlier| inliers.iter().filter(|inlier| outlier > inlier).count());
    wins.sum::<usize>() as f64 / (inliers.len() * outliers.len()) as f64
}

fn outliers(model: &Model<B>, split: &Subset, others: &Subset) -> Outliers {
    let inputs = Inputs {
        others,
        ..inputs(split)
    };
    value(
        report(model, Measure::Outliers, &inputs)
            .outliers
            .expect("asked for"),
    )
}

/// Brighter than the split.
fn bright(images: usize) -> Subset {
    subset(images, |i| 255 - ((i * i * 53 + i * 29) % 120) as u8, None)
}

#[test]
fn outliers_are_told_by_the_errors_of_the_model_and_of_pca() {
    let (split, others) = (split(600), bright(300));
    let found = outliers(&linear(), &split, &others);
    assert_eq!(found.images, 300);
    assert_eq!((found.auroc_bound, found.bound), (None, None));
    for (map, found) in [
        (linear_map(), found.auroc_squared_error),
        (pca_map(&split), found.auroc_pca_squared_error),
    ] {
        let errors = |split: &Subset| -> Vec<f64> {
            let images = images(split);
            images
                .iter()
                .map(|image| squared_error(&map, image, image))
                .collect()
        };
        let expected = share_of_pairs(&errors(&split), &errors(&others));
        assert!(
            (0.6..0.95).contains(&expected) || (0.05..0.4).contains(&expected),
            "{expected} says little"
        );
        // A few pairs have errors that single precision makes equal.
        assert_close(value(found).value, expected, 1e-4);
    }
}

/// A decoder that ignores the code: the bound needs no sample.
#[test]
fn outliers_are_told_by_the_bound() {
    let (sigma, log_variances) = (0.7, [-0.5, 0.3]);
    let encoder = [ROWS[0], ROWS[1], [0.0; FEATURES], [0.0; FEATURES]];
    let biases = [
        ENCODER_BIAS[0],
        ENCODER_BIAS[1],
        log_variances[0],
        log_variances[1],
    ];
    let model = model(
        "variational",
        "",
        &format!(r#"{{"likelihood": {{"gaussian": {{"sigma": {sigma}}}}}}}"#),
        (encoder, biases),
        ([[0.0; CODE]; FEATURES], DECODER_BIAS),
    );
    let bound = |image: &Image| {
        let squares = (0..FEATURES)
            .map(|i| (image[i] - DECODER_BIAS[i]).powi(2))
            .sum::<f64>();
        let variance = sigma * sigma;
        let error = 0.5 * (squares / variance + FEATURES as f64 * (TAU * variance).ln());
        let divergence = (0..CODE).map(|j| {
            let mean = dot(&ROWS[j], image) + ENCODER_BIAS[j];
            0.5 * (mean * mean + log_variances[j].exp() - log_variances[j] - 1.0)
        });
        error + divergence.sum::<f64>()
    };
    let (split, others) = (split(600), bright(300));
    let found = outliers(&model, &split, &others);
    assert_eq!(found.bound, Some("negative_elbo"));
    let found = found.auroc_bound;
    let bounds = |split: &Subset| images(split).iter().map(bound).collect::<Vec<_>>();
    let expected = share_of_pairs(&bounds(&split), &bounds(&others));
    assert!(
        (0.6..0.95).contains(&expected) || (0.05..0.4).contains(&expected),
        "{expected} says little"
    );
    assert_close(value(found.expect("a bound")).value, expected, 1e-4);
}

/// Of grey pixels it is the divergence from the image and not the cross-entropy that tells: greyness is no sign.
#[test]
fn outliers_are_told_by_the_bound_without_their_own_entropy() {
    let zeros = ([[0.0; FEATURES]; 2 * CODE], [0.0; 2 * CODE]);
    let logits = [0.2, -0.7, 1.1, 0.4];
    let decoder = ([[0.0; CODE]; FEATURES], logits);
    let bernoulli = r#"{"likelihood": "bernoulli"}"#;
    let model = model("variational", "", bernoulli, zeros, decoder);
    let divergence = |image: &Image| {
        let part = |x: f64, p: f64| if x > 0.0 { x * (x / p).ln() } else { 0.0 };
        let pixels = image
            .iter()
            .zip(logits.map(|l: f64| 1.0 / (1.0 + (-l).exp())));
        pixels
            .map(|(&x, p)| part(x, p) + part(1.0 - x, 1.0 - p))
            .sum::<f64>()
    };
    let (split, others) = (split(600), bright(300));
    let found = outliers(&model, &split, &others);
    assert_eq!(found.bound, Some("negative_elbo_less_entropy"));
    let divergences = |split: &Subset| images(split).iter().map(divergence).collect::<Vec<_>>();
    let expected = share_of_pairs(&divergences(&split), &divergences(&others));
    let found = value(found.auroc_bound.expect("a bound")).value;
    assert_close(found, expected, 1e-4);
    // By the cross-entropy it is another number.
    let cross_entropies = |split: &Subset| -> Vec<f64> {
        let nats = |image: &Image| {
            let pixels = image.iter().zip(logits);
            pixels.map(|(x, l)| l.exp().ln_1p() - x * l).sum::<f64>()
        };
        images(split).iter().map(nats).collect()
    };
    let other = share_of_pairs(&cross_entropies(&split), &cross_entropies(&others));
    assert!((found - other).abs() > 0.02, "{found} {other}");
}

#[test]
fn reconstruction_has_the_errors_of_each_class() {
    let labels: Vec<u8> = (0..700).map(|i| [3, 7, 7][i % 3]).collect();
    let split = subset(
        700,
        |i| (i * i * 37 + i * 101 + 13) as u8,
        Some(labels.clone()),
    );
    let found = report(&linear(), Measure::Reconstruction, &inputs(&split));
    let evaluation = &found.evaluation;
    let reconstruction = value(found.reconstruction.expect("asked for"));
    let images = images(&split);
    let errors = |map: ([Image; FEATURES], Image)| -> Vec<f64> {
        images
            .iter()
            .map(|image| squared_error(&map, image, image))
            .collect()
    };
    let (own, pca) = (errors(linear_map()), errors(pca_map(&split)));
    assert_estimate(reconstruction.model.squared_error, &own, 1e-6);
    assert_close(
        evaluation.squared_error,
        reconstruction.model.squared_error.value,
        1e-9,
    );
    let decibels = |errors: &[f64]| -> Vec<f64> {
        let ratio = |error: &f64| -10.0 * (error / FEATURES as f64).log10();
        errors.iter().map(ratio).collect()
    };
    assert_estimate(
        value(reconstruction.model.psnr_decibels),
        &decibels(&own),
        1e-5,
    );
    let beside = value(reconstruction.pca);
    assert_estimate(beside.squared_error, &pca, 1e-6);
    match &evaluation.pca {
        PcaComparison::Measured {
            components,
            squared_error,
            fitted_to,
        } => {
            assert_eq!((*components, *fitted_to), (CODE, None));
            assert_close(*squared_error, beside.squared_error.value, 1e-6);
        }
        PcaComparison::LeftOut(reason) => panic!("{reason}"),
    }
    let classes = value(reconstruction.classes);
    assert_eq!(classes.len(), 2);
    for (class, label, count) in [(&classes[0], 3, 234), (&classes[1], 7, 466)] {
        assert_eq!((class.label, class.images), (label, count));
        let of_class = |errors: &[f64]| -> Vec<f64> {
            let with_labels = errors.iter().zip(&labels);
            let own = with_labels.filter(|(_, of)| **of == label);
            own.map(|(error, _)| *error).collect()
        };
        assert_estimate(class.squared_error, &of_class(&own), 1e-6);
        assert_estimate(class.pca_squared_error.expect("PCA"), &of_class(&pca), 1e-6);
    }
}

/// The label that most of the five nearest training codes have; no distances are tied, and of two labels one has more.
fn accuracy(training: &[[f64; CODE]], test: &[[f64; CODE]], labels: (&[u8], &[u8])) -> f64 {
    let vote = |code: &[f64; CODE]| {
        let mut distances: Vec<(f64, u8)> = training
            .iter()
            .zip(labels.0)
            .map(|(other, &label)| {
                let difference: [f64; CODE] = std::array::from_fn(|j| code[j] - other[j]);
                (dot(&difference, &difference), label)
            })
            .collect();
        distances.sort_by(|a, b| a.0.total_cmp(&b.0));
        let votes: u8 = distances[..5].iter().map(|(_, label)| label).sum();
        u8::from(votes > 2)
    };
    let right = test
        .iter()
        .zip(labels.1)
        .filter(|(code, label)| vote(code) == **label);
    right.count() as f64 / test.len() as f64
}

/// Labels that the codes tell but for a part near the border.
#[test]
fn representation_is_read_from_the_codes_of_the_right_images() {
    let pixel = |seed: usize| move |i: usize| ((i * i * 37 + i * seed + 13) % 251) as u8;
    let code = |image: &Image| -> [f64; CODE] {
        std::array::from_fn(|j| dot(&ROWS[j], image) + ENCODER_BIAS[j])
    };
    let with_labels = |count: usize, seed: usize| {
        let codes = images(&subset(count, pixel(seed), None));
        let label = |(index, image): (usize, &Image)| {
            let noise = 0.1 * (index * 7 % 11) as f64 - 0.5;
            u8::from(code(image)[0] + noise > 0.2)
        };
        let labels: Vec<u8> = codes.iter().enumerate().map(label).collect();
        (subset(count, pixel(seed), Some(labels.clone())), labels)
    };
    let ((training, training_labels), (test, test_labels)) =
        (with_labels(900, 101), with_labels(550, 67));
    let inputs = Inputs {
        training: &training,
        ..inputs(&test)
    };
    let found = report(&linear(), Measure::Representation, &inputs).representation;
    let found = value(found.expect("asked for"));
    let pca = fit_pca(&training, CODE, None, &mut |_, _, _| {}).expect("images");
    let pca_code = |image: &Image| -> [f64; CODE] {
        let codes = pca.codes(CODE, &image.map(|x| x as f32));
        std::array::from_fn(|j| f64::from(codes[j]))
    };
    let labels = (&training_labels[..], &test_labels[..]);
    let codes = |of: &dyn Fn(&Image) -> [f64; CODE]| {
        let [training, test] =
            [&training, &test].map(|split| images(split).iter().map(of).collect::<Vec<_>>());
        accuracy(&training, &test, labels)
    };
    let expected = codes(&code);
    for (readout, features, expected) in [
        (&found.codes, CODE, Some(expected)),
        (&value(found.pca_codes), CODE, Some(codes(&pca_code))),
        (&found.pixels, FEATURES, None),
    ] {
        assert_eq!(readout.features, features);
        assert_eq!((readout.training_images, readout.test_images), (900, 550));
        let neighbours = value(readout.neighbours_accuracy.clone()).value;
        if let Some(expected) = expected {
            assert!((0.6..0.95).contains(&expected), "{expected} says little");
            // An image whose neighbours lie within single precision of each other may fall to the other side.
            assert_close(neighbours, expected, 1.5 / 550.0);
        }
    }
    // The labels are a linear function of the code, with noise: no classifier does much better than that function.
    let best = images(&test).into_iter().zip(&test_labels);
    let best = best
        .filter(|(image, label)| u8::from(code(image)[0] > 0.2) == **label)
        .count();
    let probe = value(found.codes.probe_accuracy);
    assert_close(
        probe.value,
        best as f64 / 550.0,
        3.0 * probe.standard_error.expect("an error"),
    );
}

/// Units of a code by how often they are active.
#[test]
fn activity_counts_units_above_a_share_of_their_largest() {
    let split = split(700);
    let gain = 3.0;
    // Sigmoid units whose values are spread over several powers of ten, all far below 1.
    let biases = [-20.0, -14.0];
    let small = model(
        "sparse",
        r#", "code_activation": "sigmoid""#,
        r#"{"penalty": "l1"}"#,
        (ROWS.map(|row| row.map(|w| 4.0 * gain * w)), biases),
        (DECODER, DECODER_BIAS),
    );
    let unit = |j: usize, image: &Image| {
        1.0 / (1.0 + (-4.0 * gain * dot(&ROWS[j], image) - biases[j]).exp())
    };
    let codes: Vec<[f64; CODE]> = images(&split)
        .iter()
        .map(|image| std::array::from_fn(|j| unit(j, image)))
        .collect();
    let found = report(&small, Measure::Reconstruction, &inputs(&split))
        .evaluation
        .activity;
    let found = found.expect("a sparse family");
    let active = |j: usize| {
        let largest = codes.iter().map(|code| code[j]).fold(0.0, f64::max);
        codes.iter().filter(|code| code[j] > 1e-3 * largest).count()
    };
    let counts = [active(0), active(1)];
    assert!(
        counts.iter().all(|count| (50..650).contains(count)),
        "{counts:?} says little"
    );
    assert_close(
        found.active_units,
        (counts[0] + counts[1]) as f64 / 700.0,
        1e-12,
    );
    assert_eq!(found.dead_units, 0);
    let sum: f64 = codes.iter().flatten().sum();
    assert_close(found.mean_activation, sum / 1400.0, 1e-9);
    assert_eq!(found.median_target_deviation, None);

    let sigmoid = with_activation(
        "sparse",
        "sigmoid",
        r#"{"penalty": "kl", "target": 0.2}"#,
        gain,
    );
    let found = report(&sigmoid, Measure::Reconstruction, &inputs(&split))
        .evaluation
        .activity;
    let deviation = |j: usize| {
        let unit =
            |image: &Image| 1.0 / (1.0 + (-gain * dot(&ROWS[j], image) - ENCODER_BIAS[j]).exp());
        let mean = images(&split).iter().map(unit).sum::<f64>() / 700.0;
        (mean - 0.2).abs() / 0.2
    };
    let found = found.and_then(|activity| activity.median_target_deviation);
    let expected = (deviation(0) + deviation(1)) / 2.0;
    assert_close(found.expect("a target"), expected, 1e-6);

    let top = with_activation("sparse", "linear", r#"{"penalty": "top-k", "k": 1}"#, gain);
    let found = report(&top, Measure::Reconstruction, &inputs(&split))
        .evaluation
        .activity;
    let found = found.expect("a sparse family");
    assert_eq!(found.active_units, 1.0);
    let pre = |image: &Image, j: usize| gain * dot(&ROWS[j], image) + ENCODER_BIAS[j];
    let first = images(&split)
        .iter()
        .filter(|image| pre(image, 0) >= pre(image, 1))
        .count();
    let mut expected = [0; 10];
    for count in [first, 700 - first] {
        expected[(count as f64 / 70.0).ceil() as usize - 1] += 1;
    }
    assert_eq!(found.units_by_share_of_images, expected);
}
