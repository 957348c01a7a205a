//! The settings: the resolved recipe, and what the model is.

use hourglass_measure::Measured;
use maud::{Markup, html};

use super::parts::left_out;
use crate::ModelReport;

/// The settings in groups, by the table of the recipe that they stand in.
pub(super) fn table(model: &ModelReport) -> Markup {
    let settings = match &model.settings {
        Measured::Value(settings) => settings,
        Measured::LeftOut { left_out: reason } => return left_out(reason),
    };
    let mut groups: Vec<(&str, Vec<(&str, &str)>)> = Vec::new();
    for (path, value) in settings {
        let (group, name) = path.split_once('.').unwrap_or(("", path));
        match groups.iter_mut().find(|(other, _)| *other == group) {
            Some((_, settings)) => settings.push((name, value)),
            None => groups.push((group, vec![(name, value)])),
        }
    }
    // What stands in no table comes first, as in the recipe.
    groups.sort_by_key(|(group, _)| !group.is_empty());
    html! {
        p.lead { "The resolved recipe; a file of these settings trains the model anew." }
        div.groups {
            @for (group, settings) in &groups {
                table.settings {
                    caption { @if group.is_empty() { "Recipe" } @else { code { "[" (group) "]" } } }
                    thead.hidden { tr { th scope="col" { "Setting" } th scope="col" { "Value" } } }
                    tbody {
                        @for (name, value) in settings {
                            tr { th scope="row" { code { (name) } } td { code { (value) } } }
                        }
                    }
                }
            }
        }
        @if let Some(description) = &model.description {
            p.fineprint {
                "Trained on " strong { (description.data.name) }
                @if let Some(licence) = &description.data.licence { " (" (licence) ")" }
                ", SHA-256 of the training images’ pixels " code { (description.data.sha256) }
                ". Units: " (description.units) "."
            }
        }
    }
}
