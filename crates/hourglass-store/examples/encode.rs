//! Encodes an image with a published model, on the CPU, without a trainer and without a GPU's libraries:
//!
//!     cargo run --package hourglass-store --features flex,published --example encode

use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use hourglass_models::Autoencoder;
use hourglass_store::{SavedModel, StoreError};

fn main() -> Result<(), StoreError> {
    let device = Default::default();
    let model = SavedModel::find("variational")?.load::<Flex>(&device)?;

    // An upright stroke, 28 x 28 pixels in [0, 1].
    let is_ink = |row: usize, column: usize| (4..24).contains(&row) && (13..15).contains(&column);
    let pixels = (0..784).map(|pixel| f32::from(u8::from(is_ink(pixel / 28, pixel % 28))));
    let image = TensorData::new(pixels.collect(), [1, 784]);

    let code = model.encode(Tensor::<Flex, 2>::from_data(image, &device));
    println!("code: {:.2}", code);
    Ok(())
}
