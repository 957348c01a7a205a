//! Compares several models: a table of their numbers, and a chart for each term with the curves of all models.

use std::collections::{BTreeMap, BTreeSet};

use hourglass_measure::{Better, Measured, Number};
use maud::{Markup, html};

use crate::charts::{self, Line, key};
use crate::numbers::{self, grouped};
use crate::sections::training::terms;
use crate::sections::wide;
use crate::{Measurement, ModelReport, ReportError};

/// The comparison of two or more models.
pub(crate) fn of(models: &[ModelReport]) -> Result<Markup, ReportError> {
    let charts = curves(models)?;
    Ok(html! {
        p.lead {
            @if is_on_the_same_images(models) { "All were measured on the same images; the best number is bold." }
            @else { "Not all were measured on the same images: their numbers can’t be compared." }
        }
        (wide("Comparison of the numbers", table(models, html! {
            (parameters(models))
            @for (name, cells) in number_rows(models) {
                tr {
                    th scope="row" { (name) }
                    @for (text, is_best) in cells {
                        td { @if is_best { strong { (text) } } @else { (text) } }
                    }
                }
            }
            @for name in ["steps", "seconds", "backend"] { (fact(models, name)) }
        })))
        @if !charts.is_empty() {
            h3 { "Training" }
            (key(with_curves(models)))
            div.charts { @for chart in &charts { (chart) } }
        }
        (settings(models))
    })
}

/// The settings in which the models differ.
fn settings(models: &[ModelReport]) -> Markup {
    let settings = differing_settings(models);
    html! {
        @if !settings.is_empty() {
            h3 { "Settings that differ" }
            (wide("Settings that differ", table(models, html! {
                @for (name, values) in &settings {
                    tr {
                        th scope="row" { code { (breakable(name)) } }
                        @for value in values { td { code { (value) } } }
                    }
                }
            })))
        }
    }
}

/// A path that may be broken between its parts if there is little room.
fn breakable(path: &str) -> Markup {
    html! {
        @for part in path.split_inclusive(['.', '_']) { (part) wbr; }
    }
}

fn measurement(model: &ModelReport) -> Option<&Measurement> {
    match &model.measurement {
        Measured::Value(measurement) => Some(measurement),
        Measured::LeftOut { .. } => None,
    }
}

fn is_on_the_same_images(models: &[ModelReport]) -> bool {
    let images = |model: &ModelReport| {
        let Measurement {
            data_sha256,
            split,
            report,
            ..
        } = measurement(model)?;
        let evaluation = &report.evaluation;
        Some((
            data_sha256.clone(),
            split.clone(),
            evaluation.images,
            evaluation.binarized,
        ))
    };
    let first = models.first().and_then(images);
    first.is_some() && models.iter().all(|model| images(model) == first)
}

/// A table with a column for each model.
fn table(models: &[ModelReport], rows: Markup) -> Markup {
    html! {
        table.numbers {
            thead {
                tr {
                    th scope="col" { span.hidden { "What" } }
                    @for (index, model) in models.iter().enumerate() {
                        th scope="col" { a href={ "#model-" (index + 1) } { (model.name) } }
                    }
                }
            }
            tbody { (rows) }
        }
    }
}

