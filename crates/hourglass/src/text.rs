//! Numbers as text for people.

use std::fmt::Write;

use hourglass_measure::measures::Estimate;
use hourglass_measure::measures::probe::{Choice, Scaling};
use hourglass_measure::{
    Class, Classification, Contraction, Density, Evaluation, Fidelity, Measure, Measured, Outliers,
    PcaComparison, Quantity, Readout, Reconstruction, Report, Representation, Robustness,
};
use serde_json::Value;

/// Singular values that are printed; JSON has all.
const SINGULAR_VALUES: usize = 8;

/// A line; writing to a string can't fail.
macro_rules! line {
    ($text:expr, $($arguments:tt)*) => {
        let _ = writeln!($text, $($arguments)*);
    };
}

/// The numbers of an evaluation, a line each.
pub(crate) fn evaluation_text(evaluation: &Evaluation, split: &str) -> String {
    let binarized = if evaluation.binarized {
        ", made binary by chance"
    } else {
        ""
    };
    let (one, many) = (evaluation.kind.one(), evaluation.kind.many());
    let mut lines = vec![format!("{} {split} {many}{binarized}", evaluation.images)];
    let pca = match &evaluation.pca {
        PcaComparison::Measured {
            components,
            squared_error,
            fitted_to,
        } => {
            let fitted_to = fitted_to.map(|count| format!(", fitted to {count} {many}"));
            let fitted_to = fitted_to.unwrap_or_default();
            let error = Evaluation::SQUARED_ERROR.value(*squared_error);
            format!("PCA with {components} components{fitted_to}: {error}")
        }
        PcaComparison::LeftOut(reason) => format!("no PCA beside it: {reason}"),
    };
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<26} {text}"));
    line(
        "squared_error",
        format!(
            "{} per {one} ({pca})",
            Evaluation::SQUARED_ERROR.value(evaluation.squared_error)
        ),
    );
    if let Some(error) = evaluation.corrupted_squared_error {
        let error = Evaluation::CORRUPTED_SQUARED_ERROR.value(error);
        line("corrupted_squared_error", format!("{error} per {one}"));
    }
    // The error above is the same number where it is also the family's own term.
    for (name, value) in evaluation
        .terms
        .iter()
        .filter(|(name, _)| name != "squared_error")
    {
        let term = Quantity::term(name);
        let text = format!("{} {}", term.value(*value), term.unit);
        line(name, text.trim_end().to_owned());
    }
    if let Some(activity) = &evaluation.activity {
        let active = Evaluation::ACTIVE_UNITS.value(activity.active_units);
        line("active_units", format!("{active} per {one}"));
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
            format!("{}, by tenths of the {many}", units.join(" ")),
        );
        if let Some(deviation) = activity.median_target_deviation {
            line("median_target_deviation", format!("{deviation:.3}"));
        }
    }
    if let Some(norm) = evaluation.jacobian_norm {
        let norm = Contraction::JACOBIAN_NORM.value(norm);
        line("jacobian_norm", format!("{norm}, mean of ||dh/dx||_F"));
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
                let quantity = Evaluation::CLASSIFIER_ERROR;
                let share = quantity.with_error(&share);
                format!("{errors} errors, {share} {}", quantity.unit)
            }
            Measured::LeftOut { left_out } => format!("left out, since {left_out}"),
        };
        line("classifier", text);
    }
    lines.join("\n")
}

/// The parts of a report that were asked for, beside its evaluation.
pub(crate) fn report_text(report: &Report) -> String {
    let mut text = String::new();
    let json = Value::Object(report.to_json());
    for &measure in Measure::ALL {
        part(&mut text, measure, report, &json);
    }
    text
}

/// A part in its own layout; one that has none is a list of its numbers.
fn part(text: &mut String, measure: Measure, report: &Report, json: &Value) {
    match measure {
        Measure::Reconstruction => {
            let many = report.evaluation.kind.many();
            let name = format!("reconstruction (± one standard error over the {many})");
            section(text, &name, &report.reconstruction, reconstruction);
        }
        Measure::Representation => {
            let name = "representation (accuracy in %)";
            section(text, name, &report.representation, representation);
        }
        Measure::Density => {
            section(text, "density", &report.density, density);
            let images = measured(&report.density).map(|part| part.log_likelihood.images);
            sampled(text, images, report);
        }
        Measure::Contraction => section(text, "contraction", &report.contraction, contraction),
        Measure::Robustness => {
            let name = "robustness: squared error against the clean images";
            section(text, name, &report.robustness, robustness);
            let images = measured(&report.robustness).and_then(|rows| Some(rows.first()?.images));
            sampled(text, images, report);
        }
        Measure::Outliers => {
            section(text, "outliers", &report.outliers, outliers);
            let images = measured(&report.outliers).map(|part| part.own_images);
            sampled(text, images, report);
        }
        other => list(text, other, json),
    }
}

