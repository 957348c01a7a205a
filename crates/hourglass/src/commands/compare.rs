//! `hourglass compare`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hourglass_files::read;
use hourglass_measure::{FinishedEstimate, Number, Quantity, numbers, quantities};
use hourglass_store::{Description, METRICS_FILE, RECIPE_FILE, RunDirectory, SavedModel};
use serde_json::{Map, Value, json};

use crate::recipes::flatten;

/// Compare runs and published models: the settings in which they differ, and their numbers
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass compare runs/variational-1 runs/variational-2\n  hourglass compare runs/* --markdown\n  hourglass compare variational conv\n\nThe numbers are those of each run's summary.json, which training writes, or those of a metrics.json, which published models have and `hourglass evaluate RUN --json > RUN/metrics.json` writes. Where `hourglass evaluate` has kept estimates of the log-likelihood of the same images by as many samples for every run, the one by most samples is added, with the difference to the first run over the images and its standard error."
)]
pub(crate) struct Arguments {
    /// Run directories, or published models
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
    split: String,
    numbers: Value,
    /// The data that it was trained on, seconds of training, steps and the backend.
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
        let saved = SavedModel::find(path)?;
        let run = saved.directory().map(RunDirectory::open);
        let of_training = run.as_ref().map(of_summary).transpose()?.flatten();
        let kept = match of_training {
            Some(kept) => Some(kept),
            None => of_metrics(&saved)?,
        };
        let Some(Kept {
            split,
            numbers,
            facts,
        }) = kept
        else {
            bail!(missing(&saved));
        };
        let estimates = run.as_ref().map(FinishedEstimate::all_of);
        Ok(Self {
            path: path.to_owned(),
            settings: settings(&saved)?,
            split,
            numbers: Value::Object(numbers),
            facts,
            estimates: estimates.unwrap_or_default(),
        })
    }

    /// The model's number, where it has one.
    fn number(&self, quantity: &Quantity) -> Option<Value> {
        let is_it = |number: &Number| number.quantity.places == quantity.places;
        let number = numbers(&self.numbers).into_iter().find(is_it)?;
        let estimate = number.model.value()?;
        Some(json!(estimate.value))
    }
}

/// What is kept of a measured model.
struct Kept {
    split: String,
    numbers: Map<String, Value>,
    /// What is known of the training.
    facts: Map<String, Value>,
}

/// What a training has written, where it has ended and measured its model.
fn of_summary(run: &RunDirectory) -> Result<Option<Kept>> {
    if !run.summary().exists() {
        return Ok(None);
    }
    let text = read(&run.summary())?;
    let facts: serde_json::Result<Map<String, Value>> = serde_json::from_slice(&text);
    let mut facts = facts.with_context(|| run.summary().display().to_string())?;
    for split in ["test", "validation", "train"] {
        if let Some(Value::Object(numbers)) = facts.remove(split)
            && !numbers.contains_key("left_out")
        {
            let split = split.to_owned();
            return Ok(Some(Kept {
                split,
                numbers,
                facts,
            }));
        }
    }
    Ok(None)
}

/// What `evaluate --json` has printed of a model, where that was kept.
fn of_metrics(saved: &SavedModel) -> Result<Option<Kept>> {
    if !saved.has(METRICS_FILE) {
        return Ok(None);
    }
    let Description { data, .. } = saved.description()?;
    let numbers = serde_json::from_slice(&saved.file(METRICS_FILE)?);
    let mut numbers: Map<String, Value> =
        numbers.with_context(|| saved.name().join(METRICS_FILE).display().to_string())?;
    let mut take = |name: &str| numbers.shift_remove(name).unwrap_or_default();
    let (split, measured, backend) = (take("split"), take("data"), take("backend"));
    for of_the_model in ["run", "model_sha256", "family", "model", "units"] {
        take(of_the_model);
    }
    let split = text(&split);
    let split = match measured.as_str() {
        Some(name) if name != data.name => format!("{split} of {name}"),
        _ => split,
    };
    let facts = [("data", json!(data)), ("backend", backend)];
    let facts = facts.map(|(name, value)| (name.to_owned(), value));
    Ok(Some(Kept {
        split,
        numbers,
        facts: facts.into_iter().collect(),
    }))
}

/// Why a model can't be compared, and what it takes.
fn missing(saved: &SavedModel) -> String {
    let name = saved.name().display();
    let finish = match saved
        .directory()
        .map(|path| RunDirectory::open(path).recipe())
    {
        Some(recipe) if recipe.exists() => {
            format!("finish the run by `hourglass train --resume --out {name}`, or ")
        }
        _ => String::new(),
    };
    format!(
        "{name}: expected a finished run with its numbers in summary.json, or a model with a {METRICS_FILE}, found neither; \
         {finish}measure the model by `hourglass evaluate {name} --json > {name}/{METRICS_FILE}`"
    )
}

/// Every setting of the recipe, or where there is none those of the model, by its path.
fn settings(saved: &SavedModel) -> Result<BTreeMap<String, Value>> {
    let table: toml::Table = match saved.recipe()? {
        Some(text) => text
            .parse()
            .with_context(|| saved.name().join(RECIPE_FILE).display().to_string())?,
        None => toml::Table::try_from(&saved.description()?.model)?,
    };
    let mut settings = BTreeMap::new();
    flatten("", &toml::Value::Table(table), &mut settings);
    Ok(settings)
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
    let all = runs.iter().filter_map(|run| run.numbers.as_object());
    for name in all.flat_map(Map::keys) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut row = |name: &str, value: &dyn Fn(&Run) -> Option<Value>| {
        let value = |run| value(run).filter(|value| value.is_number() || value.is_string());
        let values: Vec<Value> = runs
            .iter()
            .map(|run| value(run).unwrap_or(Value::Null))
            .collect();
        if values.iter().any(|value| !value.is_null()) {
            rows.push((name.to_owned(), values));
        }
    };
    for name in names.into_iter().filter(|name| *name != "note") {
        row(name, &|run| run.numbers.get(name).cloned());
    }
    for quantity in quantities().filter(|quantity| quantity.shown.in_comparison) {
        row(quantity.places[0], &|run| run.number(quantity));
    }
    for name in ["steps", "seconds", "backend"] {
        row(name, &|run| run.facts.get(name).cloned());
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
