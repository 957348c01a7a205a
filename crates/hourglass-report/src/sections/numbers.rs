//! Numbers on held-out data.

use hourglass_measure::measures::Estimate;
use hourglass_measure::{Measured, Number, PcaComparison};
use maud::{Markup, html};

use super::parts::{left_out, wide};
use crate::numbers::grouped;
use crate::{Measurement, ModelReport, numbers};

/// The numbers that say most, with PCA's beside them.
pub(crate) fn headlines(measurement: &Measurement) -> Markup {
    let numbers = numbers::of(&measurement.report);
    let chosen = numbers.iter().filter(|number| number.quantity.is_headline);
    html! {
        dl.headlines {
            @for number in chosen {
                @if let Measured::Value(model) = &number.model {
                    div {
                        dt { (number.title) }
                        dd {
                            strong { (number.short_text(model)) }
                            @if let Some(Measured::Value(pca)) = &number.pca {
                                " " span.beside { "PCA " (number.short_text(pca)) }
                            }
                        }
                    }
                }
            }
        }
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
    let has_pixels = numbers.iter().any(|number| number.pixels.is_some());
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
                @if number.title.contains(char::is_uppercase) || number.title.contains(' ') { (number.title) }
                @else { code { (number.title) } }
                @if !number.quantity.note.is_empty() { " " span.note { (number.quantity.note) } }
            }
            td { (cell(number, Some(&number.model))) }
            td { (cell(number, number.pca.as_ref())) }
            @if has_pixels { td { (cell(number, number.pixels.as_ref())) } }
        }
    }
}

fn cell(number: &Number, found: Option<&Measured<Estimate>>) -> Markup {
    html! {
        @match found {
            None => {}
            Some(Measured::Value(estimate)) => {
                @let text = number.text(estimate);
                @match text.split_once(" ± ") {
                    Some((number, error)) => { (number) " " span.error { "± " (error) } }
                    None => { (text) }
                }
            }
            Some(Measured::LeftOut { .. }) => { span title="left out" { "–" } }
        }
    }
}

/// Why numbers of the table and parts of the report are missing: each reason once, with everything that it applies to.
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
        let found = [
            ("", Some(&number.model)),
            ("PCA", number.pca.as_ref()),
            ("pixels", number.pixels.as_ref()),
        ];
        for (whose, found) in found {
            if let Some(Measured::LeftOut { left_out }) = found {
                add(whose, &number.title, left_out);
            }
        }
    }
    for (quantity, reason) in measurement.report.left_out() {
        if quantity.shown.on_page {
            add("", quantity.title, &reason);
        }
    }
    html! {
        @if !reasons.is_empty() {
            ul.missing {
                @for (reason, names) in reasons { li { (names.join(", ")) " – " (reason) "." } }
            }
        }
    }
}

/// The earlier numbers from a file, where there are no others.
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
