//! Charts inside the page, as SVG. The page's style sets their colours: it selects elements that plotters has written by their
//! colour values, and our own elements by classes.

use hourglass_figures::{ColoredCurve, bars, panel};
use hourglass_tasks::CodeMap;
use maud::{Markup, PreEscaped, html};

use crate::ReportError;

/// The size of a chart in pixels, before the page scales it to its column.
const SIZE: [u32; 2] = [370, 230];

/// The size of the map of codes, and the room around its points.
const MAP: [f32; 2] = [640.0, 460.0];
const MARGIN: f32 = 14.0;

/// The number of colours for labels in the page's style. Further labels reuse them from the first on.
pub(crate) const LABEL_COLORS: usize = 10;

/// A curve and its name.
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    /// The index of its colour.
    pub(crate) color: usize,
    pub(crate) points: Vec<(f64, f64)>,
}

/// The curves of a term. `what` they are of goes into the description for readers who can't see them.
pub(crate) fn curves(caption: &str, what: &str, lines: &[Line<'_>]) -> Result<Markup, ReportError> {
    let series: Vec<ColoredCurve<'_>> = lines
        .iter()
        .map(|line| ColoredCurve {
            color: line.color,
            points: &line.points,
        })
        .collect();
    let panel = panel(&series, SIZE)?;
    let scale = if panel.is_logarithmic {
        ", log scale"
    } else {
        ""
    };
    let ends: Vec<String> = lines.iter().filter_map(Line::in_words).collect();
    let description = format!("Curves of {caption} {what}{scale}. {}", ends.join("; "));
    Ok(html! {
        figure.chart {
            figcaption { code { (caption) } (scale) }
            div role="img" aria-label=(description) { (PreEscaped(panel.svg)) }
        }
    })
}

impl Line<'_> {
    /// Where it begins and ends.
    fn in_words(&self) -> Option<String> {
        let [first, last] = [self.points.first()?, self.points.last()?];
        let name = self.name;
        Some(format!(
            "{name}: {:.4} at step {}, {:.4} at step {}",
            first.1, first.0, last.1, last.0
        ))
    }
}

/// The colours of curves and what they stand for.
pub(crate) fn key<'a>(names: impl Iterator<Item = (usize, &'a str)>) -> Markup {
    html! {
        ul.key {
            @for (color, name) in names {
                li { span class={ "swatch c" (color % 6) } {} (name) }
            }
        }
    }
}

/// A bar for each height, under a caption; `labels` name the bars where their numbers would say nothing.
pub(crate) fn histogram(
    caption: &str,
    places: &str,
    heights: &[f64],
    labels: Option<&[String]>,
) -> Result<Markup, ReportError> {
    let svg = bars(heights, places, labels, SIZE)?;
    let values: Vec<String> = heights
        .iter()
        .take(40)
        .map(|height| format!("{height:.3}"))
        .collect();
    let more = if heights.len() > values.len() {
        " and so on"
    } else {
        ""
    };
    let description = format!("{caption}, by {places}: {}{more}", values.join(", "));
    Ok(html! {
        figure.chart {
            figcaption { (caption) }
            div role="img" aria-label=(description) { (PreEscaped(svg)) }
        }
    })
}

/// A map of codes, coloured by label. Each label is written at the middle of its points.
pub(crate) fn map(map: &CodeMap, name: impl Fn(u8) -> String) -> Markup {
    let places = Places::of(map);
    let mut labels: Vec<Option<u8>> = map.points.iter().map(|point| point.label).collect();
    labels.sort_unstable();
    labels.dedup();
    let [width, height] = MAP;
    html! {
        svg viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) xmlns="http://www.w3.org/2000/svg" {
            rect.frame x="0.5" y="0.5" width=(width - 1.0) height=(height - 1.0) rx="6" {}
            @for (index, label) in labels.iter().enumerate() {
                path class={ "dots l" (index % LABEL_COLORS) } d=(places.dots(map, *label)) {}
            }
            @for label in labels.iter().filter(|_| labels.len() > 1) {
                @if let (Some(label), [x, y]) = (label, places.middle(map, *label)) {
                    text.place x=(x) y=(y) { (name(*label)) }
                }
            }
        }
    }
}

