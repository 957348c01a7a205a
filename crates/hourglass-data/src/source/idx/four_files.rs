//! The four IDX files of a dataset, under the names that MNIST gave them.

use std::path::{Path, PathBuf};

use super::header::{self, Header, Kind};
use crate::dataset::{Bytes, Dataset, Splits};
use crate::error::DataError;

/// Names that every dataset of MNIST's kind uses: training images and labels, test images and labels.
pub const FILE_NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// A file's path, for errors, and its bytes.
type Opened = (PathBuf, Bytes);

/// The file of this official name in `directory`: plain or packed, spelt with a hyphen or, as in some copies, with a dot.
pub(crate) fn find_file(directory: &Path, name: &str) -> Option<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    [
        name.into(),
        dotted.clone(),
        format!("{name}.gz"),
        format!("{dotted}.gz"),
    ]
    .into_iter()
    .map(|name: String| directory.join(name))
    .find(|path| path.is_file())
}

/// Makes the splits of four files in the order of [`FILE_NAMES`], of which only the training images must be there.
pub(crate) fn assemble(
    name: &str,
    files: [Option<Opened>; 4],
    directory: &Path,
) -> Result<Splits, DataError> {
    let [train_images, train_labels, test_images, test_labels] = files;
    let train_images = train_images.ok_or_else(|| DataError::NoImages {
        path: directory.into(),
        expected: FILE_NAMES[0],
        found: "other IDX files".into(),
    })?;
    let train = dataset(name, train_images, train_labels)?;
    let test = test_images
        .map(|images| dataset(name, images, test_labels))
        .transpose()?;
    Splits::new(train, test)
}

/// The dataset of a file of images and, where there is one, a file of labels.
pub(super) fn dataset(
    name: &str,
    images: Opened,
    labels: Option<Opened>,
) -> Result<Dataset, DataError> {
    let (images_path, bytes) = images;
    let (header, images) = header::read(bytes, Kind::Images, &images_path)?;
    let labels = match labels {
        None => None,
        Some((labels_path, bytes)) => {
            let (Header { count: labels, .. }, bytes) =
                header::read(bytes, Kind::Labels, &labels_path)?;
            if labels != header.count {
                return Err(DataError::CountsDisagree {
                    images_path,
                    images: header.count,
                    labels_path,
                    labels,
                });
            }
            Some(bytes)
        }
    };
    Ok(Dataset::of_images(name, header.shape, images, labels))
}
