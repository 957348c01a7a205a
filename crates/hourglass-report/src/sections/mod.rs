//! The sections of a model's report. Related sections share a file.

mod code;
mod errors;
mod figures;
mod numbers;
mod parts;
mod rows;
mod settings;
pub(crate) mod training;
mod units;

use hourglass_samples::Kind;
use maud::Markup;

use crate::{ModelReport, ReportError};

pub(crate) use numbers::headlines;
pub(crate) use parts::{left_out, wide};

/// A section of a model's report.
pub(crate) struct Section {
    /// The name of its anchor in the page.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) body: Markup,
    /// Whether two such sections have room beside each other.
    pub(crate) is_half: bool,
}

/// Sections that are not wide.
const HALVES: [&str; 6] = [
    "classes",
    "map",
    "confusion",
    "kl",
    "activity",
    "contraction",
];

/// The sections that show pictures, which rows and vectors have none of.
const PICTURES: [&str; 6] = [
    "reconstructions",
    "worst",
    "samples",
    "traversals",
    "atoms",
    "filters",
];

/// The sections of a model, in their order. Sections that its family or its samples do not have are left out.
pub(crate) fn of(model: &ModelReport) -> Result<Vec<Section>, ReportError> {
    let kind = model
        .description
        .as_ref()
        .map(|description| description.input.kind());
    let mut sections = all(model)?;
    if kind.is_some_and(|kind| kind != Kind::Image) {
        sections.retain(|section| !PICTURES.contains(&section.id));
    }
    if kind == Some(Kind::Table) {
        let of_rows = [
            ("columns", "Columns", rows::columns(model)?),
            ("strangest", "Strangest rows", rows::strangest(model)),
        ];
        let of_rows = of_rows.map(|(id, title, body)| Section {
            id,
            title,
            body,
            is_half: false,
        });
        sections.splice(1..1, of_rows);
    }
    Ok(sections)
}

fn all(model: &ModelReport) -> Result<Vec<Section>, ReportError> {
    let section = |id, title, body| Section {
        id,
        title,
        body,
        is_half: HALVES.contains(&id),
    };
    let mut sections = vec![
        section("numbers", "Numbers", numbers::table(model)),
        section(
            "reconstructions",
            "Reconstructions",
            figures::reconstructions(model)?,
        ),
        section("worst", "Worst reconstructions", figures::worst(model)?),
        section("classes", "Error by class", errors::by_class(model)),
        section("map", "Map of the codes", code::map(model)),
        section(
            "confusion",
            "Classes read from the codes",
            errors::confusion(model),
        ),
    ];
    let mut where_it_has = |id, title, body: Option<Markup>| {
        sections.extend(body.map(|body| section(id, title, body)));
    };
    where_it_has(
        "kl",
        "What each dimension carries",
        code::information(model)?,
    );
    where_it_has(
        "activity",
        "How often units are active",
        code::activity(model)?,
    );
    where_it_has(
        "contraction",
        "How strongly the code follows the image",
        code::contraction(model)?,
    );
    where_it_has(
        "robustness",
        "Errors from corrupted images",
        errors::robustness(model),
    );
    where_it_has("samples", "Samples", figures::samples(model)?);
    sections.extend([
        section("traversals", "Traversals", units::traversals(model)?),
        section(
            "atoms",
            "What units add to the picture",
            units::atoms(model)?,
        ),
        section(
            "filters",
            "What the first layer responds to",
            units::filters(model)?,
        ),
        section("training", "Training", training::curves(model)?),
        section("settings", "Settings", settings::table(model)),
    ]);
    Ok(sections)
}