/// The numbers of a part, a line each.
fn list(text: &mut String, measure: Measure, json: &Value) {
    if let Some(left_out) = measure.left_out(json) {
        line!(text, "{}: left out, since {left_out}", measure.name());
        return;
    }
    let numbers = measure.numbers(json);
    if !numbers.is_empty() {
        line!(text, "{}", measure.name());
    }
    for number in numbers {
        let name = number.quantity.name();
        let shown = |found: &Measured<Estimate>| match found {
            Measured::Value(estimate) => number.text(estimate),
            Measured::LeftOut { left_out } => format!("left out, since {left_out}"),
        };
        let beside = [("PCA", &number.pca), ("pixels", &number.pixels)];
        let beside = beside.map(|(whose, found)| match found {
            Some(found) => format!("; {whose}: {}", shown(found)),
            None => String::new(),
        });
        line!(
            text,
            "  {name:<26} {}{}",
            shown(&number.model),
            beside.concat()
        );
    }
}

/// What was measured of a part that was asked for.
fn measured<T>(part: &Option<Measured<T>>) -> Option<&T> {
    part.as_ref().and_then(Measured::value)
}

/// A part's lines under its name, or why it was left out; nothing where it was not asked for.
fn section<T>(
    text: &mut String,
    name: &str,
    part: &Option<Measured<T>>,
    lines: fn(&mut String, &T),
) {
    if let Some(part) = part {
        subsection(text, name, part, lines);
    }
}

/// The same of what belongs to a part.
fn subsection<T>(text: &mut String, name: &str, part: &Measured<T>, lines: fn(&mut String, &T)) {
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
            "  measured on {images} of the {all} {}, to bound the cost",
            report.evaluation.kind.many()
        );
    }
}

/// A number with its standard error, or a dash where there is none.
fn or_dash(quantity: Quantity, found: &Measured<Estimate>) -> String {
    match found {
        Measured::Value(estimate) => quantity.with_error(estimate),
        Measured::LeftOut { .. } => "-".into(),
    }
}

fn reconstruction(text: &mut String, part: &Reconstruction) {
    let [error, ssim] = [Reconstruction::SQUARED_ERROR, Reconstruction::SSIM];
    // A decimal more than where it is told from other models.
    let psnr = Quantity {
        decimals: 3,
        ..Reconstruction::PSNR
    };
    line!(
        text,
        "  {:<8} {:>18} {:>18} {:>18}",
        "",
        error.title_in_text(),
        psnr.label(),
        ssim.label()
    );
    let mut row = |name: &str, fidelity: &Fidelity| {
        line!(
            text,
            "  {name:<8} {:>18} {:>18} {:>18}",
            error.with_error(&fidelity.squared_error),
            or_dash(psnr, &fidelity.psnr_decibels),
            or_dash(ssim, &fidelity.ssim)
        );
    };
    row("model", &part.model);
    if let Measured::Value(pca) = &part.pca {
        row("PCA", pca);
    }
    reason(text, psnr.title, &part.model.psnr_decibels);
    reason(text, ssim.title, &part.model.ssim);
    reason(text, "PCA", &part.pca);
    subsection(text, "  by class", &part.classes, |text, classes| {
        let error = Reconstruction::SQUARED_ERROR;
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
                error.with_error(&class.squared_error),
                pca.map_or("-".into(), |pca| error.with_error(pca))
            );
        }
    });
}

fn representation(text: &mut String, part: &Representation) {
    let [probe, neighbours] = [
        Representation::LINEAR_PROBE,
        Representation::NEAREST_NEIGHBOURS,
    ];
    let [probe_title, neighbours_title] = [probe, neighbours].map(|one| one.title_in_text());
    line!(
        text,
        "  {:<12} {:>8} {:>10} {:>11} {:>14} {:>20}",
        "from",
        "features",
        "fitted to",
        "measured on",
        probe_title,
        neighbours_title
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
            or_dash(probe, &readout.probe_accuracy),
            or_dash(neighbours, &readout.neighbours_accuracy)
        );
    };
    row("codes", &part.codes);
    if let Measured::Value(pca) = &part.pca_codes {
        row("PCA's codes", pca);
    }
    row("pixels", &part.pixels);
    if let Some(choices) = probe_choices(part) {
        line!(text, "  {probe_title}, penalty and scale: {choices}");
    }
    reason(text, "PCA's codes", &part.pca_codes);
    let codes = &part.codes;
    reason(text, &probe_title, &codes.probe_accuracy);
    reason(text, &neighbours_title, &codes.neighbours_accuracy);
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

