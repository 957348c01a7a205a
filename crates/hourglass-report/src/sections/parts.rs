//! Building blocks that several sections use.

use hourglass_measure::Measured;
use maud::{Markup, html};

use crate::ReportError;

/// Says why something is missing.
pub(crate) fn left_out(reason: &str) -> Markup {
    html! { p.missing { "Left out, since " (reason) "." } }
}

/// The content made from a part, or why it is missing.
pub(super) fn either<T>(
    part: &Measured<T>,
    body: impl FnOnce(&T) -> Result<Markup, ReportError>,
) -> Result<Markup, ReportError> {
    match part {
        Measured::Value(part) => body(part),
        Measured::LeftOut { left_out: reason } => Ok(left_out(reason)),
    }
}

/// The name of a label.
pub(super) fn label_name(names: Option<&[String]>, label: u8) -> String {
    let name = names.and_then(|names| names.get(usize::from(label)));
    name.map_or_else(|| label.to_string(), Clone::clone)
}

/// A table that scrolls within itself where the screen is narrow.
pub(crate) fn wide(name: &str, table: Markup) -> Markup {
    html! { div.wide role="region" aria-label=(name) tabindex="0" { (table) } }
}
