//! Numbers as text for people.

use std::fmt::Write;

use hourglass_measure::measures::Estimate;
use hourglass_measure::measures::probe::{Choice, Scaling};
use hourglass_measure::{
    Class, Classification, Contraction, Density, Evaluation, Fidelity, Measured, Outliers,
    PcaComparison, Readout, Reconstruction, Report, Representation, Robustness,
};

/// Singular values that are printed; JSON has all.
const SINGULAR_VALUES: usize = 8;

/// The numbers of an evaluation, a line each.
pub(crate) fn evaluation_text(evaluation: &Evaluation, split: &str) -> String {
    let binarized = if evaluation.binarized {
        ", made binary by chance"
    } else {
        ""
    };
    let mut lines = vec![format!("{} {split} images{binarized}", evaluation.images)];
    let pca = match &evaluation.pca {
        PcaComparison::Measured {
            components,
            squared_error,
            fitted_to,
        } => {
            let fitted_to = fitted_to.map(|images| format!(", fitted to {images} images"));
            let fitted_to = fitted_to.unwrap_or_default();
            format!("PCA with {components} components{fitted_to}: {squared_error:.2}")
        }
        PcaComparison::LeftOut(reason) => format!("no PCA beside it: {reason}"),
    };
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<26} {text}"));
    line(
        "squared_error",
        format!("{:.2} an image ({pca})", evaluation.squared_error),
    );
    if let Some(error) = evaluation.corrupted_squared_error {
        line("corrupted_squared_error", format!("{error:.2} an image"));
    }
    // The error above is the same number where it is also the family's own term.
    for (name, value) in evaluation
        .terms
        .iter()
        .filter(|(name, _)| name != "squared_error")
    {
        line(name, format!("{value:.3}{}", unit(name)));
    }
    if let Some(activity) = &evaluation.activity {
        line(
            "active_units",
            format!("{:.1} an image", activity.active_units),
        );
        line("dead_units", activity.dead_units.to_string());
        line(
            "mean_activation",
            format!("{:.4}", activity.mean_activation),
        );
        let units = activity
            .units_by_share_of_images
            .map(|units| units.to_string());
        line(
            "units_by_share_of_images",
            format!("{}, by tenths of the images", units.join(" ")),
        );
        if let Some(deviation) = activity.median_target_deviation {
            line("median_target_deviation", format!("{deviation:.3}"));
        }
    }
    if let Some(norm) = evaluation.jacobian_norm {
        line("jacobian_norm", format!("{norm:.4}, mean of ||dh/dx||_F"));
    }
    if let Some(classification) = &evaluation.classification {
        let text = match classification {
            Measured::Value(Classification {
                errors,
                error,
                standard_error,
                ..
            }) => {
                let share = Estimate {
                    value: *error,
                    standard_error: *standard_error,
                };
                format!("{errors} errors, {} %", in_percent(&share))
            }
            Measured::LeftOut { left_out } => format!("left out, since {left_out}"),
        };
        line("classifier", text);
    }
    lines.join("\n")
}

fn unit(term: &str) -> &'static str {
    match term {
        "cross_entropy" => " nats (Bernoulli on grey pixels: not a likelihood)",
        "negative_elbo" => " nats, at beta 1",
        _ if term.ends_with("_nats") => " nats",
        _ => "",
    }
}

/// The parts of a report that were asked for, beside its evaluation.
pub(crate) fn report_text(report: &Report) -> String {
    let mut text = String::new();
    if let Some(part) = &report.reconstruction {
        section(
            &mut text,
            "reconstruction (± one standard error over the images)",
            part,
            reconstruction,
        );
    }
    if let Some(part) = &report.representation {
        section(
            &mut text,
            "representation (accuracy in %)",
            part,
            representation,
        );
    }
    if let Some(part) = &report.density {
        section(&mut text, "density", part, density);
        let images = part.value().map(|part| part.log_likelihood.images);
        sampled(&mut text, images, report);
    }
    if let Some(part) = &report.contraction {
        section(&mut text, "contraction", part, contraction);
    }
    if let Some(part) = &report.robustness {
        section(
            &mut text,
            "robustness: squared error against the clean images",
            part,
            robustness,
        );
        let images = part.value().and_then(|rows| Some(rows.first()?.images));
        sampled(&mut text, images, report);
    }
    if let Some(part) = &report.outliers {
        section(&mut text, "outliers", part, outliers);
        sampled(&mut text, part.value().map(|part| part.own_images), report);
    }
    text
}

/// A line; writing to a string can't fail.
macro_rules! line {
    ($text:expr, $($arguments:tt)*) => {
        let _ = writeln!($text, $($arguments)*);
    };
}

