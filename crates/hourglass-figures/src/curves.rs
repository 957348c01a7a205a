//! Training curves, as an SVG: a panel for each term of the loss, a colour for each split.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Axis, label};
use super::error::FigureError;

/// Drawing units to a pixel: plotters rounds to whole units, which would show in the curves.
pub(super) const UNITS: u32 = 4;

/// The panels' size when there are several, in units.
const PANEL: (u32, u32) = (470 * UNITS, 280 * UNITS);

/// The size of a panel that is alone, in units.
const LONE_PANEL: (u32, u32) = (660 * UNITS, 380 * UNITS);

/// Above the panels: the title and the legend, in units.
const HEADER: u32 = 62 * UNITS;

/// Left of the header's text, in units.
const MARGIN: i32 = 18 * UNITS as i32;

/// Blue, vermilion, green, purple, sky blue and orange of Okabe and Ito's palette (2008), which colour-blind people can tell
/// apart.
pub(super) const PALETTE: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

pub(super) const TEXT: RGBColor = RGBColor(51, 51, 51);
pub(super) const FAINT_TEXT: RGBColor = RGBColor(102, 102, 102);
pub(super) const AXIS: RGBColor = RGBColor(153, 153, 153);
pub(super) const GRID: RGBColor = RGBColor(230, 230, 230);

/// Curves with more points are thinned to about this many: more can't be seen.
const MAX_POINTS: usize = 2000;

/// Curves with no more points than this show each as a dot.
const MAX_DOTS: usize = 40;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One line of a figure.
#[derive(Debug, Clone)]
pub struct Curve {
    /// The split and the term, as in `train cross_entropy`. Curves of one term share a panel, those of one split a colour. A
    /// name without a space is a term.
    pub name: String,
    /// Steps and values, in the order of steps. Points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// Draws curves by step, in a panel for each term, and gives the text of the SVG.
pub fn curves(series: &[Curve], title: &str) -> Result<String, FigureError> {
    let mut lines: Vec<Line> = series.iter().map(Line::new).collect();
    let terms = distinct(lines.iter().map(|line| line.term));
    let splits = splits(&lines);
    for line in &mut lines {
        line.color = color(line.split, &splits);
    }
    let columns = if terms.len() > 1 { 2 } else { 1 };
    let rows = terms.len().div_ceil(columns).max(1);
    let panel = if terms.len() > 1 { PANEL } else { LONE_PANEL };
    let size = (panel.0 * columns as u32, HEADER + panel.1 * rows as u32);

    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    root.fill(&WHITE)?;
    let (header, body) = root.split_vertically(HEADER);
    draw_header(&header, title, &lines, &splits)?;
    for (term, area) in terms.iter().zip(body.split_evenly((rows, columns))) {
        let lines: Vec<&Line> = lines.iter().filter(|line| line.term == *term).collect();
        draw_panel(&area, &lines, Some(term))?;
    }
    if terms.is_empty() {
        draw_no_data(&body)?;
    }
    root.present()?;
    drop((header, body, root));
    Ok(in_pixels(&svg, size))
}

/// Draws the curves of one term alone, without caption, legend and background, for a page that has these around it.
///
/// # Errors
/// When the drawing library refuses.
pub fn panel(series: &[ColoredCurve<'_>], size: [u32; 2]) -> Result<Panel, FigureError> {
    let lines = series.iter().map(|curve| Line {
        split: "",
        term: "",
        points: thin(drawable(curve.points)),
        color: PALETTE[curve.color % PALETTE.len()],
    });
    let lines: Vec<Line> = lines.collect();
    let size = (size[0] * UNITS, size[1] * UNITS);
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let is_logarithmic = draw_panel(&root, &lines.iter().collect::<Vec<_>>(), None)?;
    root.present()?;
    drop(root);
    Ok(Panel {
        svg: in_pixels(&svg, size),
        is_logarithmic,
    })
}

/// A curve and the place of its colour in the palette.
#[derive(Debug, Clone, Copy)]
pub struct ColoredCurve<'a> {
    /// From 0; after the last colour comes the first again.
    pub color: usize,
    /// Steps and values, in the order of steps. Points that are not finite are left out.
    pub points: &'a [(f64, f64)],
}

/// A drawing without a caption.
#[derive(Debug, Clone)]
pub struct Panel {
    /// The text of the SVG.
    pub svg: String,
    /// Whether the axis of the values is logarithmic.
    pub is_logarithmic: bool,
}

/// A curve's finite points, not too many, and the parts of its name.
struct Line<'a> {
    split: &'a str,
    term: &'a str,
    points: Vec<(f64, f64)>,
    color: RGBColor,
}

/// The points that are finite. Losses are f32; larger numbers would overflow in the axes.
fn drawable(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let drawable = |value: f64| (value as f32).is_finite();
    let points = points.iter().copied();
    points
        .filter(|&(step, value)| drawable(step) && drawable(value))
        .collect()
}

