//! Rows of a table and what the model makes of them.

use hourglass_measure::{Measured, Reconstructed};
use hourglass_samples::Input;
use hourglass_tasks::ColumnView;
use maud::{Markup, html};

use super::parts::{either, label_name, left_out, wide};
use crate::{ModelReport, ReportError};

/// Columns that are named for a strange row.
const NAMED: usize = 3;

/// The height of the bars, and the width of each.
const HEIGHT: f64 = 36.0;
const BAR: f64 = 5.0;

/// How the cells of each column are distributed, and how well they are reconstructed.
pub(super) fn columns(model: &ModelReport) -> Result<Markup, ReportError> {
    either(&model.portrait, |portrait| {
        either(&portrait.columns, |columns| {
            let has_samples = columns.iter().any(|column| column.sampled.is_some());
            Ok(html! {
                p.lead {
                    "How the cells of the first rows of the split are distributed, and how what the model makes of them is. Explained: of numbers "
                    "the share of the variance that reconstructions explain, of others the share of cells that come back."
                }
                (wide("Columns", html! {
                    table.bars {
                        thead {
                            tr {
                                th scope="col" { "Column" }
                                th scope="col" { "Explained" }
                                th scope="col" { "Data" }
                                th scope="col" { "Reconstructed" }
                                @if has_samples { th scope="col" { "Sampled" } }
                            }
                        }
                        tbody {
                            @for column in columns {
                                tr {
                                    th scope="row" { (column.name) }
                                    td { (column.explained.map_or("–".to_owned(), |share| format!("{share:.3}"))) }
                                    td { (bars(column, &column.data, "data")) }
                                    td { (bars(column, &column.reconstructed, "reconstructions")) }
                                    @if let Some(sampled) = &column.sampled { td { (bars(column, sampled, "samples")) } }
                                }
                            }
                        }
                    }
                }))
            })
        })
    })
}

/// A small bar chart, whose highest bar is that of the data.
fn bars(column: &ColumnView, shares: &[f64], what: &str) -> Markup {
    let highest = column
        .data
        .iter()
        .copied()
        .fold(f64::MIN_POSITIVE, f64::max);
    let width = BAR * shares.len() as f64;
    html! {
        svg width=(width) height=(HEIGHT) viewBox=(format!("0 0 {width} {HEIGHT}")) role="img" aria-label=(format!("{}, {what}", column.name)) {
            @for (place, (share, name)) in shares.iter().zip(&column.bars).enumerate() {
                @let height = (share / highest * HEIGHT).min(HEIGHT);
                rect x=(BAR * place as f64) y=(HEIGHT - height) width=(BAR - 1.0) height=(height) fill="currentColor" {
                    title { (name) ": " (format!("{:.1} %", 100.0 * share)) }
                }
            }
        }
    }
}

/// The rows with the largest errors, and the columns that made them.
pub(super) fn strangest(model: &ModelReport) -> Markup {
    let measurement = match &model.measurement {
        Measured::Value(measurement) => measurement,
        Measured::LeftOut { left_out: reason } => return left_out(reason),
    };
    let (Some(Measured::Value(part)), Some(description)) =
        (&measurement.report.reconstruction, &model.description)
    else {
        return left_out("the errors of single rows were not measured");
    };
    let name = |label| label_name(measurement.label_names.as_deref(), label);
    html! {
        p.lead { "The rows of the split with the largest squared errors, counted from 0, and the columns that have most of the error." }
        (wide("Strangest rows", html! {
            table {
                thead {
                    tr {
                        th scope="col" { "Row" }
                        th scope="col" { "Label" }
                        th scope="col" { "Squared error" }
                        th scope="col" { "Columns" }
                    }
                }
                tbody {
                    @for row in &part.worst {
                        tr {
                            th scope="row" { (row.place) }
                            td { (row.label.map(name).unwrap_or_default()) }
                            td { (format!("{:.2}", row.squared_error)) }
                            td { (reasons(&description.input, row).join("; ")) }
                        }
                    }
                }
            }
        }))
    }
}

/// The columns with the largest errors, in the user's units.
fn reasons(input: &Input, row: &Reconstructed) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut first = 0;
    for column in input.columns() {
        let own = first..first + column.features();
        first = own.end;
        let (found, made) = (&row.image[own.clone()], &row.reconstruction[own]);
        let error: f64 = found
            .iter()
            .zip(made)
            .map(|(a, b)| f64::from(a - b).powi(2))
            .sum();
        let expected = column.text(column.decode(made));
        let found = column.told(found);
        reasons.push((
            error,
            format!("{}: expected {expected}, found {found}", column.name),
        ));
    }
    reasons.sort_by(|a, b| b.0.total_cmp(&a.0));
    let largest = reasons.into_iter().take(NAMED);
    largest.map(|(_, reason)| reason).collect()
}
