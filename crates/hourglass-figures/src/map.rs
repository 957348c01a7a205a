//! A map of codes, as an SVG: a dot per image, coloured by its label, and thumbnails of some images where they lie.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::curves::{AXIS, FAINT_TEXT, TEXT, UNITS, bold, in_pixels, printable, text};
use super::{FigureError, image_grid};

/// The side of the map, in pixels.
const SIDE: u32 = 720;

/// Around the map, in pixels: room for the title above it, and for the legend on its right.
const MARGIN: u32 = 16;
const HEADER: u32 = 58;
const LEGEND: u32 = 170;

/// Labels that the legend names.
const LEGEND_ROWS: usize = 30;

/// The longer side of a thumbnail, in pixels.
const THUMBNAIL: f64 = 30.0;

/// Nine colours of Paul Tol's muted scheme, which colour-blind people can tell apart, and black.
const PALETTE: [RGBColor; 10] = [
    RGBColor(51, 34, 136),
    RGBColor(204, 102, 119),
    RGBColor(17, 119, 51),
    RGBColor(221, 204, 119),
    RGBColor(136, 204, 238),
    RGBColor(136, 34, 85),
    RGBColor(68, 170, 153),
    RGBColor(170, 68, 153),
    RGBColor(153, 153, 51),
    RGBColor(0, 0, 0),
];

/// What a map shows.
#[derive(Debug, Clone, Default)]
pub struct PointMap {
    /// What stands above it.
    pub title: String,
    /// How it was made, below the title.
    pub subtitle: String,
    /// Where each image lies.
    pub points: Vec<[f64; 2]>,
    /// The label of each, or none at all.
    pub labels: Vec<u8>,
    /// What each label is called.
    pub names: Vec<(u8, String)>,
    /// Some of the images.
    pub thumbnails: Vec<Thumbnail>,
    /// `[channels, height, width]` of the thumbnails.
    pub shape: [usize; 3],
}

/// An image to be shown on the map.
#[derive(Debug, Clone)]
pub struct Thumbnail {
    /// Which of the points it is.
    pub point: usize,
    /// Its pixels in [0, 1].
    pub pixels: Vec<f32>,
}

/// Draws a map of codes, and gives the text of the SVG. Both axes have one scale, since distances are what it shows.
///
/// # Errors
/// When a point is not finite, or a thumbnail is no image.
pub fn map(content: &PointMap) -> Result<String, FigureError> {
    let frame = Frame::of(&content.points)?;
    let size = (
        (SIDE + 2 * MARGIN + LEGEND) * UNITS,
        (SIDE + HEADER + MARGIN) * UNITS,
    );
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    root.fill(&WHITE)?;
    let corner = (MARGIN * UNITS) as i32;
    let title = bold(text(16, TEXT));
    root.draw_text(&printable(&content.title), &title, (corner, pixels(10)))?;
    let subtitle = text(12, FAINT_TEXT);
    root.draw_text(
        &printable(&content.subtitle),
        &subtitle,
        (corner, pixels(34)),
    )?;
    let top = (HEADER * UNITS) as i32;
    let side = (SIDE * UNITS) as i32;
    let border = Rectangle::new(
        [(corner, top), (corner + side, top + side)],
        AXIS.stroke_width(UNITS),
    );
    root.draw(&border)?;
    let radius = radius(content.points.len());
    for (index, point) in content.points.iter().enumerate() {
        let color = color(content, index).mix(0.75).filled();
        root.draw(&Circle::new(frame.place(*point), radius, color))?;
    }
    draw_legend(&root, content)?;
    root.present()?;
    drop(root);
    let mut images = String::new();
    for thumbnail in &content.thumbnails {
        images.push_str(&thumbnail_element(content, thumbnail, &frame)?);
    }
    let svg = svg.replace("</svg>", &format!("{images}</svg>"));
    Ok(in_pixels(&svg, size))
}

fn pixels(count: i32) -> i32 {
    count * UNITS as i32
}

/// Smaller dots where there are many.
fn radius(points: usize) -> i32 {
    let pixels = (60.0 / (points.max(1) as f64).sqrt()).clamp(1.2, 4.0);
    (pixels * f64::from(UNITS)).round() as i32
}

/// The square that the points lie in.
struct Frame {
    center: [f64; 2],
    /// Half its side.
    half: f64,
}

