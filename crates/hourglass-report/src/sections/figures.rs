//! Images and what the model makes of them.

use hourglass_measure::{Measured, Reconstructed};
use hourglass_samples::Shape;
use maud::{Markup, html};

use super::parts::{either, label_name, left_out};
use crate::images::{Direction, affordable, picture};
use crate::{ModelReport, ReportError};

/// The first images of the split above what the model makes of them.
pub(super) fn reconstructions(model: &ModelReport) -> Result<Markup, ReportError> {
    either(&model.portrait, |portrait| {
        either(&portrait.reconstructions, |images| {
            Ok(html! {
                p.lead { "The first images of the split, under each its squared error. " (order(images)) }
                (plate(model, images, portrait.shape)?)
            })
        })
    })
}

/// The images with the largest errors.
pub(super) fn worst(model: &ModelReport) -> Result<Markup, ReportError> {
    let measurement = match &model.measurement {
        Measured::Value(measurement) => measurement,
        Measured::LeftOut { left_out: reason } => return Ok(left_out(reason)),
    };
    let (Some(Measured::Value(reconstruction)), Measured::Value(portrait)) =
        (&measurement.report.reconstruction, &model.portrait)
    else {
        return Ok(left_out("the errors of single images were not measured"));
    };
    let worst = &reconstruction.worst;
    Ok(html! {
        p.lead {
            "Of the whole split, the images with the largest squared errors. " (order(worst))
        }
        (plate(model, worst, portrait.shape)?)
    })
}

/// What is above what.
fn order(images: &[Reconstructed]) -> &'static str {
    match images
        .first()
        .is_some_and(|image| image.corrupted.is_some())
    {
        true => "From above: the image, what corruption leaves of it, the reconstruction.",
        false => "The image above its reconstruction.",
    }
}

fn plate(
    model: &ModelReport,
    images: &[Reconstructed],
    shape: Shape,
) -> Result<Markup, ReportError> {
    let names = match &model.measurement {
        Measured::Value(measurement) => measurement.label_names.as_deref(),
        Measured::LeftOut { .. } => None,
    };
    let cells = images.iter().take(affordable(shape)).map(|image| {
        let label = image.label.map(|label| label_name(names, label));
        let of_label = label
            .as_ref()
            .map_or(String::new(), |label| format!(", label {label}"));
        let description = format!("Image {}{of_label}, and its reconstruction", image.place);
        let mut column: Vec<&[f32]> = vec![&image.image];
        column.extend(image.corrupted.as_deref());
        column.push(&image.reconstruction);
        let picture = picture(&column, shape, Direction::Down, &description)?;
        Ok(html! {
            li {
                (picture)
                span.caption title=(format!("image {}{of_label}", image.place)) {
                    (format!("{:.1}", image.squared_error))
                }
            }
        })
    });
    let cells: Vec<Markup> = cells.collect::<Result<_, ReportError>>()?;
    Ok(html! { ul.plate { @for cell in cells { (cell) } } })
}

/// Images drawn from the prior, for families that have one.
pub(super) fn samples(model: &ModelReport) -> Result<Option<Markup>, ReportError> {
    let Measured::Value(portrait) = &model.portrait else {
        return Ok(None);
    };
    let Measured::Value(samples) = &portrait.samples else {
        return Ok(None);
    };
    let shown = samples.iter().take(affordable(portrait.shape)).enumerate();
    let shown = shown.map(|(index, image)| {
        let description = format!("Sample {}", index + 1);
        picture(&[image], portrait.shape, Direction::Down, &description)
    });
    let shown: Vec<Markup> = shown.collect::<Result<_, ReportError>>()?;
    Ok(Some(html! {
        p.lead { "Means of p(x|z) at codes z drawn from the prior." }
        ul.plate { @for image in shown { li { (image) } } }
    }))
}
