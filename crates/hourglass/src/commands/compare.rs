//! `hourglass compare`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hourglass_files::{read, read_to_string};
use hourglass_train::{FinishedEstimate, RunDirectory};
use serde_json::{Map, Value, json};

/// Compare finished runs: the settings in which they differ, and their numbers
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass compare runs/variational-1 runs/variational-2\n  hourglass compare runs/* --markdown\n\nThe numbers are those of each run's summary.json. Where `hourglass evaluate` has kept estimates of the log-likelihood of the same images by as many samples for every run, the one by most samples is added, with the difference to the first run over the images and its standard error."
)]
pub(crate) struct Arguments {
    /// Run directories
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Print a Markdown table
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is known of a run.
struct Run {
    path: PathBuf,
    /// Every setting of the resolved recipe, by its path in it.
    settings: BTreeMap<String, Value>,
    /// The split that was measured, and its numbers by name.
    split: &'static str,
    numbers: Map<String, Value>,
    /// Seconds of training, steps and the backend.
    facts: Map<String, Value>,
    /// What `evaluate` has kept of the log-likelihood.
    estimates: Vec<FinishedEstimate>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runs: Vec<Run> = arguments
        .runs
        .iter()
        .map(|path| Run::read(path))
        .collect::<Result<_>>()?;
    let mut rows = rows(&runs);
    rows.extend(likelihood_rows(&runs));
    if arguments.json {
        let runs = runs.iter().enumerate().map(|(column, run)| {
            let values = rows
                .iter()
                .map(|(name, values)| (name.clone(), values[column].clone()));
            json!({"run": run.path, "values": values.collect::<Map<_, _>>()})
        });
        say!("{:#}", Value::Array(runs.collect()))?;
        return Ok(());
    }
    let mut table = vec![vec!["run".to_owned()]];
    table[0].extend(runs.iter().map(|run| run.path.display().to_string()));
    for (name, values) in &rows {
        let mut row = vec![name.clone()];
        row.extend(values.iter().map(text));
        table.push(row);
    }
    crate::output::text(&match arguments.markdown {
        true => markdown(&table),
        false => columns(&table),
    })
}

impl Run {
    fn read(path: &Path) -> Result<Self> {
        let run = RunDirectory::open(path);
        if !run.summary().exists() {
            bail!(
                "{}: expected a finished run with a summary.json, found none; finish it with --resume",
                path.display()
            );
        }
        let text = read_to_string(&run.recipe())?;
        let recipe: toml::Table = text
            .parse()
            .with_context(|| run.recipe().display().to_string())?;
        let mut settings = BTreeMap::new();
        flatten("", &toml::Value::Table(recipe), &mut settings);
        let text = read(&run.summary())?;
        let mut facts: Map<String, Value> =
            serde_json::from_slice(&text).with_context(|| run.summary().display().to_string())?;
        let split = ["test", "validation", "train"];
        let split = split.into_iter().find(|split| facts.contains_key(*split));
        let numbers = split.and_then(|split| facts.remove(split));
        let (Some(split), Some(Value::Object(numbers))) = (split, numbers) else {
            bail!(
                "{}: expected the numbers of a split, found none",
                run.summary().display()
            );
        };
        if let Some(reason) = numbers.get("left_out").and_then(Value::as_str) {
            let path = path.display();
            bail!(
                "{path}: expected a run with numbers, found none: {reason}; measure it by\n  hourglass \
                 train --resume --out {path}"
            );
        }
        Ok(Self {
            path: path.to_owned(),
            settings,
            split,
            numbers,
            facts,
            estimates: FinishedEstimate::all_of(&run),
        })
    }
}

/// The settings of a table by their paths.
pub(super) fn flatten(path: &str, value: &toml::Value, settings: &mut BTreeMap<String, Value>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                flatten(&path, value, settings);
            }
        }
        other => {
            settings.insert(path.to_owned(), json!(other));
        }
    }
}

/// The settings that differ, then the numbers, then what is known of the training; a value for each run.
fn rows(runs: &[Run]) -> Vec<(String, Vec<Value>)> {
    let mut rows = Vec::new();
    let settings: std::collections::BTreeSet<&String> =
        runs.iter().flat_map(|run| run.settings.keys()).collect();
    for name in settings {
        let values: Vec<_> = runs.iter().map(|run| run.settings.get(name)).collect();
        if values.windows(2).any(|pair| pair[0] != pair[1]) {
            let values = values.into_iter().map(|value| json!(value));
            rows.push((name.clone(), values.collect()));
        }
    }
    let data: Vec<Value> = runs
        .iter()
        .map(|run| json!(run.facts.get("data").map(|data| &data["sha256"])))
        .collect();
    if data.windows(2).any(|pair| pair[0] != pair[1]) {
        rows.push(("data.sha256".into(), data));
    }
    let splits = runs.iter().map(|run| json!(run.split));
    rows.push(("measured on".into(), splits.collect()));
    let mut names: Vec<&String> = Vec::new();
    for name in runs.iter().flat_map(|run| run.numbers.keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut row = |name: &str, value: &dyn Fn(&Run) -> Option<&Value>| {
        let value = |run| value(run).filter(|value| value.is_number() || value.is_string());
        let values: Vec<Value> = runs
            .iter()
            .map(|run| value(run).cloned().unwrap_or(Value::Null))
            .collect();
        if values.iter().any(|value| !value.is_null()) {
            rows.push((name.to_owned(), values));
        }
    };
    for name in names.into_iter().filter(|name| *name != "note") {
        row(name, &|run| run.numbers.get(name));
    }
    row("pca.squared_error", &|run| {
        run.numbers.get("pca")?.get("squared_error")
    });
    row("classifier.error", &|run| {
        run.numbers.get("classifier")?.get("error")
    });
    for name in ["steps", "seconds", "backend"] {
        row(name, &|run| run.facts.get(name));
    }
    rows
}

/// The log-likelihoods that all runs have of the same images of the first one's data and split, by most samples, and how
/// far each is from the first's.
fn likelihood_rows(runs: &[Run]) -> Vec<(String, Vec<Value>)> {
    let Some(estimates) = comparable_estimates(runs) else {
        return Vec::new();
    };
    let first = estimates[0];
    let difference = |estimate: &FinishedEstimate| {
        let is_first = std::ptr::eq(estimate, first);
        (!is_first).then(|| estimate.difference_to(first)).flatten()
    };
    let mut rows = Vec::new();
    let mut row = |name: &str, value: &dyn Fn(&FinishedEstimate) -> Value| {
        let values: Vec<Value> = estimates.iter().map(|estimate| value(estimate)).collect();
        if values.iter().any(|value| !value.is_null()) {
            rows.push((format!("log_likelihood.{name}"), values));
        }
    };
    row("samples", &|estimate| json!(estimate.origin.samples));
    row("is_likelihood", &|estimate| {
        json!(estimate.origin.is_likelihood)
    });
    row("importance_weighted_nats", &|estimate| {
        json!(estimate.mean().map(|mean| mean.value))
    });
    row("difference_to_first_nats", &|estimate| {
        json!(difference(estimate).map(|difference| difference.value))
    });
    row("difference_standard_error_nats", &|estimate| {
        json!(difference(estimate).and_then(|difference| difference.standard_error))
    });
    rows
}

/// An estimate of each run.
fn comparable_estimates<'a>(runs: &'a [Run]) -> Option<Vec<&'a FinishedEstimate>> {
    let first = runs.first()?;
    let data = &first.facts.get("data")?["name"];
    let of_first = first
        .estimates
        .iter()
        .filter(|estimate| estimate.origin.split == first.split && *data == estimate.origin.data);
    let of_all = |own| {
        let of_run = |run: &'a Run| run.estimates.iter().find(|other| other.is_comparable(own));
        runs.iter().map(of_run).collect::<Option<Vec<_>>>()
    };
    let candidates = of_first.filter_map(of_all);
    candidates.max_by_key(|estimates| estimates[0].origin.samples)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => decimal(number.as_f64().unwrap_or(f64::NAN)),
        other => other.to_string(),
    }
}

/// Three decimals, as `train` prints; of numbers below 1, such as rates, four significant digits.
fn decimal(number: f64) -> String {
    let power = number.abs().log10().floor();
    match power {
        -6.0..0.0 => {
            let text = format!("{number:.digits$}", digits = (3.0 - power) as usize);
            text.trim_end_matches('0').to_owned()
        }
        f64::MIN..-6.0 => format!("{number:.3e}"),
        // Of 0 it is minus infinity.
        _ => format!("{number:.3}"),
    }
}

/// Columns of their greatest width, the first to the left and the others to the right.
fn columns(table: &[Vec<String>]) -> String {
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..table[0].len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in table {
        text += &format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            text += &format!("  {cell:>width$}");
        }
        text.push('\n');
    }
    text
}

fn markdown(table: &[Vec<String>]) -> String {
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = format!("|---|{}\n", "--:|".repeat(table[0].len() - 1));
    let rows: String = table[1..].iter().map(line).collect();
    line(&table[0]) + &rule + &rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_differ_are_told_apart() {
        let numbers = [
            0.0,
            12.3456,
            -1.0,
            0.5,
            1e-3,
            1.2e-3,
            -2.5e-4,
            1.0 / 6.0,
            1e-9,
        ];
        let expected = [
            "0.000", "12.346", "-1.000", "0.5", "0.001", "0.0012", "-0.00025", "0.1667", "1.000e-9",
        ];
        assert_eq!(numbers.map(decimal), expected);
    }
}
