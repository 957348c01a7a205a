//! An SVG as pixels.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use super::error::FigureError;

/// Pixels of the picture for one of the SVG, so that text stays readable on dense screens.
const SCALE: f32 = 2.0;

/// Draws an SVG as a PNG. All text is in DejaVu Sans, which comes with the program, whatever fonts the machine has; it has no
/// Chinese, Japanese or Korean letters.
///
/// # Errors
/// When it is no SVG.
pub fn raster(svg: &str) -> Result<Vec<u8>, FigureError> {
    let mut options = Options::default();
    let fonts = options.fontdb_mut();
    for face in [dejavu::sans::regular(), dejavu::sans::bold()] {
        fonts.load_font_data(face.to_vec());
    }
    fonts.set_sans_serif_family("DejaVu Sans");
    let refused = |error: &dyn std::fmt::Display| FigureError::Svg(error.to_string());
    let tree = Tree::from_str(svg, &options).map_err(|error| refused(&error))?;
    let size = tree.size().to_int_size().scale_by(SCALE);
    let pixels = size.and_then(|size| Pixmap::new(size.width(), size.height()));
    let mut pixels = pixels.ok_or_else(|| refused(&"expected a size that fits into memory"))?;
    let transform = Transform::from_scale(SCALE, SCALE);
    resvg::render(&tree, transform, &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| refused(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of pixels that are not white.
    fn drawn(svg: &str) -> f64 {
        let png = raster(svg).unwrap();
        let image = image::load_from_memory(&png).unwrap().into_rgb8();
        assert_eq!(image.dimensions(), (200, 80));
        let drawn = image.pixels().filter(|pixel| pixel.0 != [255; 3]);
        drawn.count() as f64 / 16_000.0
    }

    #[test]
    fn shapes_text_and_pictures_are_drawn_without_a_font_of_the_machine() {
        let svg = |content: &str| {
            format!(
                "<svg width=\"100\" height=\"40\" viewBox=\"0 0 400 160\" xmlns=\"http://www.w3.org/2000/svg\">\
                 <rect width=\"400\" height=\"160\" fill=\"#FFFFFF\"/>{content}</svg>"
            )
        };
        assert_eq!(drawn(&svg("")), 0.0);
        let half = drawn(&svg(
            "<rect width=\"200\" height=\"160\" fill=\"#332288\"/>",
        ));
        assert!((half - 0.5).abs() < 0.01, "{half}");
        let text = |weight: &str| {
            drawn(&svg(&format!(
                "<text x=\"8\" y=\"100\" font-family=\"sans-serif\" font-size=\"64\" font-weight=\"{weight}\">Żółw 7</text>"
            )))
        };
        assert!(text("normal") > 0.03 && text("bold") > 1.2 * text("normal"));
        let png = super::super::image_grid(&[vec![0.0; 4]], [1, 2, 2], 1, 1).unwrap();
        let png = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, png);
        let picture = drawn(&svg(&format!(
            "<image width=\"160\" height=\"160\" href=\"data:image/png;base64,{png}\"/>"
        )));
        assert!((0.1..=0.4).contains(&picture), "{picture}");
    }

    #[test]
    fn what_is_no_svg_is_refused() {
        let error = raster("<svg").unwrap_err().to_string();
        assert!(error.contains("can't draw the SVG"), "{error}");
    }
}
