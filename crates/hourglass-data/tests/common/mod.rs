//! Small IDX files for the tests.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// An IDX file of `count` images of 2x3; pixel j of image i is 10 i + j.
pub fn images(count: u32) -> Vec<u8> {
    let mut bytes: Vec<u8> = [0x803, count, 2, 3]
        .into_iter()
        .flat_map(u32::to_be_bytes)
        .collect();
    bytes.extend((0..count).flat_map(|image| (0..6).map(move |pixel| (10 * image + pixel) as u8)));
    bytes
}

/// An IDX file of `count` labels 0, 1, 2, ...
pub fn labels(count: u32) -> Vec<u8> {
    let mut bytes: Vec<u8> = [0x801, count]
        .into_iter()
        .flat_map(u32::to_be_bytes)
        .collect();
    bytes.extend((0..count).map(|label| label as u8));
    bytes
}

/// The same bytes, packed.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
