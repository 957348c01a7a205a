//! The user's own images: folders of files, single files and arrays, good and bad.

mod cached;
mod folders;
mod hostile;
mod npy;
mod pixels;
mod resized;

use std::path::{Path, PathBuf};

use hourglass_data::{DataError, ImageOptions, Locations, OnError, Shape, Splits, open_with};
use image::{DynamicImage, GrayImage, Luma};
use tempfile::TempDir;

/// A directory for data and one for the user's files.
struct Place {
    data: TempDir,
    user: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            data: TempDir::new().unwrap(),
            user: TempDir::new().unwrap(),
        }
    }

    /// A place with a grey image of 3x2 at each path; all pixels of the i-th are i.
    fn with_images(paths: &[&str]) -> Self {
        let place = Self::new();
        for (index, path) in paths.iter().enumerate() {
            place.image(path, &grey(3, 2, index as u8));
        }
        place
    }

    fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.user.path().join(relative)
    }

    fn write(&self, relative: impl AsRef<Path>, bytes: &[u8]) {
        let path = self.path(relative);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, bytes).unwrap();
    }

    fn image(&self, relative: impl AsRef<Path>, image: &DynamicImage) {
        let path = self.path(relative);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        image.save(path).unwrap();
    }

    fn locations(&self) -> Locations {
        Locations::new(self.data.path(), None)
    }

    fn open_as(&self, relative: &str, options: &ImageOptions) -> Result<Splits, DataError> {
        let path = match relative {
            "" => self.user.path().into(),
            relative => self.path(relative),
        };
        open_with(
            path.to_str().unwrap(),
            &self.locations(),
            &(*options).into(),
            &mut |_, _| {},
        )
    }

    fn open(&self) -> Splits {
        self.open_as("", &ImageOptions::default()).unwrap()
    }

    fn open_skipping(&self) -> Splits {
        self.open_as("", &skip()).unwrap()
    }

    fn refusal(&self) -> String {
        self.refusal_of("", &ImageOptions::default())
    }

    fn refusal_of(&self, relative: &str, options: &ImageOptions) -> String {
        self.open_as(relative, options).unwrap_err().to_string()
    }

    /// The directories in the cache, finished or not.
    fn caches(&self) -> Vec<PathBuf> {
        let entries = fs_err::read_dir(self.data.path().join("images")).into_iter();
        entries
            .flatten()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect()
    }
}

fn grey(width: u32, height: u32, value: u8) -> DynamicImage {
    GrayImage::from_pixel(width, height, Luma([value])).into()
}

fn skip() -> ImageOptions {
    ImageOptions {
        on_error: OnError::Skip,
        ..ImageOptions::default()
    }
}

fn wanting(channels: usize, height: usize, width: usize) -> ImageOptions {
    ImageOptions {
        shape: Some(Shape::new(channels, height, width)),
        ..ImageOptions::default()
    }
}

fn strict(options: ImageOptions) -> ImageOptions {
    ImageOptions {
        strict: true,
        ..options
    }
}

fn ids(dataset: &hourglass_data::Dataset) -> Vec<&str> {
    (0..dataset.len())
        .map(|index| dataset.id(index).unwrap())
        .collect()
}

/// The first pixel of each image, which tells those of [`Place::with_images`] apart.
fn firsts(dataset: &hourglass_data::Dataset) -> Vec<u8> {
    (0..dataset.len())
        .map(|index| dataset.image(index)[0])
        .collect()
}
