//! Numbers as text: one list of them for the table of a model and for the comparison of several.

use hourglass_measure::measures::Estimate;
use hourglass_measure::{
    Density, Fidelity, Measured, PcaComparison, Readout, Reconstruction, Report, Representation,
};

/// Whether a smaller or a larger number is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Lower,
    Higher,
    /// Neither, or it depends.
    Neither,
}

/// A number of a model, and the same of what stands beside it.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    pub(crate) name: String,
    /// What it is, in a few words.
    pub(crate) note: &'static str,
    pub(crate) better: Better,
    pub(crate) model: Cell,
    pub(crate) pca: Cell,
    pub(crate) pixels: Cell,
}

/// A number as text.
#[derive(Debug, Clone, Default)]
pub(crate) enum Cell {
    /// There is no such number.
    #[default]
    Nothing,
    /// The number and its text.
    Value(f64, String),
    /// Why it is not there.
    LeftOut(String),
}

impl Cell {
    fn plain(value: f64, decimals: usize) -> Self {
        Self::Value(value, format!("{value:.decimals$}"))
    }

    fn estimate(estimate: &Estimate, decimals: usize) -> Self {
        Self::scaled(estimate, 1.0, decimals, "")
    }

    fn scaled(estimate: &Estimate, factor: f64, decimals: usize, unit: &str) -> Self {
        let value = estimate.value * factor;
        let error = estimate.standard_error.map(|error| error * factor);
        let error = error.map_or(String::new(), |error| format!(" ± {error:.decimals$}"));
        Self::Value(estimate.value, format!("{value:.decimals$}{error}{unit}"))
    }

    fn measured<T>(measured: &Measured<T>, cell: impl Fn(&T) -> Self) -> Self {
        match measured {
            Measured::Value(value) => cell(value),
            Measured::LeftOut { left_out } => Self::LeftOut(left_out.clone()),
        }
    }

    fn percent(measured: &Measured<Estimate>) -> Self {
        Self::measured(measured, |share| Self::scaled(share, 100.0, 2, " %"))
    }

    /// The number itself.
    pub(crate) fn value(&self) -> Option<f64> {
        match self {
            Self::Value(value, _) => Some(*value),
            _ => None,
        }
    }
}

/// A number with its standard error.
pub(crate) fn with_error(estimate: &Estimate) -> String {
    match Cell::estimate(estimate, 2) {
        Cell::Value(_, text) => text,
        _ => String::new(),
    }
}

/// The numbers of a report, the most telling first.
pub(crate) fn of(report: &Report) -> Vec<Number> {
    let mut numbers = Vec::new();
    error(&mut numbers, report);
    if let Some(Measured::Value(reconstruction)) = &report.reconstruction {
        fidelity(&mut numbers, reconstruction);
    }
    if let Some(Measured::Value(representation)) = &report.representation {
        readouts(&mut numbers, representation);
    }
    if let Some(Measured::Value(density)) = &report.density {
        densities(&mut numbers, density);
    }
    terms(&mut numbers, report);
    numbers
}

fn number(name: &str, note: &'static str, better: Better, model: Cell) -> Number {
    Number {
        name: name.to_owned(),
        note,
        better,
        model,
        pca: Cell::Nothing,
        pixels: Cell::Nothing,
    }
}

/// The squared error, with errors over the images where these were measured.
fn error(numbers: &mut Vec<Number>, report: &Report) {
    let evaluation = &report.evaluation;
    let note = "sum over the pixels, mean over the images";
    let plain = Cell::plain(evaluation.squared_error, 2);
    let mut row = number("Squared error", note, Better::Lower, plain);
    row.pca = match &evaluation.pca {
        PcaComparison::Measured { squared_error, .. } => Cell::plain(*squared_error, 2),
        PcaComparison::LeftOut(reason) => Cell::LeftOut(reason.clone()),
    };
    if let Some(Measured::Value(reconstruction)) = &report.reconstruction {
        row.model = Cell::estimate(&reconstruction.model.squared_error, 2);
        row.pca = Cell::measured(&reconstruction.pca, |pca| {
            Cell::estimate(&pca.squared_error, 2)
        });
    }
    numbers.push(row);
    if let Some(error) = evaluation.corrupted_squared_error {
        let note = "of the images as the model sees them";
        let cell = Cell::plain(error, 2);
        numbers.push(number(
            "Corrupted squared error",
            note,
            Better::Neither,
            cell,
        ));
    }
}

fn fidelity(numbers: &mut Vec<Number>, reconstruction: &Reconstruction) {
    type Part = fn(&Fidelity) -> Cell;
    let psnr: Part = |fidelity| {
        Cell::measured(&fidelity.psnr_decibels, |psnr| {
            Cell::scaled(psnr, 1.0, 2, " dB")
        })
    };
    let ssim: Part =
        |fidelity| Cell::measured(&fidelity.ssim, |ssim| Cell::scaled(ssim, 1.0, 4, ""));
    for (name, note, part) in [
        ("PSNR", "peak signal to noise", psnr),
        ("SSIM", "structural similarity, at most 1", ssim),
    ] {
        let mut row = number(name, note, Better::Higher, part(&reconstruction.model));
        row.pca = match &reconstruction.pca {
            Measured::Value(fidelity) => part(fidelity),
            Measured::LeftOut { left_out } => Cell::LeftOut(left_out.clone()),
        };
        numbers.push(row);
    }
}

