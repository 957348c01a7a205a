//! Pictures, as bytes: grids of images (PNG), training curves, bars and maps of codes (SVG, or PNG made of it).

mod axis;
mod bars;
mod curves;
mod error;
mod grid;
mod map;
mod pixels;
mod raster;

pub use bars::bars;
pub use curves::{ColoredCurve, Curve, Panel, curves, panel};
pub use error::FigureError;
pub use grid::image_grid;
pub use map::{PointMap, Thumbnail, map};
pub use pixels::to_byte;
pub use raster::raster;
