//! `hourglass models`

use anyhow::Result;
use hourglass_store::{METRICS_FILE, SavedModel, published_models};
use serde_json::{Value, json};

/// List the published models in the program
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hourglass models\n  hourglass sample variational --out digits.png\n  hourglass export conv --format onnx --out conv.onnx\n\nEach was trained with the recipe of the same name on the 60,000 training images of MNIST."
)]
pub(crate) struct Arguments {
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let models: Vec<Value> = published_models()
        .iter()
        .map(|model| describe(&SavedModel::published(model)))
        .collect::<Result<_>>()?;
    if arguments.json {
        say!("{:#}", json!(models))?;
        return Ok(());
    }
    if models.is_empty() {
        say!("this build has no published models; build it with the feature `zoo`")?;
        return Ok(());
    }
    say!("name           code  squared error      kB")?;
    for model in &models {
        say!(
            "{:<13} {:>5} {:>14.2} {:>7.0}  {}",
            model["name"].as_str().unwrap_or_default(),
            model["code"].as_u64().unwrap_or_default(),
            model["squared_error"].as_f64().unwrap_or(f64::NAN),
            model["bytes"].as_f64().unwrap_or_default() / 1000.0,
            model["summary"].as_str().unwrap_or_default(),
        )?;
    }
    say!("squared error: per image, on MNIST's 10,000 test images")?;
    Ok(())
}

fn describe(saved: &SavedModel) -> Result<Value> {
    let description = saved.description()?;
    let metrics: Value = serde_json::from_slice(&saved.file(METRICS_FILE)?)?;
    Ok(json!({
        "name": saved.name(),
        "family": description.model.family(),
        "summary": description.model.summary(),
        "code": description.model.code(),
        "shape": description.shape(),
        "data": description.data,
        "squared_error": metrics["squared_error"],
        "bytes": saved.weights_bytes()?,
    }))
}
