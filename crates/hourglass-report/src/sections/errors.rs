//! Errors by class, confusions between classes, and errors from corrupted images.

use hourglass_measure::measures::Confusion;
use hourglass_measure::{Class, Measured};
use maud::{Markup, html};

use super::parts::{label_name, left_out, wide};
use crate::numbers::with_error;
use crate::{Measurement, ModelReport};

/// A matrix of more classes is too large for a page; only its most frequent confusions are listed then.
const MOST_CLASSES: usize = 30;

/// The number of confusions that are listed.
const LISTED: usize = 5;

/// The error of each class, the model's beside PCA's.
pub(super) fn by_class(model: &ModelReport) -> Markup {
    let measurement = match &model.measurement {
        Measured::Value(measurement) => measurement,
        Measured::LeftOut { left_out: reason } => return left_out(reason),
    };
    let classes = match &measurement.report.reconstruction {
        Some(Measured::Value(part)) => Some(&part.classes),
        Some(Measured::LeftOut { left_out: reason }) => return left_out(reason),
        None => None,
    };
    match classes {
        Some(Measured::Value(classes)) => class_table(measurement, classes),
        Some(Measured::LeftOut { left_out: reason }) => left_out(reason),
        None => left_out("the errors of single images were not measured"),
    }
}

fn class_table(measurement: &Measurement, classes: &[Class]) -> Markup {
    let pca = |class: &Class| class.pca_squared_error.map_or(0.0, |error| error.value);
    let errors = classes
        .iter()
        .map(|class| class.squared_error.value.max(pca(class)));
    let largest = errors.fold(0.0, f64::max);
    let has_pca = classes
        .iter()
        .any(|class| class.pca_squared_error.is_some());
    let name = |label| label_name(measurement.label_names.as_deref(), label);
    html! {
        p.lead { "The squared error, in the mean over the images of a class; ± is one standard error." }
        (wide("Error by class", html! {
            table.bars {
                thead {
                    tr {
                        th scope="col" { "Class" }
                        th scope="col" { "Images" }
                        th scope="col" { "Model" }
                        @if has_pca { th scope="col" { "PCA" } }
                    }
                }
                tbody {
                    @for class in classes {
                        tr {
                            th scope="row" { (name(class.label)) }
                            td { (class.images) }
                            td { (with_error(&class.squared_error)) (bar(class.squared_error.value / largest, 0)) }
                            @if let Some(error) = &class.pca_squared_error {
                                td { (with_error(error)) (bar(error.value / largest, 1)) }
                            }
                        }
                    }
                }
            }
        }))
    }
}

/// A bar in a cell; its number stands beside it.
fn bar(share: f64, color: usize) -> Markup {
    let percent = if share.is_finite() {
        share.clamp(0.0, 1.0) * 100.0
    } else {
        0.0
    };
    html! {
        span.track aria-hidden="true" {
            span class={ "bar c" (color) } style=(format!("width:{percent:.1}%")) {}
        }
    }
}

/// Which classes the linear probe takes for which.
pub(super) fn confusion(model: &ModelReport) -> Markup {
    let measurement = match &model.measurement {
        Measured::Value(measurement) => measurement,
        Measured::LeftOut { left_out: reason } => return left_out(reason),
    };
    let readout = match &measurement.report.representation {
        Some(Measured::Value(representation)) => &representation.codes,
        Some(Measured::LeftOut { left_out: reason }) => return left_out(reason),
        None => return left_out("the linear probe was not measured"),
    };
    match (&readout.probe_confusion, &readout.probe_accuracy) {
        (Some(confusion), _) => matrix(measurement, confusion),
        (None, Measured::LeftOut { left_out: reason }) => left_out(reason),
        (None, Measured::Value(_)) => left_out("the single answers were not kept"),
    }
}

fn matrix(measurement: &Measurement, confusion: &Confusion) -> Markup {
    let name = |label: u8| label_name(measurement.label_names.as_deref(), label);
    let frequent = most_frequent(confusion);
    html! {
        p.lead {
            "A linear probe, fitted to the codes of training images, tells the classes of "
            (confusion.hits()) " of " (confusion.total()) " images right. "
            "A row for each true class, a column for what it was taken for."
        }
        @if confusion.classes().len() <= MOST_CLASSES {
            (wide("Confusion matrix", table(confusion, &name)))
        }
        @if !frequent.is_empty() {
            p.after {
                "Most often confused: "
                @for (place, (actual, predicted, count)) in frequent.iter().enumerate() {
                    @if place > 0 { ", " }
                    (name(*actual)) " taken for " (name(*predicted)) " (" (count) ")"
                }
                "."
            }
        }
    }
}