fn readouts(numbers: &mut Vec<Number>, representation: &Representation) {
    type Part = fn(&Readout) -> Cell;
    let probe: Part = |readout| Cell::percent(&readout.probe_accuracy);
    let neighbours: Part = |readout| Cell::percent(&readout.neighbours_accuracy);
    for (name, note, part) in [
        ("Linear probe", "classes told right from the codes", probe),
        (
            "5 nearest neighbours",
            "the same by the nearest codes",
            neighbours,
        ),
    ] {
        let mut row = number(name, note, Better::Higher, part(&representation.codes));
        row.pca = Cell::measured(&representation.pca_codes, part);
        row.pixels = part(&representation.pixels);
        numbers.push(row);
    }
}

fn densities(numbers: &mut Vec<Number>, density: &Density) {
    let bound = &density.evidence_lower_bound;
    let nats = |estimate: &Estimate| Cell::scaled(estimate, 1.0, 2, " nats");
    let cell = nats(&bound.negative_elbo);
    let note = "reconstruction and KL, at beta 1";
    numbers.push(number("Negative ELBO", note, Better::Lower, cell));
    let likelihood = &density.log_likelihood;
    let estimate = Estimate {
        value: likelihood.importance_weighted_nats,
        standard_error: likelihood.standard_error_nats,
    };
    let name = match density.is_likelihood {
        true => "Negative log-likelihood",
        false => "Importance-weighted nats",
    };
    let name = format!("{name}, {} samples", likelihood.samples);
    let note = match density.is_likelihood {
        true => "an estimate by importance sampling",
        false => "of Bernoulli on grey pixels: not a likelihood",
    };
    numbers.push(number(&name, note, Better::Lower, nats(&estimate)));
    let active = Cell::Value(
        density.code.active_units as f64,
        format!(
            "{} of {}",
            density.code.active_units,
            density.code.kl_nats.len()
        ),
    );
    let note = "dimensions of the code that carry information";
    numbers.push(number("Active units", note, Better::Neither, active));
}

/// The family's own terms, its activity and its classifier.
fn terms(numbers: &mut Vec<Number>, report: &Report) {
    let evaluation = &report.evaluation;
    for (name, value) in &evaluation.terms {
        // The error stands above, and so does the bound where it was measured with its error.
        let is_above =
            name == "squared_error" || name == "negative_elbo" && report.density.is_some();
        if !is_above {
            let cell = Cell::plain(*value, 3);
            numbers.push(number(name, unit(name), Better::Neither, cell));
        }
    }
    if let Some(activity) = &evaluation.activity {
        let cell = Cell::plain(activity.active_units, 1);
        let note = "of the code, in the mean over the images";
        numbers.push(number("Active units an image", note, Better::Neither, cell));
        let cell = Cell::Value(activity.dead_units as f64, activity.dead_units.to_string());
        let note = "active for no image";
        numbers.push(number("Dead units", note, Better::Lower, cell));
    }
    if let Some(norm) = evaluation.jacobian_norm {
        let note = "of dh/dx, Frobenius, in the mean over the images";
        numbers.push(number(
            "Jacobian norm",
            note,
            Better::Neither,
            Cell::plain(norm, 3),
        ));
    }
    if let Some(classification) = &evaluation.classification {
        let cell = Cell::measured(classification, |found| {
            let share = Estimate {
                value: found.error,
                standard_error: found.standard_error,
            };
            Cell::scaled(&share, 100.0, 2, " %")
        });
        let note = "images that the fine-tuned classifier takes for another class";
        numbers.push(number("Classifier's errors", note, Better::Lower, cell));
    }
}

fn unit(term: &str) -> &'static str {
    match term {
        "cross_entropy" => "nats, of Bernoulli on grey pixels: not a likelihood",
        "loss" => "what training made small",
        "negative_elbo" => "nats, at beta 1",
        _ if term.ends_with("_nats") => "nats",
        _ => "",
    }
}

/// A whole number with thin spaces between thousands.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_with_their_errors() {
        let share = Estimate {
            value: 0.91234,
            standard_error: Some(0.0028),
        };
        let Cell::Value(value, text) = Cell::percent(&Measured::Value(share)) else {
            panic!("a value");
        };
        assert_eq!((value, text.as_str()), (0.91234, "91.23 ± 0.28 %"));
        let left_out = Measured::LeftOut {
            left_out: "no labels".into(),
        };
        assert!(matches!(Cell::percent(&left_out), Cell::LeftOut(reason) if reason == "no labels"));
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(999), "999");
    }
}
