//! `hourglass devices`

use anyhow::Result;
use serde_json::{Value, json};

/// List the adapters and backends that this machine and this build have
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hourglass devices\n  hourglass train variational --backend wgpu --device 0"
)]
pub(crate) struct Arguments {
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

/// What this build was compiled with.
const BUILD: &[(&str, bool)] = &[
    ("wgpu", cfg!(feature = "wgpu")),
    ("flex", cfg!(feature = "flex")),
    ("ndarray", cfg!(feature = "ndarray")),
    ("vulkan", cfg!(feature = "vulkan")),
    ("fusion", cfg!(feature = "fusion")),
    (
        "autotune",
        cfg!(any(
            feature = "autotune",
            all(feature = "wgpu", target_os = "macos")
        )),
    ),
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let adapters = adapters();
    if arguments.json {
        let build: serde_json::Map<String, Value> = BUILD
            .iter()
            .map(|&(name, on)| (name.to_owned(), json!(on)))
            .collect();
        say!("{:#}", json!({"adapters": adapters, "build": build}))?;
        return Ok(());
    }
    if adapters.is_empty() {
        say!("no adapter for wgpu")?;
    }
    for adapter in &adapters {
        let text = |key: &str| adapter[key].as_str().unwrap_or_default().to_owned();
        let note = if adapter["software"] == json!(true) {
            "; never taken by auto"
        } else {
            ""
        };
        say!(
            "{}: {} ({}, {}{note}), {}",
            adapter["device"],
            text("name"),
            text("api"),
            text("kind"),
            text("driver")
        )?;
    }
    let have = |wanted: bool| {
        let names: Vec<&str> = BUILD
            .iter()
            .filter(|(_, on)| *on == wanted)
            .map(|(name, _)| *name)
            .collect();
        names.join(", ")
    };
    say!("this build has {}; it has not {}", have(true), have(false))?;
    Ok(())
}

#[cfg(feature = "wgpu")]
fn adapters() -> Vec<Value> {
    let adapters = crate::adapters::list();
    let describe = |(device, adapter): (usize, &crate::adapters::Adapter)| {
        json!({
            "device": device,
            "name": adapter.name,
            "api": format!("{:?}", adapter.api),
            "kind": adapter.kind_name(),
            "driver": adapter.driver,
            "software": adapter.is_software(),
        })
    };
    adapters.iter().enumerate().map(describe).collect()
}

#[cfg(not(feature = "wgpu"))]
fn adapters() -> Vec<Value> {
    Vec::new()
}
