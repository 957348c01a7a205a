//! Bytes per image and squared error of models, and of PCA with as many components, after the same quantiser and coder, on all
//! test images. A line of CSV each: `scripts/compression/table.py` sets them beside JPEG and WebP. A number in place of a model
//! is a number of components of PCA.
//!
//! ```text
//! cargo run --release --workspace --example rate_distortion -- mnist models/undercomplete models/variational 100
//! ```

use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::Arc;

use burn_flex::Flex;
use hourglass_data::{Batches, Dataset, Locations, Subset};
use hourglass_figures::to_byte;
use hourglass_measure::pca::Pca;
use hourglass_models::Model;
use hourglass_store::SavedModel;
use hourglass_tasks::compress::{CodeSpill, Steps, compress, open};
use hourglass_tasks::stream::{codes, decoded};

/// The bits that codes are quantised to.
const BITS: [u8; 8] = [1, 2, 3, 4, 5, 6, 8, 10];

/// PCA is no model with a checksum of its own.
const NO_MODEL: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().unwrap_or_else(|| "mnist".into());
    let splits = hourglass_data::open(&data, &Locations::from_env(None))?;
    let test = splits.test()?;
    println!("method,code,steps,bits,bytes_per_image,squared_error,model_bytes");
    let mut sizes = Vec::new();
    for name in arguments {
        if let Ok(components) = name.parse::<usize>() {
            sizes.push(components);
            continue;
        }
        let saved = SavedModel::find(&name)?;
        let code = saved.description()?.model.code();
        let device = Default::default();
        let model: Model<Flex> = saved.load(&device)?;
        let name = name.rsplit('/').next().unwrap_or(&name).to_owned();
        let encoded: Vec<Vec<f32>> = codes(&model, &Subset::all(test), &device).collect();
        let method = Method {
            name: &name,
            code,
            model_bytes: saved.weights_bytes()?,
        };
        measure(&method, &encoded, test, |codes| {
            decoded(&model, codes, code, 0, &device).expect("a trained model gives numbers")
        })?;
        sizes.push(code);
    }
    sizes.sort_unstable();
    sizes.dedup();
    let rows = batches(splits.train()).map(|batch| batch.images);
    let pca = Pca::fit(splits.train().features(), rows, |_| {})?;
    for code in sizes {
        let encoded: Vec<Vec<f32>> = batches(test)
            .map(|batch| pca.codes(code, &batch.images))
            .collect();
        let method = Method {
            name: "PCA",
            code,
            // The mean and the components in float32.
            model_bytes: (4 * (code + 1) * pca.features()) as u64,
        };
        measure(&method, &encoded, test, |codes| {
            restored(&pca, code, &codes)
        })?;
    }
    Ok(())
}

fn batches(dataset: &Arc<Dataset>) -> Batches {
    Batches::sequential(
        &Subset::all(dataset),
        NonZeroUsize::new(500).unwrap_or(NonZeroUsize::MIN),
    )
}

/// m + V z
fn restored(pca: &Pca, code: usize, codes: &[f32]) -> Vec<f32> {
    let components = pca.components(code);
    let mut images = Vec::with_capacity(codes.len() / code * pca.features());
    for row in codes.chunks_exact(code) {
        images.extend((0..pca.features()).map(|pixel| {
            let terms = row.iter().enumerate();
            let sum: f64 = terms
                .map(|(place, &value)| components[(pixel, place)] * f64::from(value))
                .sum();
            (pca.mean()[pixel] + sum) as f32
        }));
    }
    images
}

struct Method<'a> {
    name: &'a str,
    code: usize,
    model_bytes: u64,
}

/// Prints a line for each choice of the quantiser.
fn measure(
    method: &Method<'_>,
    encoded: &[Vec<f32>],
    test: &Dataset,
    decode: impl Fn(Vec<f32>) -> Vec<f32>,
) -> Result<(), Box<dyn Error>> {
    let Method {
        name,
        code,
        model_bytes,
    } = *method;
    let shape = test.shape();
    let mut spill = CodeSpill::new(code)?;
    for codes in encoded {
        spill.add(codes)?;
    }
    let images = test.len() as f64;
    let line = |steps: &str, bits: &str, bytes: f64, error: f64| {
        println!(
            "{name},{code},{steps},{bits},{:.4},{:.4},{model_bytes}",
            bytes / images,
            error / images
        );
    };
    let exact = squared_error(test, encoded.iter().cloned(), &decode);
    line("", "float32", (4 * code) as f64 * images, exact);
    for (steps, steps_name) in [(Steps::Own, "own"), (Steps::Common, "common")] {
        for bits in BITS {
            let mut bytes = Vec::new();
            compress(&mut spill, bits, steps, shape, NO_MODEL, &mut bytes)?;
            let blocks = open(&bytes[..], code, shape, NO_MODEL)?;
            let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
            let error = squared_error(test, blocks.into_iter(), &decode);
            line(steps_name, &bits.to_string(), bytes.len() as f64, error);
        }
    }
    Ok(())
}

/// The sum over all images of ||x - y||², y restored to bytes, as a picture's file holds it; pixels are in [0, 1].
fn squared_error(
    test: &Dataset,
    blocks: impl Iterator<Item = Vec<f32>>,
    decode: impl Fn(Vec<f32>) -> Vec<f32>,
) -> f64 {
    let mut image = 0;
    let mut error = 0.0;
    for codes in blocks {
        for restored in decode(codes).chunks_exact(test.features()) {
            let pixels = test.image(image).iter().zip(restored);
            error += pixels
                .map(|(&pixel, &value)| (f64::from(pixel) - f64::from(to_byte(value))).powi(2))
                .sum::<f64>();
            image += 1;
        }
    }
    error / (255.0 * 255.0)
}
