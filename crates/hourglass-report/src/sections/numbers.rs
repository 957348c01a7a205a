//! Numbers on held-out data.

use hourglass_measure::{Measured, PcaComparison};
use maud::{Markup, html};

use super::parts::{left_out, wide};
use crate::numbers::{Cell, Number, grouped};
use crate::{Measurement, ModelReport, numbers};

/// The numbers that stand above all else, by name.
const HEADLINES: [&str; 6] = [
    "Squared error",
    "SSIM",
    "Linear probe",
    "Negative ELBO",
    "Active units an image",
    "Classifier's errors",
];

/// The numbers that say most, with PCA's beside them.
pub(crate) fn headlines(measurement: &Measurement) -> Markup {
    let numbers = numbers::of(&measurement.report);
    let chosen = numbers
        .iter()
        .filter(|number| HEADLINES.contains(&number.name.as_str()));
    html! {
        dl.headlines {
            @for number in chosen {
                @if let Cell::Value(_, text) = &number.model {
                    div {
                        dt { (number.name) }
                        dd {
                            strong { (without_error(text)) }
                            @if let Cell::Value(_, text) = &number.pca {
                                " " span.beside { "PCA " (without_error(text)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A number's text without its error, for a glance.
fn without_error(text: &str) -> String {
    match text.split_once(" ± ") {
        Some((number, rest)) => {
            let unit = rest.split_once(' ').map_or("", |(_, unit)| unit);
            format!("{number} {unit}").trim_end().to_owned()
        }
        None => text.to_owned(),
    }
}

pub(super) fn table(model: &ModelReport) -> Markup {
    let measurement = match &model.measurement {
        Measured::Value(measurement) => measurement,
        Measured::LeftOut { left_out: reason } => {
            return html! {
                (left_out(reason))
                (missing_numbers(model))
            };
        }
    };
    let numbers = numbers::of(&measurement.report);
    let has_pixels = numbers
        .iter()
        .any(|number| !matches!(number.pixels, Cell::Nothing));
    html! {
        p.lead {
            (grouped(measurement.report.evaluation.images)) " " (measurement.split) " images of "
            strong { (measurement.data) }
            @if measurement.report.evaluation.binarized { ", made binary by chance" }
            ". ± is one standard error over the images."
        }
        (wide("Numbers", html! {
            table.numbers {
                thead {
                    tr {
                        th scope="col" { "Measure" }
                        th scope="col" { "Model" }
                        th scope="col" { (pca_name(measurement)) }
                        @if has_pixels { th scope="col" { "Pixels" } }
                    }
                }
                tbody {
                    @for number in &numbers { (row(number, has_pixels)) }
                }
            }
        }))
        (reasons(measurement, &numbers))
    }
}

fn pca_name(measurement: &Measurement) -> String {
    match measurement.report.evaluation.pca {
        PcaComparison::Measured { components, .. } => format!("PCA, {components} components"),
        PcaComparison::LeftOut(_) => "PCA".into(),
    }
}

fn row(number: &Number, has_pixels: bool) -> Markup {
    html! {
        tr {
            th scope="row" {
                // The names of terms are those in files.
                @if number.name.contains(char::is_uppercase) || number.name.contains(' ') { (number.name) }
                @else { code { (number.name) } }
                @if !number.note.is_empty() { " " span.note { (number.note) } }
            }
            td { (cell(&number.model)) }
            td { (cell(&number.pca)) }
            @if has_pixels { td { (cell(&number.pixels)) } }
        }
    }
}

fn cell(cell: &Cell) -> Markup {
    html! {
        @match cell {
            Cell::Nothing => {}
            Cell::Value(_, text) => {
                @match text.split_once(" ± ") {
                    Some((number, error)) => { (number) " " span.error { "± " (error) } }
                    None => { (text) }
                }
            }
            Cell::LeftOut(_) => { span title="left out" { "–" } }
        }
    }
}

/// Why numbers of the table, and parts of the report, are not there: each reason once, with all that it is the reason of.
fn reasons(measurement: &Measurement, numbers: &[Number]) -> Markup {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    let mut add = |whose: &str, what, reason: &str| {
        let reason = format!("left out, since {reason}");
        let reason = if whose.is_empty() {
            reason
        } else {
            format!("{whose}: {reason}")
        };
        match reasons.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, names)) => names.push(what),
            None => reasons.push((reason, vec![what])),
        }
    };
    for number in numbers {
        let cells = [
            ("", &number.model),
            ("PCA", &number.pca),
            ("pixels", &number.pixels),
        ];
        for (whose, cell) in cells {
            if let Cell::LeftOut(reason) = cell {
                add(whose, &number.name, reason);
            }
        }
    }
    if let Some(Measured::LeftOut { left_out }) = &measurement.report.representation {
        add("", "Linear probe, 5 nearest neighbours", left_out);
    }
    html! {
        @if !reasons.is_empty() {
            ul.missing {
                @for (reason, names) in reasons { li { (names.join(", ")) " – " (reason) "." } }
            }
        }
    }
}

/// The numbers that a file has from before, where there are no others.
fn missing_numbers(model: &ModelReport) -> Markup {
    html! {
        @if let Some(stored) = &model.stored {
            p.lead { "The numbers that " code { (stored.source) } " has from before:" }
            (wide("Stored numbers", html! {
                table.numbers {
                    thead { tr { th scope="col" { "Measure" } th scope="col" { "Model" } } }
                    tbody {
                        @for (name, value) in &stored.numbers {
                            tr { th scope="row" { code { (name) } } td { (format!("{value:.3}")) } }
                        }
                    }
                }
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::without_error;

    #[test]
    fn a_glance_leaves_out_the_error_and_keeps_the_unit() {
        assert_eq!(without_error("91.23 ± 0.28 %"), "91.23 %");
        assert_eq!(without_error("6.98 ± 0.04"), "6.98");
        assert_eq!(without_error("17.5"), "17.5");
    }
}