/// A part's lines under its name, or why it was left out.
fn section<T>(text: &mut String, name: &str, part: &Measured<T>, lines: fn(&mut String, &T)) {
    match part {
        Measured::Value(part) => {
            line!(text, "{name}");
            lines(text, part);
        }
        Measured::LeftOut { left_out } => {
            line!(text, "{name}: left out, since {left_out}");
        }
    }
}

/// How many images a part was measured on, where these were a sample of the split.
fn sampled(text: &mut String, images: Option<usize>, report: &Report) {
    let all = report.evaluation.images;
    if let Some(images) = images.filter(|&images| images < all) {
        line!(
            text,
            "  measured on {images} of the {all} images, to bound the cost"
        );
    }
}

/// A number with its standard error.
fn with_error(estimate: &Estimate, decimals: usize) -> String {
    match estimate.standard_error {
        Some(error) => format!("{:.decimals$} ± {error:.decimals$}", estimate.value),
        None => format!("{:.decimals$}", estimate.value),
    }
}

/// The same, or a dash where there is none.
fn or_dash(estimate: &Measured<Estimate>, decimals: usize) -> String {
    match estimate {
        Measured::Value(estimate) => with_error(estimate, decimals),
        Measured::LeftOut { .. } => "-".into(),
    }
}

fn reconstruction(text: &mut String, part: &Reconstruction) {
    line!(
        text,
        "  {:<8} {:>18} {:>18} {:>18}",
        "",
        "squared error",
        "PSNR, dB",
        "SSIM"
    );
    let mut row = |name: &str, fidelity: &Fidelity| {
        line!(
            text,
            "  {name:<8} {:>18} {:>18} {:>18}",
            with_error(&fidelity.squared_error, 3),
            or_dash(&fidelity.psnr_decibels, 3),
            or_dash(&fidelity.ssim, 4)
        );
    };
    row("model", &part.model);
    if let Measured::Value(pca) = &part.pca {
        row("PCA", pca);
    }
    reason(text, "PSNR", &part.model.psnr_decibels);
    reason(text, "SSIM", &part.model.ssim);
    reason(text, "PCA", &part.pca);
    section(text, "  by class", &part.classes, |text, classes| {
        let name = |class: &Class| {
            let number = class.label.to_string();
            class.name.clone().unwrap_or(number)
        };
        let widths = classes.iter().map(|class| name(class).chars().count());
        let width = widths.max().unwrap_or(0).max(8);
        line!(
            text,
            "  {:<width$} {:>8} {:>18} {:>18}",
            "class",
            "images",
            "model",
            "PCA"
        );
        for class in classes {
            let pca = class.pca_squared_error.as_ref();
            line!(
                text,
                "  {:<width$} {:>8} {:>18} {:>18}",
                name(class),
                class.images,
                with_error(&class.squared_error, 3),
                pca.map_or("-".into(), |pca| with_error(pca, 3))
            );
        }
    });
}

fn representation(text: &mut String, part: &Representation) {
    line!(
        text,
        "  {:<12} {:>8} {:>10} {:>11} {:>14} {:>20}",
        "from",
        "features",
        "fitted to",
        "measured on",
        "linear probe",
        "5 nearest neighbours"
    );
    let mut row = |name: &str, readout: &Readout| {
        let note = match (&readout.probe_accuracy, readout.probe_converged) {
            (Measured::Value(_), false) => "  (the probe's fit ended before it converged)",
            _ => "",
        };
        line!(
            text,
            "  {name:<12} {:>8} {:>10} {:>11} {:>14} {:>20}{note}",
            readout.features,
            readout.training_images,
            readout.test_images,
            percent(&readout.probe_accuracy),
            percent(&readout.neighbours_accuracy)
        );
    };
    row("codes", &part.codes);
    if let Measured::Value(pca) = &part.pca_codes {
        row("PCA's codes", pca);
    }
    row("pixels", &part.pixels);
    if let Some(choices) = probe_choices(part) {
        line!(text, "  linear probe, penalty and scale: {choices}");
    }
    reason(text, "PCA's codes", &part.pca_codes);
    let codes = &part.codes;
    reason(text, "linear probe", &codes.probe_accuracy);
    reason(text, "5 nearest neighbours", &codes.neighbours_accuracy);
}

/// What each linear probe was fitted with.
fn probe_choices(part: &Representation) -> Option<String> {
    let pca = match &part.pca_codes {
        Measured::Value(readout) => readout.probe_choice,
        Measured::LeftOut { .. } => None,
    };
    let all = [
        ("codes", part.codes.probe_choice),
        ("PCA's codes", pca),
        ("pixels", part.pixels.probe_choice),
    ];
    let found: Vec<(&str, Choice)> = all
        .into_iter()
        .filter_map(|(name, choice)| Some((name, choice?)))
        .collect();
    let held_out = found.iter().map(|(_, choice)| choice.held_out).max()?;
    let text = |(name, choice): &(&str, Choice)| {
        let scale = match choice.scaling {
            Scaling::Standardised => "standardised",
            Scaling::Common => "one scale, not centred",
        };
        format!("{name} {}, {scale}", choice.penalty)
    };
    let texts: Vec<String> = found.iter().map(text).collect();
    let on = match held_out {
        0 => "by default, of too few training images to choose on".to_owned(),
        held_out => format!("chosen on {held_out} held-out training images"),
    };
    Some(format!("{} ({on})", texts.join("; ")))
}

