//! Decodes codes to images, rows or vectors.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use burn::tensor::backend::Backend;
use fs_err as fs;
use hourglass_figures::to_byte;
use hourglass_files::write_quickly;
use hourglass_models::{Model, Shape};

use crate::codes::{PendingFile, write_floats, write_header};
use crate::stream::{Done, decoded, decoded_sparse, in_batches};
use crate::{NotFinite, RowsWriter};

/// The format in which decoded images are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    /// A folder of PNG files, `000000.png` and so on.
    Png,
    /// A NumPy array of float32: the means of p(x|h), unchanged.
    Floats,
    /// A NumPy array of bytes: means below 0 become 0, means above 1 become 255.
    Bytes,
}

/// Where decoded samples are written, one after the other.
pub trait SampleWriter {
    /// The shape of a sample's features.
    fn shape(&self) -> Shape;

    /// Writes the next samples.
    ///
    /// # Errors
    /// When they can't be written.
    ///
    /// # Shapes
    /// - features: `[any, features]`
    fn write(&mut self, features: &[f32]) -> io::Result<()>;
}

/// Where images are written, one after the other.
pub struct ImageWriter {
    shape: Shape,
    images: u64,
    written: u64,
    target: Target,
}

enum Target {
    Folder(PathBuf),
    Floats(PendingFile),
    Bytes(PendingFile),
}

impl ImageWriter {
    /// Begins a folder or an array of `images` images: `[images, height, width]`, or `[images, channels, height, width]`.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn create(path: &Path, format: ImageFormat, shape: Shape, images: u64) -> io::Result<Self> {
        let [channels, height, width] = shape.to_array().map(|side| side as u64);
        let axes = match channels {
            1 => vec![images, height, width],
            channels => vec![images, channels, height, width],
        };
        let target = match format {
            // The folder is created with the first image, so that there is none if no image can be made.
            ImageFormat::Png => Target::Folder(path.into()),
            ImageFormat::Floats => {
                let mut file = PendingFile::create(path)?;
                write_header::<f32>(&mut file, &axes)?;
                Target::Floats(file)
            }
            ImageFormat::Bytes => {
                let mut file = PendingFile::create(path)?;
                write_header::<u8>(&mut file, &axes)?;
                Target::Bytes(file)
            }
        };
        Ok(Self {
            shape,
            images,
            written: 0,
            target,
        })
    }

    /// Ends the folder or the array.
    ///
    /// # Errors
    /// When it can't be written, or does not have as many images as `create` was told.
    pub fn finish(self) -> io::Result<()> {
        if self.written != self.images {
            let message = format!("expected {} images, found {}", self.images, self.written);
            return Err(io::Error::other(message));
        }
        match self.target {
            Target::Folder(folder) => fs::create_dir_all(folder),
            Target::Floats(file) | Target::Bytes(file) => file.finish(),
        }
    }
}

impl SampleWriter for ImageWriter {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn write(&mut self, images: &[f32]) -> io::Result<()> {
        let features: usize = self.shape.features();
        match &mut self.target {
            Target::Folder(folder) => {
                fs::create_dir_all(&*folder)?;
                for (image, number) in images.chunks_exact(features).zip(self.written..) {
                    let path = folder.join(format!("{number:06}.png"));
                    write_quickly(&path, &png(image, self.shape)?)?;
                }
            }
            Target::Floats(file) => write_floats(file, images)?,
            Target::Bytes(file) => {
                let bytes: Vec<u8> = images.iter().map(|&value| to_byte(value)).collect();
                file.write_all(&bytes)?;
            }
        }
        self.written += (images.len() / features) as u64;
        Ok(())
    }
}

impl SampleWriter for RowsWriter {
    fn shape(&self) -> Shape {
        self.shape()
    }

    fn write(&mut self, features: &[f32]) -> io::Result<()> {
        self.write(&[], features).map_err(io::Error::other)
    }
}

/// A PNG of one image with values in [0, 1] and 1 or 3 channels.
fn png(image: &[f32], shape: Shape) -> io::Result<Vec<u8>> {
    let channels = shape.channels;
    if !matches!(channels, 1 | 3) {
        let message = format!(
            "expected images of 1 or 3 channels, found {channels}; write an array (.npy) of them"
        );
        return Err(io::Error::other(message));
    }
    crate::pictures::png(image, shape).map_err(io::Error::other)
}

/// Decodes codes of `code` numbers each, given in parts of any size, `[any, code]` row-major. Where the codes have been
/// `rounded`, they are made sparse again if the family's are.
///
/// # Errors
/// When the codes can't be read, the decoder gives no numbers, or the samples can't be written.
pub fn decode<B: Backend, E: From<NotFinite> + From<io::Error>>(
    model: &Model<B>,
    codes: impl Iterator<Item = Result<Vec<f32>, E>>,
    (code, rounded): (usize, bool),
    device: &B::Device,
    writer: &mut impl SampleWriter,
    done: Done<'_>,
) -> Result<(), E> {
    let mut images = 0;
    for batch in in_batches(codes, code, writer.shape()) {
        let batch = batch?;
        let rows = batch.len() / code;
        let decoded = match rounded {
            true => decoded_sparse(model, batch, code, images, device),
            false => decoded(model, batch, code, images, device),
        };
        writer.write(&decoded?)?;
        images += rows;
        done(images);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_of_colour_images_are_beside_each_other() {
        // Two pixels: red and green planes, then blue.
        let image = [1.0, 0.0, 0.0, 1.0, 0.5, 2.0];
        let bytes = png(&image, Shape::new(3, 1, 2)).unwrap();
        let read = image::load_from_memory(&bytes).unwrap().into_rgb8();
        assert_eq!(read.into_raw(), [255, 0, 128, 0, 255, 255]);
        let error = png(&[0.0; 4], Shape::new(2, 1, 2)).unwrap_err().to_string();
        assert!(error.contains("1 or 3 channels, found 2"), "{error}");
    }
}