impl<'a> Line<'a> {
    fn new(curve: &'a Curve) -> Self {
        let (split, term) = curve.name.split_once(' ').unwrap_or(("", &curve.name));
        Self {
            split,
            term,
            points: thin(drawable(&curve.points)),
            color: TEXT,
        }
    }
}

/// Keeps the lowest and the highest point of each stretch, so that spikes remain.
fn thin(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    if points.len() <= MAX_POINTS {
        return points;
    }
    let stretch = (2 * points.len()).div_ceil(MAX_POINTS);
    let extremes = points.chunks(stretch).flat_map(|chunk| {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let low = chunk.iter().min_by(by_value);
        let high = chunk.iter().max_by(by_value);
        let mut pair: Vec<(f64, f64)> = low.into_iter().chain(high).copied().collect();
        pair.sort_by(|a, b| a.0.total_cmp(&b.0));
        pair
    });
    // The ends stay, or the curve would seem to begin late and end early.
    let ends = [points[0], points[points.len() - 1]];
    let mut kept = vec![ends[0]];
    kept.extend(extremes.filter(|point| !ends.contains(point)));
    kept.push(ends[1]);
    kept
}

/// The splits, training and validation first so that their colours never change.
fn splits<'a>(lines: &[Line<'a>]) -> Vec<&'a str> {
    let named = lines
        .iter()
        .map(|line| line.split)
        .filter(|split| !split.is_empty());
    distinct(["train", "validation"].into_iter().chain(named))
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn color(split: &str, splits: &[&str]) -> RGBColor {
    let index = splits.iter().position(|other| *other == split);
    index.map_or(TEXT, |index| PALETTE[index % PALETTE.len()])
}

/// The title, and under it the splits that have lines, with their colours.
fn draw_header(
    area: &Area<'_>,
    title: &str,
    lines: &[Line<'_>],
    splits: &[&str],
) -> Result<(), FigureError> {
    let pixels = |count: i32| count * UNITS as i32;
    area.draw_text(
        &printable(title),
        &bold(text(16, TEXT)),
        (MARGIN, pixels(14)),
    )?;
    let style = text(13, TEXT).pos(Pos::new(HPos::Left, VPos::Center));
    let [mut x, y] = [MARGIN, pixels(48)];
    let has_lines = |split: &&&str| lines.iter().any(|line| line.split == **split);
    for split in splits.iter().filter(has_lines) {
        let color = color(split, splits);
        area.draw(&PathElement::new(
            [(x, y), (x + pixels(22), y)],
            line_style(color),
        ))?;
        area.draw(&Circle::new((x + pixels(11), y), pixels(3), color.filled()))?;
        area.draw_text(&printable(split), &style, (x + pixels(28), y))?;
        // 7.5 pixels a character is a generous guess: the SVG's reader chooses the font.
        x += pixels(28 + 20) + pixels(15) * split.chars().count() as i32 / 2;
    }
    Ok(())
}

/// Draws the curves of one term, under its name if it is given; true where the axis of the values is logarithmic.
fn draw_panel(
    area: &Area<'_>,
    lines: &[&Line<'_>],
    term: Option<&str>,
) -> Result<bool, FigureError> {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let steps = Axis::of_steps(points().map(|point| point.0));
    let values = Axis::of_values(points().map(|point| point.1));
    let is_logarithmic = values.is_logarithmic();
    let scale = if is_logarithmic { " (log scale)" } else { "" };
    // Panels line up unless a label is longer than usual.
    let labels = (12 + 7 * values.label_length().max(5) as u32) * UNITS;
    let left = MARGIN + labels as i32;
    if let Some(term) = term {
        let caption = printable(&format!("{term}{scale}"));
        area.draw_text(&caption, &bold(text(13, TEXT)), (left, 6 * UNITS as i32))?;
    }
    let top = if term.is_some() { 30 } else { 8 };
    let mut chart = ChartBuilder::on(area)
        .margin_top(top * UNITS)
        .margin_right(22 * UNITS)
        .margin_left(MARGIN)
        .margin_bottom(8 * UNITS)
        .x_label_area_size(38 * UNITS)
        .y_label_area_size(labels)
        .build_cartesian_2d(steps, values)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID.stroke_width(UNITS))
        .light_line_style(TRANSPARENT)
        .axis_style(AXIS.stroke_width(UNITS))
        .set_all_tick_mark_size(4 * UNITS)
        .label_style(text(12, FAINT_TEXT))
        .axis_desc_style(text(12, FAINT_TEXT))
        .x_label_formatter(&|step| label(*step))
        .y_label_formatter(&|value| label(*value))
        .x_desc("step")
        .draw()?;
    for line in lines {
        let color = line.color;
        let points = line.points.iter().copied();
        chart.draw_series(LineSeries::new(points.clone(), line_style(color)))?;
        if line.points.len() <= MAX_DOTS {
            let radius = 3 * UNITS;
            chart.draw_series(points.map(|point| Circle::new(point, radius, color.filled())))?;
        }
    }
    if points().next().is_none() {
        draw_no_data(area)?;
    }
    Ok(is_logarithmic)
}

fn draw_no_data(area: &Area<'_>) -> Result<(), FigureError> {
    let (width, height) = area.dim_in_pixel();
    let style = text(13, FAINT_TEXT).pos(Pos::new(HPos::Center, VPos::Center));
    area.draw_text("no data", &style, (width as i32 / 2, height as i32 / 2))?;
    Ok(())
}

fn line_style(color: RGBColor) -> ShapeStyle {
    color.stroke_width(7 * UNITS / 4)
}

/// Text of a height in pixels. Plotters' SVG backend divides sizes by 1.24.
pub(super) fn text(size: u32, color: RGBColor) -> TextStyle<'static> {
    let units = f64::from(size * UNITS) * 1.24;
    TextStyle {
        color: color.to_backend_color(),
        ..TextStyle::from(("sans-serif", units))
    }
}

