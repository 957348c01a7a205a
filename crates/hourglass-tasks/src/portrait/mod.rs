//! What can be seen of a model in addition to its numbers: reconstructions, filters, atoms, a map of the codes, traversals and
//! samples.
//!
//! Everything has a fixed size: the first images of a split, the units that matter most. So the cost depends on the model, not
//! on the number of images.

mod codes;
mod columns;
mod decoding;
mod map;
mod traversals;
mod units;

use burn::tensor::backend::Backend;
use hourglass_data::{Subset, measuring_sizes};
use hourglass_measure::{InputBatch, Measured, Progress, Reconstructed, attempt, input_batches};
use hourglass_models::{Autoencoder, Model, Shape, StepContext};

pub use columns::ColumnView;
pub use map::{CodeMap, Point};
pub use traversals::{Traversal, Traversals};
pub use units::{UnitImage, UnitImages};

use codes::Codes;
use decoding::{decode_each, decoded_at_once, rows};

/// Called from time to time with how much is done; it may interrupt.
type Tick<'a> = &'a mut dyn FnMut(usize);

/// Images that are shown beside their reconstructions.
const RECONSTRUCTIONS: usize = 32;
/// Images drawn from the prior.
const SAMPLES: usize = 48;

/// Every batch size at which a portrait uses a model, in addition to those of a split's batches.
pub fn portrait_sizes(shape: Shape) -> Vec<usize> {
    let [shown, rest] = measuring_sizes(RECONSTRUCTIONS, shape);
    vec![shown, rest, decoded_at_once(shape.features())]
}

/// What can be seen of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Portrait {
    /// The shape of the images.
    pub shape: Shape,
    /// The first images of the split.
    pub reconstructions: Measured<Vec<Reconstructed>>,
    /// The weights of the encoder's first layer: what each of its units responds to.
    pub filters: Measured<UnitImages>,
    /// What each unit of the code adds to the decoder's output.
    pub atoms: Measured<UnitImages>,
    /// The codes of the first images in two dimensions.
    pub map: Measured<CodeMap>,
    /// Images on the way as one unit of a code moves.
    pub traversals: Measured<Traversals>,
    /// Means of p(x|z) at codes drawn from the prior, `[features]` each.
    pub samples: Measured<Vec<Vec<f32>>>,
    /// Of a table: the columns as they are, and as the model makes them.
    pub columns: Measured<Vec<ColumnView>>,
}

/// Makes the portrait of a model; if there are no images, `split` says why. A part that fails, or is interrupted by `progress`,
/// is left out.
pub fn portrait<B: Backend>(
    model: &Model<B>,
    shape: Shape,
    split: Result<&Subset, &str>,
    device: &B::Device,
    progress: Progress<'_>,
) -> Portrait {
    let tick: Tick<'_> = &mut |done| progress("looking at the model", done, 0);
    let codes = split.map_err(str::to_owned);
    let codes = codes.and_then(|split| attempt(|| Codes::of(model, split, device, tick)));
    let codes = codes.as_ref().map_err(String::as_str);
    Portrait {
        shape,
        reconstructions: part(|| Ok(reconstructions(model, split?, device, tick))),
        filters: part(|| units::filters(model, shape)),
        atoms: part(|| units::atoms(model, shape, codes.ok(), device, tick)),
        map: part(|| map::of(codes?)),
        traversals: part(|| traversals::of(model, shape, codes, device, tick)),
        samples: part(|| samples(model, shape, device, tick)),
        columns: part(|| columns::of(model, split?, device, tick)),
    }
}

/// What can be seen, or why it can't.
fn part<T>(look: impl FnOnce() -> Result<T, String>) -> Measured<T> {
    Measured::from(attempt(look).and_then(|found| found))
}

fn reconstructions<B: Backend>(
    model: &Model<B>,
    split: &Subset,
    device: &B::Device,
    tick: Tick<'_>,
) -> Vec<Reconstructed> {
    let mut shown = Vec::new();
    let first = split.limit(RECONSTRUCTIONS).into_iter();
    for batch in first.flat_map(|first| input_batches(model, &first, device)) {
        tick(shown.len());
        shown.extend(reconstructions_of(model, &batch, shown.len()));
    }
    shown
}

/// The images of a batch, the first of which has the place `first`, and what the model makes of them.
fn reconstructions_of<B: Backend>(
    model: &Model<B>,
    batch: &InputBatch<B>,
    first: usize,
) -> Vec<Reconstructed> {
    let [_, features] = batch.images.dims();
    let corrupted = batch.corrupted(model);
    let inputs = corrupted.clone().unwrap_or_else(|| batch.images.clone());
    let reconstructions = rows(model.reconstruct(inputs), features);
    let corrupted = corrupted.map(|images| rows(images, features));
    let images = rows(batch.images.clone(), features);
    let pairs = images.into_iter().zip(reconstructions).enumerate();
    let pairs = pairs.map(|(place, (image, reconstruction))| {
        let differences = image.iter().zip(&reconstruction);
        Reconstructed {
            place: first + place,
            label: batch.batch.labels.as_ref().map(|labels| labels[place]),
            squared_error: differences.map(|(a, b)| f64::from(a - b).powi(2)).sum(),
            corrupted: corrupted.as_ref().map(|images| images[place].clone()),
            image,
            reconstruction,
        }
    });
    pairs.collect()
}

fn samples<B: Backend>(
    model: &Model<B>,
    shape: Shape,
    device: &B::Device,
    tick: Tick<'_>,
) -> Result<Vec<Vec<f32>>, String> {
    let features = shape.features();
    let codes = model.sample_prior(SAMPLES, &StepContext::evaluate(0, 0), device);
    let codes = codes.ok_or("the family has no prior to draw codes from")?;
    let [count, code] = codes.dims();
    let codes: Vec<f32> = codes.into_data().iter::<f32>().collect();
    let codes = codes.chunks(code).map(<[f32]>::to_vec);
    let mut images = Vec::with_capacity(count);
    decode_each(model, codes, features, true, device, |place, image| {
        tick(place);
        images.push(image.to_vec());
    });
    Ok(images)
}