/// A share in percent with its standard error.
fn in_percent(share: &Estimate) -> String {
    let error = share.standard_error.unwrap_or_default();
    format!("{:.2} ± {:.2}", share.value * 100.0, error * 100.0)
}

/// The same, or a dash where there is none.
fn percent(share: &Measured<Estimate>) -> String {
    match share {
        Measured::Value(share) => in_percent(share),
        Measured::LeftOut { .. } => "-".into(),
    }
}

/// Why a number of the table above is not there, if it is not.
fn reason<T>(text: &mut String, name: &str, number: &Measured<T>) {
    if let Measured::LeftOut { left_out } = number {
        line!(text, "  {name}: left out, since {left_out}");
    }
}

fn density(text: &mut String, part: &Density) {
    let bound = &part.evidence_lower_bound;
    line!(
        text,
        "  negative ELBO              {} nats: reconstruction {}, KL {}; by one sample an image, ± for the images",
        with_error(&bound.negative_elbo, 2),
        with_error(&bound.reconstruction_nats, 2),
        with_error(&bound.kl_nats, 2)
    );
    let likelihood = &part.log_likelihood;
    let name = match part.is_likelihood {
        true => "negative log-likelihood",
        false => "importance-weighted nats",
    };
    let images = likelihood.standard_error_nats;
    let images = images.map(|error| format!("; ± {error:.2} for the images"));
    let samples = likelihood.monte_carlo_error_nats;
    let samples = samples.map(|error| format!("; ± {error:.3} for the samples"));
    line!(
        text,
        "  {name:<26} {:.2} nats by {} samples an image{}{}",
        likelihood.importance_weighted_nats,
        likelihood.samples,
        images.unwrap_or_default(),
        samples.unwrap_or_default()
    );
    if !part.is_likelihood {
        line!(text, "    (of Bernoulli on grey pixels: not a likelihood)");
    }
    let bias = likelihood.bias_nats;
    let bias = bias.map(|bias| format!("; with more samples lower by about {bias:.2} nats"));
    line!(
        text,
        "  effective samples          {:.1} in the mean, {:.1} at least{}",
        likelihood.effective_samples,
        likelihood.smallest_effective_samples,
        bias.unwrap_or_default()
    );
    let code = &part.code;
    let kl: Vec<String> = code.kl_nats.iter().map(|kl| format!("{kl:.2}")).collect();
    line!(
        text,
        "  active units               {} of {}; the KL of each in nats:",
        code.active_units,
        kl.len()
    );
    for row in kl.chunks(15) {
        line!(text, "    {}", row.join(" "));
    }
}

fn contraction(text: &mut String, part: &Contraction) {
    let values = part.singular_values.iter().take(SINGULAR_VALUES);
    let values: Vec<String> = values.map(|value| format!("{value:.3}")).collect();
    line!(
        text,
        "  jacobian_norm              {}, over {} images",
        with_error(&part.jacobian_norm, 4),
        part.images
    );
    line!(text, "  singular values            {}", values.join(" "));
    match &part.saturated_units {
        Measured::Value(share) => {
            line!(text, "  saturated units            {:.1} %", share * 100.0);
        }
        saturated => reason(text, "saturated units", saturated),
    }
}

fn robustness(text: &mut String, part: &Vec<Robustness>) {
    line!(
        text,
        "  {:<16} {:>5} {:>10} {:>16} {:>16}",
        "corruption",
        "level",
        "itself",
        "model",
        "PCA"
    );
    for row in part {
        let pca = row.pca_squared_error.as_ref();
        line!(
            text,
            "  {:<16} {:>5} {:>10.2} {:>16} {:>16}",
            serde_json::json!(row.corruption)
                .as_str()
                .unwrap_or_default(),
            row.level,
            row.corrupted_squared_error,
            with_error(&row.squared_error, 2),
            pca.map_or("-".into(), |pca| with_error(pca, 2))
        );
    }
}

fn outliers(text: &mut String, part: &Outliers) {
    let bound = match (&part.auroc_bound, part.bound) {
        (Some(auroc), Some(bound)) => format!(", {} by its {bound}", or_dash(auroc, 4)),
        _ => String::new(),
    };
    line!(
        text,
        "  {} images of {}: AUROC {} by the model's squared error{bound}, {} by PCA's squared error",
        part.images,
        part.data,
        or_dash(&part.auroc_squared_error, 4),
        or_dash(&part.auroc_pca_squared_error, 4)
    );
}
