//! `hourglass data`

use anyhow::{Result, bail};
use clap::Subcommand;
use hourglass_data::catalog::{self, Content};
use hourglass_data::{Dataset, FetchEvent, Kind, Missing, Shape, Splits};
use serde_json::{Value, json};

use crate::arguments::{LocationArguments, SampleArguments, parse_shape};
use crate::images::open;
use crate::progress::{Bar, Unit};
use crate::usage::UsageError;

/// List, fetch and describe data sets
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// List the catalog
    #[command(after_help = "Example:\n  hourglass data list")]
    List {
        #[command(flatten)]
        locations: LocationArguments,
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Download a data set, check it and keep it
    #[command(
        after_help = "Examples:\n  hourglass data fetch mnist\n  HOURGLASS_MIRROR=http://localhost:8000 hourglass data fetch mnist"
    )]
    Fetch {
        /// A name from the catalog
        name: String,
        #[command(flatten)]
        locations: LocationArguments,
    },
    /// Describe a data set
    #[command(
        after_help = "Examples:\n  hourglass data info mnist-mini\n  hourglass data info path/to/idx-files\n  hourglass data info photographs --shape 3x32x32 --on-error skip\n  hourglass data info sensors.csv --missing mean"
    )]
    Info {
        /// A name from the catalog, a folder of PNG and JPEG images, one image, a .csv, .parquet, .npy or .safetensors file, a folder
        /// of such arrays, or a directory of IDX files
        data: String,
        /// Crop and scale the images to this shape, such as 3x32x32 [default: the shape of the first image]
        #[arg(long, value_name = "CxHxW", value_parser = parse_shape)]
        shape: Option<Shape>,
        /// What is done about missing cells of a table: refuse, mean or indicator [default: refuse]
        #[arg(long, value_name = "WHAT")]
        missing: Option<Missing>,
        #[command(flatten)]
        samples: SampleArguments,
        #[command(flatten)]
        locations: LocationArguments,
        /// Print the description as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        DataCommand::List { locations, json } => list(locations, *json),
        DataCommand::Fetch { name, locations } => fetch(name, locations),
        DataCommand::Info {
            data,
            shape,
            missing,
            samples,
            locations,
            json,
        } => {
            let mut options = samples.options();
            options.images.shape = *shape;
            options.rows.missing = missing.unwrap_or_default();
            let splits = open(data, &locations.locations(), &options)?;
            info(&splits, *json)
        }
    }
}

fn list(locations: &LocationArguments, as_json: bool) -> Result<()> {
    let locations = locations.locations();
    let entries: Vec<Value> = catalog::ENTRIES
        .iter()
        .map(|entry| {
            let embedded = matches!(entry.content, Content::Embedded { .. });
            json!({
                "name": entry.name,
                "description": entry.description,
                "licence": entry.licence,
                "source": entry.source,
                "here": entry.is_here(&locations),
                "embedded": embedded,
            })
        })
        .collect();
    if as_json {
        say!("{:#}", json!(entries))?;
        return Ok(());
    }
    for entry in &entries {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let state = match (&entry["embedded"], &entry["here"]) {
            (Value::Bool(true), _) => "in the program".to_owned(),
            (_, Value::Bool(true)) => "here".to_owned(),
            _ => format!("not here: hourglass data fetch {}", text("name")),
        };
        say!("{:<14} {} [{state}]", text("name"), text("description"))?;
        say!("{:<14} {}; {}", "", text("licence"), text("source"))?;
    }
    Ok(())
}

fn fetch(name: &str, locations: &LocationArguments) -> Result<()> {
    let Some(entry) = catalog::find(name) else {
        let names: Vec<_> = catalog::ENTRIES.iter().map(|entry| entry.name).collect();
        bail!(UsageError(format!(
            "expected one of {}, found {name}",
            names.join(", ")
        )));
    };
    let locations = locations.locations();
    let mut bar = Bar::new(Unit::Bytes);
    let mut current = String::new();
    hourglass_data::fetch(entry, &locations, &mut |event| match event {
        FetchEvent::Present { file } => bar.suspend(|| note!("{file}: already here")),
        FetchEvent::Progress { file, done, total } => {
            if current != file {
                file.clone_into(&mut current);
                bar.begin(done);
            }
            bar.update(done, total.unwrap_or(0));
            bar.draw(|| current.clone());
        }
        FetchEvent::MirrorFailed { url, reason } => bar.suspend(|| note!("{url}: {reason}")),
        FetchEvent::Fetched { file } => bar.suspend(|| note!("{file}: fetched and checked")),
    })?;
    bar.finish();
    say!("{name}: in {}", entry.directory(&locations)?.display())?;
    Ok(())
}

fn info(splits: &Splits, as_json: bool) -> Result<()> {
    let mut datasets = vec![("train", splits.train())];
    if splits.has_test() {
        datasets.push(("test", splits.test()?));
    }
    if as_json {
        let mut map: serde_json::Map<String, Value> = datasets
            .into_iter()
            .map(|(split, dataset)| (split.to_owned(), describe(dataset)))
            .collect();
        let report = splits.report();
        let skipped = &report.skipped;
        map.insert("skipped".into(), json!(skipped));
        map.insert("notes".into(), json!(report.notes));
        map.insert("cache".into(), json!(report.cache));
        say!("{:#}", json!(map))?;
        return Ok(());
    }
    for (split, dataset) in datasets {
        let value = describe(dataset);
        let many = dataset.kind().many();
        say!("{split}: {} {many}, {}", dataset.len(), in_words(dataset))?;
        for column in dataset.input().columns() {
            say!("  {:<24} {}", column.name, column.kind.describe())?;
        }
        match value["labels"].as_array() {
            Some(counts) => say!("  {many} per label: {}", counts_text(counts, &value))?,
            None => say!("  no labels")?,
        }
        say!(
            "  SHA-256 of the {many} {}",
            value["sha256"].as_str().unwrap_or_default()
        )?;
    }
    Ok(())
}

/// What a sample is, in words.
fn in_words(dataset: &Dataset) -> String {
    match dataset.kind() {
        Kind::Image => dataset.shape().to_string(),
        Kind::Table | Kind::Vectors => dataset.input().describe(),
    }
}

/// The number of samples of each label, after its name or, where it has none, its number.
fn counts_text(counts: &[Value], described: &Value) -> String {
    let name = |label: usize| match described["label_names"][label].as_str() {
        Some(name) => name.to_owned(),
        None => label.to_string(),
    };
    let counts = counts.iter().enumerate();
    let counts: Vec<String> = counts
        .map(|(label, count)| format!("{} {count}", name(label)))
        .collect();
    counts.join(", ")
}

fn describe(dataset: &Dataset) -> Value {
    let counts = dataset.labels().map(|labels| {
        let classes = labels
            .iter()
            .copied()
            .max()
            .map_or(0, |label| usize::from(label) + 1);
        let mut counts = vec![0_u64; classes];
        labels
            .iter()
            .for_each(|&label| counts[usize::from(label)] += 1);
        counts
    });
    let kind = dataset.kind();
    json!({
        "kind": kind,
        kind.many(): dataset.len(),
        "shape": dataset.shape().to_string(),
        "columns": dataset.input().columns(),
        "labels": counts,
        "label_names": dataset.label_names(),
        "sha256": dataset.sha256(),
    })
}