impl Frame {
    fn of(points: &[[f64; 2]]) -> Result<Self, FigureError> {
        let mut low = [f64::INFINITY; 2];
        let mut high = [f64::NEG_INFINITY; 2];
        for point in points {
            for axis in 0..2 {
                if !point[axis].is_finite() {
                    return Err(FigureError::Svg(format!(
                        "expected finite coordinates, found {}",
                        point[axis]
                    )));
                }
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        if points.is_empty() {
            return Err(FigureError::Svg("expected points, found none".into()));
        }
        let half = (high[0] - low[0]).max(high[1] - low[1]) / 2.0;
        Ok(Self {
            center: [0, 1].map(|axis| (low[axis] + high[axis]) / 2.0),
            // Points that are all one lie in the middle.
            half: if half > 0.0 { half * 1.05 } else { 1.0 },
        })
    }

    /// Where a point is drawn, in units.
    fn place(&self, point: [f64; 2]) -> (i32, i32) {
        let share = |axis: usize| (point[axis] - self.center[axis]) / self.half;
        let half = f64::from(SIDE * UNITS) / 2.0;
        let x = f64::from(MARGIN * UNITS) + half * (1.0 + share(0));
        let y = f64::from(HEADER * UNITS) + half * (1.0 - share(1));
        (x.round() as i32, y.round() as i32)
    }
}

/// The colour of an image: by its label's place among the names.
fn color(content: &PointMap, index: usize) -> RGBColor {
    let label = content.labels.get(index);
    let place = label.and_then(|label| content.names.iter().position(|(other, _)| other == label));
    place.map_or(PALETTE[0], |place| label_color(place, content.names.len()))
}

fn label_color(place: usize, labels: usize) -> RGBColor {
    if labels <= PALETTE.len() {
        return PALETTE[place];
    }
    // As many hues as there are labels, neighbours of two strengths.
    let lightness = if place.is_multiple_of(2) { 0.35 } else { 0.6 };
    let (red, green, blue) = HSLColor(place as f64 / labels as f64, 0.75, lightness).rgb();
    RGBColor(red, green, blue)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw_legend(root: &Area<'_>, content: &PointMap) -> Result<(), FigureError> {
    let style = text(13, TEXT).pos(Pos::new(HPos::Left, VPos::Center));
    let x = ((SIDE + 2 * MARGIN + 8) * UNITS) as i32;
    let row = |place: usize| pixels(HEADER as i32 + 12 + 22 * place as i32);
    for (place, (_, name)) in content.names.iter().take(LEGEND_ROWS).enumerate() {
        let color = label_color(place, content.names.len()).filled();
        root.draw(&Circle::new((x, row(place)), pixels(5), color))?;
        let short: String = printable(name).chars().take(18).collect();
        root.draw_text(&short, &style, (x + pixels(12), row(place)))?;
    }
    if let Some(more @ 1..) = content.names.len().checked_sub(LEGEND_ROWS) {
        root.draw_text(&format!("and {more} more"), &style, (x, row(LEGEND_ROWS)))?;
    }
    Ok(())
}

/// A picture within the SVG, framed in the colour of its label; plotters has none without its bitmap backend.
fn thumbnail_element(
    content: &PointMap,
    thumbnail: &Thumbnail,
    frame: &Frame,
) -> Result<String, FigureError> {
    let [_, height, width] = content.shape;
    let png = image_grid(std::slice::from_ref(&thumbnail.pixels), content.shape, 1, 1)?;
    // The grid has a gap around its images, which is cut off by the view.
    let gap = width.min(height).div_ceil(14).max(1);
    let scale = THUMBNAIL * f64::from(UNITS) / width.max(height) as f64;
    let (x, y) = frame.place(content.points[thumbnail.point]);
    let (shown_width, shown_height) = (width as f64 * scale, height as f64 * scale);
    let left = f64::from(x) - shown_width / 2.0;
    let top = f64::from(y) - shown_height / 2.0;
    let RGBColor(red, green, blue) = color(content, thumbnail.point);
    let mut element = String::new();
    let written = write!(
        element,
        "<svg x=\"{left:.0}\" y=\"{top:.0}\" width=\"{shown_width:.0}\" height=\"{shown_height:.0}\" viewBox=\"{gap} {gap} {width} {height}\">\
         <image width=\"{}\" height=\"{}\" style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"/></svg>\n\
         <rect x=\"{left:.0}\" y=\"{top:.0}\" width=\"{shown_width:.0}\" height=\"{shown_height:.0}\" fill=\"none\" \
         stroke=\"#{red:02X}{green:02X}{blue:02X}\" stroke-width=\"{}\"/>\n",
        width + 2 * gap,
        height + 2 * gap,
        STANDARD.encode(png),
        2 * UNITS,
    );
    written.map_err(|error| FigureError::Svg(error.to_string()))?;
    Ok(element)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> PointMap {
        PointMap {
            title: "A <map>".into(),
            points: vec![[0.0, 0.0], [2.0, 1.0], [1.0, -1.0]],
            labels: vec![7, 3, 7],
            names: vec![(3, "cats & dogs".into()), (7, "birds".into())],
            thumbnails: vec![Thumbnail {
                point: 1,
                pixels: vec![0.5; 4],
            }],
            shape: [1, 2, 2],
            ..PointMap::default()
        }
    }

    #[test]
    fn a_dot_an_image_and_one_a_label_in_the_colours_of_the_labels() {
        let svg = map(&content()).unwrap();
        let dots = |color: &str| {
            let lines = svg.lines().filter(|line| line.starts_with("<circle"));
            lines.filter(|line| line.contains(color)).count()
        };
        assert_eq!((dots("#332288"), dots("#CC6677")), (2, 3));
        assert!(svg.contains("cats &amp; dogs") && svg.contains("A &lt;map&gt;"));
        assert_eq!(svg.matches("data:image/png;base64,").count(), 1);
        // The thumbnail's frame has the colour of its label.
        assert!(svg.contains("stroke=\"#332288\""));
        assert!(svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn both_axes_have_one_scale_and_up_is_up() {
        let points = content().points;
        let frame = Frame::of(&points).unwrap();
        let [origin, right, below] = [0, 1, 2].map(|index| frame.place(points[index]));
        assert_eq!(right.0 - origin.0, 2 * (below.0 - origin.0));
        assert_eq!(origin.1 - right.1, below.1 - origin.1);
        assert!(right.1 < origin.1);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_and_single_points_are_drawn() {
        let mut one = content();
        one.points = vec![[f64::NAN, 0.0]];
        assert!(map(&one).unwrap_err().to_string().contains("found NaN"));
        one.points.clear();
        assert!(map(&one).unwrap_err().to_string().contains("found none"));
        one.points = vec![[5.0, 5.0]];
        one.thumbnails.clear();
        one.labels.clear();
        one.names.clear();
        assert!(map(&one).unwrap().contains("<circle"));
        let many = PointMap {
            points: vec![[0.0, 0.0]; 40],
            labels: (0..40).collect(),
            names: (0..40).map(|label| (label, label.to_string())).collect(),
            ..one
        };
        assert!(map(&many).unwrap().contains("and 10 more"));
    }
}