pub(super) fn bold(style: TextStyle<'static>) -> TextStyle<'static> {
    TextStyle {
        font: style.font.style(FontStyle::Bold),
        ..style
    }
}

/// Plotters escapes markup, but XML has no form for control characters.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .collect()
}

/// Shows the drawing at its size in pixels; the `viewBox` keeps its units.
pub(super) fn in_pixels(svg: &str, (width, height): (u32, u32)) -> String {
    let size = |scale: u32| format!("width=\"{}\" height=\"{}\"", width / scale, height / scale);
    svg.replacen(&size(1), &size(UNITS), 1)
}

impl<Source: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<Source>> for FigureError {
    fn from(error: DrawingAreaErrorKind<Source>) -> Self {
        Self::Svg(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(name: &str, points: &[(f64, f64)]) -> Curve {
        Curve {
            name: name.to_owned(),
            points: points.to_vec(),
        }
    }

    /// Texts of the figure, without markup.
    fn texts(svg: &str) -> Vec<&str> {
        let lines = svg.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with('<'))
            .collect()
    }

    #[test]
    fn a_panel_for_each_term_and_a_colour_for_each_split() {
        let falling = [(0.0, 3.0), (10.0, 2.0)];
        let series = [
            curve("train kl_nats", &falling),
            curve("train total", &falling),
            curve("validation total", &falling),
            curve("learning_rate", &falling),
        ];
        let svg = curves(&series, "A <run> & more\u{7}").unwrap();
        let texts = texts(&svg);
        for (text, times) in [
            ("A &lt;run&gt; &amp; more", 1),
            ("train", 1),
            ("validation", 1),
            ("kl_nats", 1),
            ("total", 1),
            ("learning_rate", 1),
            ("step", 3),
        ] {
            assert_eq!(
                texts.iter().filter(|found| **found == text).count(),
                times,
                "{text}"
            );
        }
        // The curves, and a sample of each split in the legend.
        for (color, times) in [("#0072B2", 3), ("#D55E00", 2), ("#333333", 1)] {
            let lines = svg.lines().filter(|line| line.starts_with("<polyline"));
            assert_eq!(
                lines.filter(|line| line.contains(color)).count(),
                times,
                "{color}"
            );
        }
        assert!(svg.starts_with("<svg width=\"940\" height=\"622\" viewBox=\"0 0 3760 2488\""));
        assert!(svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let [nan, infinite] = [f64::NAN, f64::INFINITY];
        assert_eq!(texts(&curves(&[], "empty").unwrap()), ["empty", "no data"]);
        let cases: [&[(f64, f64)]; 8] = [
            &[],
            &[(nan, 1.0), (1.0, nan), (2.0, infinite), (3.0, 1e300)],
            &[(5.0, 1.0)],
            &[(0.0, 0.0), (1.0, 0.0)],
            &[(0.0, 7.5), (1.0, 7.5), (2.0, nan)],
            &[(0.0, 1e38), (1.0, -1e38)],
            &[(0.0, 1e-300), (1e9, 1e38)],
            &[(3.0, 1.0), (3.0, 2.0)],
        ];
        for (index, points) in cases.into_iter().enumerate() {
            let svg = curves(&[curve("train total", points)], "edge").unwrap();
            assert_eq!(svg.contains("no data"), index < 2, "{points:?}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{points:?}");
        }
    }

    #[test]
    fn thinning_keeps_spikes_and_ends() {
        let mut points: Vec<(f64, f64)> = (0..50_000)
            .map(|i| (f64::from(i), f64::from(i % 7)))
            .collect();
        points[31_000].1 = 99.0;
        let thinned = thin(points.clone());
        assert!(thinned.len() <= MAX_POINTS + 2);
        assert_eq!((thinned[0], thinned.last()), (points[0], points.last()));
        assert!(thinned.contains(&(31_000.0, 99.0)));
        assert!(thinned.is_sorted_by(|a, b| a.0 <= b.0));
    }
}
