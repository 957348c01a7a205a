//! Units as images: what the encoder's first layer responds to, and what the units of the code add to the picture.

use burn::tensor::backend::Backend;
use hourglass_models::{Autoencoder, Model, Shape, state_dict};

use super::codes::Codes;
use super::decoding::decode_each;

/// The most units that are shown.
const SHOWN: usize = 48;

/// The images of some units.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitImages {
    /// The shape of the images.
    pub shape: Shape,
    /// The number of all units.
    pub units: usize,
    /// The units with the largest images, the largest first.
    pub largest: Vec<UnitImage>,
}

/// A unit as an image around 0.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitImage {
    /// The unit, from 0.
    pub unit: usize,
    /// `[features]`
    pub values: Vec<f32>,
}

/// The weights of the encoder's first layer.
pub(super) fn filters<B: Backend>(model: &Model<B>, shape: Shape) -> Result<UnitImages, String> {
    let weights = state_dict(model).map_err(|error| error.to_string())?;
    let (_, weight) = weights
        .into_iter()
        .next()
        .ok_or("the network has no weights")?;
    let dims = weight.shape.to_vec();
    let shape = match dims[..] {
        [_, features] if features == shape.features() => shape,
        [_, channels @ (1 | 3), height, width] => Shape::new(channels, height, width),
        _ => return Err(format!("weights of shape {dims:?} make no images")),
    };
    let mut largest = Largest::new(shape);
    let values: Vec<f32> = weight.iter::<f32>().collect();
    let features = shape.features();
    for (unit, values) in values.chunks_exact(features).enumerate() {
        largest.add(unit, values.to_vec());
    }
    Ok(largest.finish())
}

/// How the decoder's output, before the likelihood's mean, changes as each unit goes up by its standard deviation from the
/// mean code, or by 1 from 0 if there are no images to compute these from. For a decoder of one layer, this is its weights up to
/// a factor.
pub(super) fn atoms<B: Backend>(
    model: &Model<B>,
    shape: Shape,
    codes: Option<&Codes>,
    device: &B::Device,
    tick: &mut dyn FnMut(usize),
) -> Result<UnitImages, String> {
    let (base, steps) = match codes {
        Some(codes) => codes.moments(),
        None => {
            let width = model.code_width(shape.features(), device);
            (vec![0.0; width], vec![1.0; width])
        }
    };
    let features = shape.features();
    let mut from = Vec::new();
    let base_only = std::iter::once(base.clone());
    decode_each(model, base_only, features, false, device, |_, row| {
        from = row.to_vec()
    });
    let moved = steps.iter().enumerate().map(|(unit, step)| {
        let mut code = base.clone();
        code[unit] += step;
        code
    });
    let mut largest = Largest::new(shape);
    decode_each(model, moved, features, false, device, |unit, row| {
        tick(unit);
        let difference = row.iter().zip(&from).map(|(to, from)| to - from);
        largest.add(unit, difference.collect());
    });
    Ok(largest.finish())
}

/// The largest images so far.
struct Largest {
    shape: Shape,
    units: usize,
    /// The images with the squares of their lengths.
    kept: Vec<(f64, UnitImage)>,
}

impl Largest {
    fn new(shape: Shape) -> Self {
        Self {
            shape,
            units: 0,
            kept: Vec::new(),
        }
    }

    fn add(&mut self, unit: usize, values: Vec<f32>) {
        self.units += 1;
        let square: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
        // Units that do nothing have nothing to show.
        if square > 0.0 {
            let place = self.kept.partition_point(|(other, _)| *other >= square);
            self.kept
                .insert(place, (square, UnitImage { unit, values }));
            self.kept.truncate(SHOWN);
        }
    }

    fn finish(self) -> UnitImages {
        UnitImages {
            shape: self.shape,
            units: self.units,
            largest: self.kept.into_iter().map(|(_, image)| image).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_kept_in_order() {
        let mut largest = Largest::new(Shape::new(1, 1, 2));
        for unit in 0..SHOWN + 10 {
            largest.add(unit, vec![unit as f32, 0.0]);
        }
        let found = largest.finish();
        assert_eq!(found.units, SHOWN + 10);
        let units: Vec<usize> = found.largest.iter().map(|image| image.unit).collect();
        let expected: Vec<usize> = (10..SHOWN + 10).rev().collect();
        assert_eq!(
            units, expected,
            "unit 0 does nothing, and is not among them"
        );
    }
}
