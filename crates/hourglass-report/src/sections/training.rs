//! Training curves.

use std::collections::BTreeMap;

use hourglass_store::MetricsLine;
use maud::{Markup, html};

use super::parts::either;
use crate::charts::{self, Line, key};
use crate::{ModelReport, ReportError};

/// Points by split, of a term.
pub(crate) type Series<'a> = BTreeMap<&'a str, Vec<(f64, f64)>>;

/// The curves of a run, a chart for each term, and what the run says of its training.
pub(super) fn curves_of(lines: &[MetricsLine]) -> Result<Markup, ReportError> {
    let terms = terms(lines);
    let mut splits: Vec<&str> = terms.values().flat_map(Series::keys).copied().collect();
    splits.sort_unstable();
    splits.dedup();
    let drawn = terms.iter().map(|(term, series)| {
        let lines = series.iter().map(|(split, points)| Line {
            name: split,
            color: color(split),
            points: points.clone(),
        });
        charts::curves(term, "by step", &lines.collect::<Vec<_>>())
    });
    let drawn: Vec<Markup> = drawn.collect::<Result<_, ReportError>>()?;
    Ok(html! {
        (key(splits.iter().map(|split| (color(split), *split))))
        div.charts { @for chart in &drawn { (chart) } }
    })
}

pub(super) fn curves(model: &ModelReport) -> Result<Markup, ReportError> {
    let drawn = either(&model.metrics, |lines| match lines.is_empty() {
        true => Ok(super::left_out("metrics.jsonl has no line yet")),
        false => curves_of(lines),
    })?;
    Ok(html! {
        @if !model.facts.is_empty() {
            dl.facts {
                @for (name, value) in &model.facts { div { dt { (name.replace('_', " ")) } dd { (value) } } }
            }
        }
        (drawn)
    })
}

/// The same split has the same colour everywhere.
fn color(split: &str) -> usize {
    match split {
        "train" => 0,
        "validation" => 1,
        _ => 2,
    }
}

/// The terms of all lines, each with its points by split. In a run of several phases, each phase has terms of its own.
pub(crate) fn terms(lines: &[MetricsLine]) -> BTreeMap<String, Series<'_>> {
    let mut terms: BTreeMap<String, Series<'_>> = BTreeMap::new();
    for line in lines {
        for (term, value) in &line.terms {
            let points = terms
                .entry(line.title(term))
                .or_default()
                .entry(&line.split)
                .or_default();
            points.extend(value.as_f64().map(|value| (line.step as f64, value)));
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_those_of_the_lines() {
        let line = |step, split: &str, value: f64| -> MetricsLine {
            let json =
                serde_json::json!({"step": step, "epoch": 1.0, "split": split, "loss": value});
            serde_json::from_value(json).expect("a line")
        };
        let lines = [
            line(1, "train", 5.0),
            line(1, "validation", 6.0),
            line(2, "train", 4.0),
        ];
        let terms = terms(&lines);
        assert_eq!(terms["loss"]["train"], [(1.0, 5.0), (2.0, 4.0)]);
        assert_eq!(terms["loss"]["validation"], [(1.0, 6.0)]);
        let html = curves_of(&lines).unwrap().into_string();
        assert_eq!(html.matches("<figure").count(), 1);
        assert!(html.contains("train: 5.0000 at step 1, 4.0000 at step 2"));
    }
}