/// Where points are on the map. Both axes have the same scale, so that distances can be compared.
struct Places {
    middle: [f32; 2],
    scale: f32,
}

impl Places {
    /// Places all points inside the map, as far apart as there is room for.
    fn of(map: &CodeMap) -> Self {
        let along = |axis: usize| {
            let values = map.points.iter().map(|point| point.position[axis]);
            let values = values.filter(|value| value.is_finite());
            values.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], value| {
                [low.min(value), high.max(value)]
            })
        };
        let bounds = [along(0), along(1)];
        let scale = [0, 1].map(|axis| {
            let [low, high] = bounds[axis];
            (MAP[axis] - 2.0 * MARGIN) / (high - low)
        });
        let scale = scale[0].min(scale[1]);
        Self {
            middle: bounds.map(|[low, high]| (low + high) / 2.0),
            scale: if scale.is_finite() { scale } else { 0.0 },
        }
    }

    fn of_point(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let x = MAP[0] / 2.0 + (x - self.middle[0]) * self.scale;
        // In an SVG, y decreases upwards.
        let y = MAP[1] / 2.0 - (y - self.middle[1]) * self.scale;
        [x, y]
    }

    /// A path that is a dot for each point of a label: lines of no length have round ends.
    fn dots(&self, map: &CodeMap, label: Option<u8>) -> String {
        let points = map.points.iter().filter(|point| point.label == label);
        let places = points.map(|point| self.of_point(point.position));
        let places = places.filter(|place| place.iter().all(|value| value.is_finite()));
        places.map(|[x, y]| format!("M{x:.0} {y:.0}h0")).collect()
    }

    /// The median along both axes of the points of a label.
    fn middle(&self, map: &CodeMap, label: Option<u8>) -> [f32; 2] {
        let points = map.points.iter().filter(|point| point.label == label);
        let places: Vec<[f32; 2]> = points.map(|point| self.of_point(point.position)).collect();
        [0, 1].map(|axis| {
            let mut values: Vec<f32> = places.iter().map(|place| place[axis]).collect();
            values.sort_by(f32::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(0.0).round()
        })
    }
}

#[cfg(test)]
mod tests {
    use hourglass_tasks::Point;

    use super::*;

    fn code_map(points: &[([f32; 2], Option<u8>)]) -> CodeMap {
        CodeMap {
            points: points
                .iter()
                .map(|&(position, label)| Point { position, label })
                .collect(),
            variance_shares: None,
            label_names: None,
        }
    }

    #[test]
    fn every_point_has_its_place_inside() {
        let points = [
            ([-10.0, 1.0], Some(1)),
            ([0.0, 9.0], Some(2)),
            ([7.0, 17.0], Some(2)),
        ];
        let svg = map(&code_map(&points), |label| format!("<{label}>")).into_string();
        assert_eq!(svg.matches("h0").count(), points.len());
        // 16 units from the lowest to the highest point are 432 pixels: 27 each, and 459 to the side.
        assert!(svg.contains("d=\"M90 446h0\""), "{svg}");
        assert!(svg.contains("d=\"M360 230h0M550 14h0\""), "{svg}");
        assert!(svg.contains("&lt;1&gt;") && !svg.contains("<1>"));
    }

    #[test]
    fn points_without_extent_or_label_are_drawn_too() {
        let svg = map(&code_map(&[([2.0, 2.0], None); 3]), |label| {
            label.to_string()
        });
        assert_eq!(svg.0.matches("h0").count(), 3);
        assert!(!svg.0.contains("NaN") && !svg.0.contains("<text"));
        let svg = map(&code_map(&[([f32::NAN, 2.0], None)]), |label| {
            label.to_string()
        });
        assert!(!svg.0.contains("NaN") && !svg.0.contains("inf"));
    }
}
