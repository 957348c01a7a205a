//! The code: where the images lie in its space, and how much its units carry.

use hourglass_measure::Measured;
use hourglass_measure::measures::Estimate;
use maud::{Markup, html};

use super::parts::{either, label_name, left_out};
use crate::charts::{self, LABEL_COLORS};
use crate::numbers::with_error;
use crate::{Measurement, ModelReport, ReportError};

/// The codes in two dimensions.
pub(super) fn map(model: &ModelReport) -> Markup {
    let drawn = either(&model.portrait, |portrait| {
        either(&portrait.map, |map| {
            let name = |label| label_name(map.label_names.as_deref(), label);
            let axes = match map.variance_shares {
                Some(shares) => {
                    let [first, second] = shares.map(|share| share * 100.0);
                    format!(
                        "along their first two principal components, which have {first:.0} % and {second:.0} % of the variance"
                    )
                }
                None => "by their two units".to_owned(),
            };
            let mut labels: Vec<u8> = map.points.iter().filter_map(|point| point.label).collect();
            labels.sort_unstable();
            labels.dedup();
            let description = format!("Map of the codes of {} images {axes}", map.points.len());
            Ok(html! {
                p.lead { "The codes of the first " (map.points.len()) " images, " (axes) "." }
                figure.map {
                    div role="img" aria-label=(description) { (charts::map(map, name)) }
                    @if labels.len() > 1 {
                        figcaption {
                            ul.key {
                                @for (index, label) in labels.iter().enumerate() {
                                    li { span class={ "swatch l" (index % LABEL_COLORS) } {} (name(*label)) }
                                }
                            }
                        }
                    }
                }
            })
        })
    });
    drawn.unwrap_or_else(|error| left_out(&error.to_string()))
}

fn measured(model: &ModelReport) -> Option<&Measurement> {
    match &model.measurement {
        Measured::Value(measurement) => Some(measurement),
        Measured::LeftOut { .. } => None,
    }
}

/// The KL of each dimension, for families with a prior.
pub(super) fn information(model: &ModelReport) -> Result<Option<Markup>, ReportError> {
    let density = measured(model).and_then(|measurement| measurement.report.density.as_ref());
    let Some(Measured::Value(density)) = density else {
        return Ok(None);
    };
    let mut kl = density.code.kl_nats.clone();
    kl.sort_by(|a, b| b.total_cmp(a));
    let bound = &density.evidence_lower_bound;
    let nats = |estimate: &Estimate| with_error(estimate);
    Ok(Some(html! {
        p.lead {
            (density.code.active_units) " of " (kl.len()) " dimensions are active: the posterior's mean varies over the \
            images by more than 0.01. The negative ELBO of " (nats(&bound.negative_elbo)) " nats is "
            (nats(&bound.reconstruction_nats)) " of reconstruction and " (nats(&bound.kl_nats)) " of KL."
        }
        div.charts {
            (charts::histogram("KL(q(z|x) || p(z)) in nats", "dimension, by its KL", &kl, None)?)
        }
    }))
}

/// How often units are active, for sparse families.
pub(super) fn activity(model: &ModelReport) -> Result<Option<Markup>, ReportError> {
    let activity =
        measured(model).and_then(|measurement| measurement.report.evaluation.activity.as_ref());
    let Some(activity) = activity else {
        return Ok(None);
    };
    let counts = activity.units_by_share_of_images.map(|units| units as f64);
    let labels: Vec<String> = (1..=counts.len())
        .map(|tenth| format!("{}", tenth * 10))
        .collect();
    Ok(Some(html! {
        p.lead {
            (format!("{:.1}", activity.active_units)) " units are active per image, " (activity.dead_units)
            " for none. The mean activation is " (format!("{:.4}", activity.mean_activation))
            @if let Some(deviation) = activity.median_target_deviation {
                "; the median deviation from its target is " (format!("{:.0} %", deviation * 100.0))
            }
            "."
        }
        div.charts {
            (charts::histogram("Units", "% of the images for which they are active, at most", &counts, Some(&labels))?)
        }
    }))
}

/// The singular values of the Jacobian, where they were measured.
pub(super) fn contraction(model: &ModelReport) -> Result<Option<Markup>, ReportError> {
    let contraction =
        measured(model).and_then(|measurement| measurement.report.contraction.as_ref());
    let Some(contraction) = contraction else {
        return Ok(None);
    };
    either(contraction, |contraction| {
        Ok(html! {
            p.lead {
                "The encoder's Jacobian dh/dx has the norm " (with_error(&contraction.jacobian_norm)) " over "
                (contraction.images) " images."
                @if let Measured::Value(share) = &contraction.saturated_units {
                    " " (format!("{:.1} %", share * 100.0)) " of the units' values are saturated."
                }
            }
            div.charts {
                (charts::histogram("Mean singular values", "singular value, by size", &contraction.singular_values, None)?)
            }
        })
    })
    .map(Some)
}