/// Why a number of the table above is not there, if it is not.
fn reason<T>(text: &mut String, name: &str, number: &Measured<T>) {
    if let Measured::LeftOut { left_out } = number {
        line!(text, "  {name}: left out, since {left_out}");
    }
}

fn density(text: &mut String, part: &Density) {
    let bound = &part.evidence_lower_bound;
    let nats = Density::NEGATIVE_ELBO;
    line!(
        text,
        "  {:<26} {} {}: reconstruction {}, KL {}; by one sample per image, ± for the images",
        nats.title_in_text(),
        nats.with_error(&bound.negative_elbo),
        nats.unit,
        nats.with_error(&bound.reconstruction_nats),
        nats.with_error(&bound.kl_nats)
    );
    let likelihood = &part.log_likelihood;
    let nats = match part.is_likelihood {
        true => Density::NEGATIVE_LOG_LIKELIHOOD,
        false => Density::IMPORTANCE_WEIGHTED,
    };
    let images = likelihood.standard_error_nats;
    let images = images.map(|error| format!("; ± {} for the images", nats.value(error)));
    let samples = likelihood.monte_carlo_error_nats;
    let samples = samples.map(|error| format!("; ± {error:.3} for the samples"));
    line!(
        text,
        "  {:<26} {} {} by {} samples per image{}{}",
        nats.title_in_text(),
        nats.value(likelihood.importance_weighted_nats),
        nats.unit,
        likelihood.samples,
        images.unwrap_or_default(),
        samples.unwrap_or_default()
    );
    if !part.is_likelihood {
        line!(text, "    ({})", nats.note);
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
        "  {:<26} {} of {}; the KL of each in nats:",
        Density::ACTIVE_UNITS.title_in_text(),
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
        Contraction::JACOBIAN_NORM.with_error(&part.jacobian_norm),
        part.images
    );
    line!(text, "  singular values            {}", values.join(" "));
    let saturated = Contraction::SATURATED_UNITS;
    let (title, unit) = (saturated.title_in_text(), saturated.unit);
    match &part.saturated_units {
        Measured::Value(share) => {
            line!(text, "  {title:<26} {} {unit}", saturated.value(*share));
        }
        left_out => reason(text, &title, left_out),
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
    let error = Evaluation::SQUARED_ERROR;
    for row in part {
        let pca = row.pca_squared_error.as_ref();
        line!(
            text,
            "  {:<16} {:>5} {:>10} {:>16} {:>16}",
            serde_json::json!(row.corruption)
                .as_str()
                .unwrap_or_default(),
            row.level,
            error.value(row.corrupted_squared_error),
            error.with_error(&row.squared_error),
            pca.map_or("-".into(), |pca| error.with_error(pca))
        );
    }
}

fn outliers(text: &mut String, part: &Outliers) {
    let auroc = |found| or_dash(Outliers::AUROC_SQUARED_ERROR, found);
    let bound = match (&part.auroc_bound, part.bound) {
        (Some(found), Some(bound)) => format!(", {} by its {bound}", auroc(found)),
        _ => String::new(),
    };
    line!(
        text,
        "  {} images of {}: AUROC {} by the model's squared error{bound}, {} by PCA's squared error",
        part.images,
        part.data,
        auroc(&part.auroc_squared_error),
        auroc(&part.auroc_pca_squared_error)
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a measure without a layout of its own looks like.
    #[test]
    fn a_part_is_listed_with_what_stands_beside_it_and_what_is_left_out() {
        let accuracy = json!({"value": 0.91234, "standard_error": 0.0028});
        let left_out = json!({"left_out": "it was interrupted"});
        let report = json!({
            "representation": {
                "codes": {"probe_accuracy": accuracy, "neighbours_accuracy": left_out},
                "pca_codes": left_out,
            },
            "contraction": left_out,
        });
        let mut text = String::new();
        for measure in [
            Measure::Density,
            Measure::Representation,
            Measure::Contraction,
        ] {
            list(&mut text, measure, &report);
        }
        let expected = "representation\n  probe_accuracy             91.23 ± 0.28 %; PCA: left out, since it was interrupted\n  \
                        neighbours_accuracy        left out, since it was interrupted; PCA: left out, since it was \
                        interrupted\ncontraction: left out, since it was interrupted\n";
        assert_eq!(text, expected);
    }
}