fn table(confusion: &Confusion, name: &dyn Fn(u8) -> String) -> Markup {
    let wrong = most_frequent(confusion)
        .first()
        .map_or(1, |(_, _, count)| *count);
    let style = |row: &[usize], place: usize, column: usize| {
        let all: usize = row.iter().sum();
        // Hits by the share of their class, errors by that of the most frequent one: each has its own colour.
        let (color, share) = match place == column {
            true => ("0 114 178", row[column] as f64 / all.max(1) as f64 * 0.45),
            false => ("213 94 0", row[column] as f64 / wrong as f64 * 0.65),
        };
        format!("background-color:rgb({color} / {share:.3})")
    };
    html! {
        table.matrix {
            caption.hidden { "Rows are true classes, columns are predicted ones" }
            thead {
                tr {
                    th scope="col" { span.hidden { "True class" } }
                    @for class in confusion.classes() { th scope="col" { (name(*class)) } }
                }
            }
            tbody {
                @for (place, (class, row)) in confusion.classes().iter().zip(confusion.rows()).enumerate() {
                    tr {
                        th scope="row" { (name(*class)) }
                        @for (column, count) in row.iter().enumerate() {
                            td style=(style(row, place, column)) { @if *count > 0 { (count) } }
                        }
                    }
                }
            }
        }
    }
}

/// True class, predicted class and how often, the most frequent errors first.
fn most_frequent(confusion: &Confusion) -> Vec<(u8, u8, usize)> {
    let classes = confusion.classes();
    let mut found = Vec::new();
    for (actual, row) in classes.iter().zip(confusion.rows()) {
        let errors = classes
            .iter()
            .zip(row)
            .filter(|(predicted, count)| *predicted != actual && **count > 0);
        found.extend(errors.map(|(predicted, count)| (*actual, *predicted, *count)));
    }
    found.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    found.truncate(LISTED);
    found
}

/// The error by kind and level of corruption, where it was measured.
pub(super) fn robustness(model: &ModelReport) -> Option<Markup> {
    let Measured::Value(measurement) = &model.measurement else {
        return None;
    };
    let rows = match measurement.report.robustness.as_ref()? {
        Measured::Value(rows) => rows,
        Measured::LeftOut { left_out: reason } => return Some(left_out(reason)),
    };
    let has_pca = rows.iter().any(|row| row.pca_squared_error.is_some());
    Some(html! {
        p.lead { "Squared errors against the clean images." }
        (wide("Errors from corrupted images", html! {
            table.numbers {
                thead {
                    tr {
                        th scope="col" { "Corruption" }
                        th scope="col" { "Level" }
                        th scope="col" { "Corrupted image" }
                        th scope="col" { "Model" }
                        @if has_pca { th scope="col" { "PCA" } }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { (row.corruption.in_words()) }
                            td { (row.level) }
                            td { (format!("{:.2}", row.corrupted_squared_error)) }
                            td { (with_error(&row.squared_error)) }
                            @if has_pca {
                                td { @if let Some(error) = &row.pca_squared_error { (with_error(error)) } }
                            }
                        }
                    }
                }
            }
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers in the cells of a table, which must be those that were counted.
    #[test]
    fn the_cells_of_the_matrix_add_up_to_the_images() {
        let pairs = [(0, 0), (0, 1), (1, 1), (1, 1), (2, 1), (2, 2), (2, 1)];
        let confusion = Confusion::count(pairs.into_iter());
        let html = table(&confusion, &|label| format!("<{label}>")).into_string();
        let cells = html.split("<td").skip(1).map(|cell| {
            let (_, rest) = cell.split_once('>').expect("a cell");
            rest.split('<').next().expect("its text")
        });
        let sum: usize = cells.filter_map(|text| text.parse::<usize>().ok()).sum();
        assert_eq!(sum, pairs.len());
        assert!(html.contains("&lt;2&gt;") && !html.contains("<2>"));
        assert_eq!(most_frequent(&confusion), [(2, 1, 2), (0, 1, 1)]);
    }

    #[test]
    fn bars_are_as_long_as_their_shares() {
        for (share, width) in [(0.5, "50.0%"), (f64::NAN, "0.0%"), (7.0, "100.0%")] {
            assert!(
                bar(share, 0).0.contains(&format!("width:{width}")),
                "{share}"
            );
        }
    }
}