/// The settings in which the models differ, by their paths.
fn differing_settings(models: &[ModelReport]) -> Vec<(String, Vec<String>)> {
    let of = |model: &ModelReport| -> BTreeMap<String, String> {
        match &model.settings {
            Measured::Value(settings) => settings.iter().cloned().collect(),
            Measured::LeftOut { .. } => BTreeMap::new(),
        }
    };
    let settings: Vec<BTreeMap<String, String>> = models.iter().map(of).collect();
    let names: BTreeSet<&String> = settings.iter().flat_map(BTreeMap::keys).collect();
    let rows = names.into_iter().map(|name| {
        let values = settings.iter().map(|settings| settings.get(name).cloned());
        (
            name.clone(),
            values.map(Option::unwrap_or_default).collect::<Vec<_>>(),
        )
    });
    rows.filter(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

fn parameters(models: &[ModelReport]) -> Markup {
    html! {
        tr {
            th scope="row" { "Parameters" }
            @for model in models {
                td { @if let Some(parameters) = model.parameters { (grouped(parameters)) } }
            }
        }
    }
}

fn fact(models: &[ModelReport], name: &str) -> Markup {
    let value = |model: &ModelReport| {
        let fact = model.facts.iter().find(|(other, _)| other == name);
        fact.map_or(String::new(), |(_, value)| value.clone())
    };
    html! {
        @if models.iter().any(|model| !value(model).is_empty()) {
            tr { th scope="row" { (name) } @for model in models { td { (value(model)) } } }
        }
    }
}

/// The numbers of all models by name, each with whether it is the best.
fn number_rows(models: &[ModelReport]) -> Vec<(String, Vec<(String, bool)>)> {
    let of = |model| measurement(model).map_or(Vec::new(), |found| numbers::of(&found.report));
    let numbers: Vec<Vec<Number>> = models.iter().map(of).collect();
    let is_comparable = is_on_the_same_images(models);
    let mut names: Vec<(&str, Better)> = Vec::new();
    for number in numbers.iter().flatten() {
        if names.iter().all(|(name, _)| *name != number.title) {
            names.push((&number.title, number.quantity.better));
        }
    }
    let rows = names.into_iter().map(|(name, better)| {
        let found = numbers
            .iter()
            .map(|numbers| numbers.iter().find(|number| number.title == name));
        let found: Vec<Option<&Number>> = found.collect();
        let value = |number: &Number| number.model.value().map(|estimate| estimate.value);
        let values: Vec<f64> = found.iter().copied().flatten().filter_map(value).collect();
        let best = best(values, better).filter(|_| is_comparable);
        let cells = found.into_iter().map(|number| match number {
            None => (String::new(), false),
            Some(number) => match &number.model {
                Measured::Value(found) => (number.text(found), Some(found.value) == best),
                Measured::LeftOut { .. } => ("–".to_owned(), false),
            },
        });
        (name.to_owned(), cells.collect())
    });
    rows.collect()
}

/// The best of two or more numbers.
fn best(values: Vec<f64>, better: Better) -> Option<f64> {
    let values = (values.len() > 1).then_some(values)?;
    match better {
        Better::Lower => values.into_iter().reduce(f64::min),
        Better::Higher => values.into_iter().reduce(f64::max),
        Better::Neither => None,
    }
}

/// The models that have curves, with the indices of their colours.
fn with_curves(models: &[ModelReport]) -> impl Iterator<Item = (usize, &str)> {
    let models = models.iter().enumerate();
    let models = models.filter(|(_, model)| matches!(model.metrics, Measured::Value(_)));
    models.map(|(index, model)| (index, model.name.as_str()))
}

/// A chart for each term that two or more models have, on the validation images if they have some.
fn curves(models: &[ModelReport]) -> Result<Vec<Markup>, ReportError> {
    let mut by_term: BTreeMap<String, Vec<Line<'_>>> = BTreeMap::new();
    for (color, model) in models.iter().enumerate() {
        let Measured::Value(lines) = &model.metrics else {
            continue;
        };
        for (term, series) in terms(lines) {
            let (split, points) = match series.get_key_value("validation") {
                Some(found) => found,
                None => match series.iter().next() {
                    Some(found) => found,
                    None => continue,
                },
            };
            by_term
                .entry(format!("{split} {term}"))
                .or_default()
                .push(Line {
                    name: &model.name,
                    color,
                    points: points.clone(),
                });
        }
    }
    let shared = by_term.iter().filter(|(_, lines)| lines.len() > 1);
    shared
        .map(|(term, lines)| charts::curves(term, "by step", lines))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_the_lowest_or_the_highest() {
        let best = |values: &[f64], better| best(values.to_vec(), better);
        assert_eq!(best(&[3.0, 1.0, 2.0], Better::Lower), Some(1.0));
        assert_eq!(best(&[3.0, 1.0, 2.0], Better::Higher), Some(3.0));
        assert_eq!(best(&[3.0, 1.0, 2.0], Better::Neither), None);
        assert_eq!(best(&[3.0], Better::Lower), None);
    }
}
