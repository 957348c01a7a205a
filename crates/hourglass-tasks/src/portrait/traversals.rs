//! Images along the way as one unit of a code moves and the others stay fixed, for the units that change the picture most.

use burn::tensor::backend::Backend;
use hourglass_models::{Autoencoder, Model, Shape, StepContext};

use super::codes::Codes;
use super::decoding::decode_each;
use crate::paths::traverse;

/// The most units that are moved.
const SHOWN: usize = 10;
/// Images along the way of each unit.
const STEPS: usize = 9;
/// A unit moves from the value that this share of its values lies below to the one that as many lie above.
const TAIL: f64 = 0.01;
/// How far from 0 the units move if they start at the prior's mean: 2 % of the values of N(0, 1) lie beyond.
const PRIOR_REACH: f32 = 2.33;

/// Traversals that start at the same code.
#[derive(Debug, Clone, PartialEq)]
pub struct Traversals {
    /// Whether they start at the code of the split's first image; if not, they start at the prior's mean.
    pub from_image: bool,
    /// The units that change the picture most, in decreasing order.
    pub units: Vec<Traversal>,
}

/// Images along the way as one unit moves.
#[derive(Debug, Clone, PartialEq)]
pub struct Traversal {
    /// The unit, from 0.
    pub unit: usize,
    /// Its first and its last value.
    pub range: [f32; 2],
    /// The means of p(x|h) at values in equal steps, `[features]` each.
    pub images: Vec<Vec<f32>>,
}

/// Moves the units. Without codes of images, only families with a prior have a code to start at.
pub(super) fn of<B: Backend>(
    model: &Model<B>,
    shape: Shape,
    codes: Result<&Codes, &str>,
    device: &B::Device,
    tick: &mut dyn FnMut(usize),
) -> Result<Traversals, String> {
    let (base, ranges) = match codes {
        Ok(codes) => {
            let first = codes.rows().next().ok_or("there are no images")?;
            let ranges = (0..codes.width).map(|unit| codes.range(unit, TAIL));
            (first.to_vec(), ranges.collect::<Vec<_>>())
        }
        Err(reason) => {
            let code = model.sample_prior(1, &StepContext::evaluate(0, 0), device);
            let [_, width] = code.ok_or(reason)?.dims();
            (vec![0.0; width], vec![[-PRIOR_REACH, PRIOR_REACH]; width])
        }
    };
    let features = shape.features();
    let units = most_visible(model, features, &base, &ranges, device, tick);
    let ways = units.iter().flat_map(|&unit| {
        let [low, high] = ranges[unit];
        let step = (high - low) / (STEPS - 1) as f32;
        let values = (0..STEPS).map(move |index| low + step * index as f32);
        traverse(&base, unit, values)
    });
    let mut images = Vec::new();
    decode_each(model, ways, features, true, device, |place, image| {
        tick(place);
        images.push(image.to_vec());
    });
    let units = units.iter().zip(images.chunks_exact(STEPS));
    Ok(Traversals {
        from_image: codes.is_ok(),
        units: units
            .map(|(&unit, images)| Traversal {
                unit,
                range: ranges[unit],
                images: images.to_vec(),
            })
            .collect(),
    })
}

/// The units for which the images at both ends differ most; units without any effect are not among them.
fn most_visible<B: Backend>(
    model: &Model<B>,
    features: usize,
    base: &[f32],
    ranges: &[[f32; 2]],
    device: &B::Device,
    tick: &mut dyn FnMut(usize),
) -> Vec<usize> {
    let ranges = ranges.iter().enumerate();
    let ends = ranges.flat_map(|(unit, ends)| traverse(base, unit, ends.iter().copied()));
    let (mut low, mut effects) = (Vec::new(), Vec::new());
    decode_each(model, ends, features, true, device, |place, image| {
        tick(place);
        if place % 2 == 0 {
            low = image.to_vec();
            return;
        }
        let differences = image
            .iter()
            .zip(&low)
            .map(|(a, b)| f64::from(a - b).powi(2));
        effects.push((differences.sum::<f64>(), place / 2));
    });
    effects.retain(|(effect, _)| *effect > 0.0);
    effects.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    effects
        .into_iter()
        .take(SHOWN)
        .map(|(_, unit)| unit)
        .collect()
}
