//! Bars side by side, as an SVG.

use plotters::prelude::*;

use super::axis::{Axis, label};
use super::curves::{AXIS, FAINT_TEXT, GRID, PALETTE, UNITS, in_pixels, text};
use super::error::FigureError;

/// The share of a bar's place that it fills.
const FILLED: f64 = 0.8;

/// Draws a bar for each of some heights, counted from 1, without caption and background, for a page that has these around it.
/// Heights that are not finite or below 0 are drawn as 0. `places` is what is counted, `labels` names the bars where numbers
/// would say nothing.
///
/// # Errors
/// When the drawing library refuses.
pub fn bars(
    heights: &[f64],
    places: &str,
    labels: Option<&[String]>,
    size: [u32; 2],
) -> Result<String, FigureError> {
    let size = (size[0] * UNITS, size[1] * UNITS);
    let drawable = |height: &f64| (*height as f32).is_finite() && *height > 0.0;
    let height = |height: &f64| if drawable(height) { *height } else { 0.0 };
    let heights: Vec<f64> = heights.iter().map(height).collect();
    let values = Axis::of_heights(heights.iter().copied());
    let room = (12 + 7 * values.label_length().max(3) as u32) * UNITS;
    let name = |place: &f64| match labels {
        Some(labels) => labels.get(*place as usize - 1).cloned().unwrap_or_default(),
        None => label(*place),
    };
    let axis = match labels {
        Some(labels) => Axis::of_each_place(labels.len()),
        None => Axis::of_places(heights.len()),
    };

    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin_top(8 * UNITS)
        .margin_right(12 * UNITS)
        .margin_left(4 * UNITS)
        .margin_bottom(4 * UNITS)
        .x_label_area_size(38 * UNITS)
        .y_label_area_size(room)
        .build_cartesian_2d(axis, values)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID.stroke_width(UNITS))
        .light_line_style(TRANSPARENT)
        .axis_style(AXIS.stroke_width(UNITS))
        .set_all_tick_mark_size(4 * UNITS)
        .label_style(text(12, FAINT_TEXT))
        .axis_desc_style(text(12, FAINT_TEXT))
        .x_label_formatter(&name)
        .y_label_formatter(&|value| label(*value))
        .x_desc(places)
        .draw()?;
    let bars = heights.iter().enumerate().map(|(index, height)| {
        let middle = index as f64 + 1.0;
        let corners = [
            (middle - FILLED / 2.0, *height),
            (middle + FILLED / 2.0, 0.0),
        ];
        Rectangle::new(corners, PALETTE[0].filled())
    });
    chart.draw_series(bars)?;
    root.present()?;
    drop(chart);
    drop(root);
    Ok(in_pixels(&svg, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The heights of the bars in the drawing, in its units.
    fn drawn(svg: &str) -> Vec<f64> {
        let bars = svg.lines().filter(|line| line.starts_with("<rect"));
        let height = |line: &str| {
            let (_, rest) = line.split_once("height=\"").expect("a height");
            rest.split('"')
                .next()
                .expect("a number")
                .parse()
                .expect("a number")
        };
        bars.map(height).collect()
    }

    #[test]
    fn bars_are_as_high_as_their_numbers() {
        let svg = bars(&[1.0, 4.0, 2.0, f64::NAN, -1.0], "unit", None, [400, 200]).unwrap();
        let heights = drawn(&svg);
        assert_eq!(heights.len(), 5);
        for (height, share) in heights.iter().zip([0.25, 1.0, 0.5, 0.0, 0.0]) {
            assert!((height / heights[1] - share).abs() < 0.01, "{heights:?}");
        }
        assert!(svg.starts_with("<svg width=\"400\" height=\"200\""));
    }

    #[test]
    fn any_numbers_make_a_drawing_and_names_are_escaped() {
        for heights in [
            vec![],
            vec![0.0; 3],
            vec![f64::MAX, f64::INFINITY],
            vec![1e-300],
        ] {
            let svg = bars(&heights, "<unit>", None, [300, 200]).unwrap();
            assert!(
                svg.contains("&lt;unit&gt;") && !svg.contains("NaN"),
                "{heights:?}"
            );
        }
        let labels = ["a & b".to_owned(), "c".to_owned()];
        let svg = bars(&[1.0, 2.0], "class", Some(&labels), [300, 200]).unwrap();
        assert!(svg.contains("a &amp; b"));
    }
}
