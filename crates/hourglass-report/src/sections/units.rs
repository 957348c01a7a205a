//! Units as images, and how images change as units move.

use hourglass_measure::Measured;
use hourglass_tasks::{Portrait, UnitImages};
use maud::{Markup, html};

use super::parts::either;
use crate::images::{Direction, affordable, picture, signed};
use crate::{ModelReport, ReportError};

/// The weights of the encoder's first layer.
pub(super) fn filters(model: &ModelReport) -> Result<Markup, ReportError> {
    let lead = "The weights of the encoder's first layer, those of the largest length first.";
    unit_images(model, |portrait| &portrait.filters, lead)
}

/// What the units of the code add.
pub(super) fn atoms(model: &ModelReport) -> Result<Markup, ReportError> {
    let lead = "How the decoder's output changes as a unit of the code goes up by one standard deviation from the mean \
                code, the largest changes first.";
    unit_images(model, |portrait| &portrait.atoms, lead)
}

fn unit_images(
    model: &ModelReport,
    part: impl Fn(&Portrait) -> &Measured<UnitImages>,
    lead: &str,
) -> Result<Markup, ReportError> {
    either(&model.portrait, |portrait| {
        either(part(portrait), |images| {
            let shown = images.largest.iter().take(affordable(images.shape));
            let cells = shown
                .map(|image| signed(&image.values, images.shape, &format!("Unit {}", image.unit)));
            let cells: Vec<Markup> = cells.collect::<Result<_, ReportError>>()?;
            let is_grey = images.shape.channels == 1;
            let colors = match is_grey {
                true => "Red is more, blue less.",
                false => "Grey is no change, a colour more of it.",
            };
            Ok(html! {
                p.lead { (lead) " " (colors) " " (cells.len()) " of " (images.units) " units." }
                ul.plate.signed[is_grey] { @for cell in &cells { li { (cell) } } }
            })
        })
    })
}

/// Images on the way as single units move.
pub(super) fn traversals(model: &ModelReport) -> Result<Markup, ReportError> {
    either(&model.portrait, |portrait| {
        either(&portrait.traversals, |traversals| {
            let ways = traversals.units.iter().map(|way| {
                let images: Vec<&[f32]> = way.images.iter().map(Vec::as_slice).collect();
                let [low, high] = way.range;
                let description = format!("Unit {} from {low:.2} to {high:.2}", way.unit);
                // A hyphen is too short for a minus sign.
                let description = description.replace('-', "\u{2212}");
                let strip = picture(&images, portrait.shape, Direction::Right, &description)?;
                Ok(html! {
                    li { span.caption { (description) } (strip) }
                })
            });
            let ways: Vec<Markup> = ways.collect::<Result<_, ReportError>>()?;
            let from = match traversals.from_image {
                true => {
                    "the code of the split's first image, each unit over the middle 98 % of its values"
                }
                false => "the prior's mean, each unit over the middle 98 % of the prior",
            };
            Ok(html! {
                p.lead { "One unit moves, the others stay: from " (from) ". The units that change the picture most." }
                ul.strips { @for way in &ways { (way) } }
            })
        })
    })
}
