//! How the user's own data are to be opened, and a report of what was found.

use std::path::PathBuf;
use std::sync::Arc;

use hourglass_samples::{Input, Kind, Missing, Shape};
use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::limits::MAX_SIDE;

/// How data become a dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataOptions {
    /// What the samples are, where the file alone does not tell.
    pub kind: Option<Kind>,
    /// How images are taken.
    pub images: ImageOptions,
    /// How tables and vectors are taken.
    pub rows: RowOptions,
    /// What a trained model takes: the columns are found by their names, and become features as they did for its training.
    pub input: Option<Arc<Input>>,
    /// Where the test samples are, if not in the same place.
    pub test: Option<String>,
    /// The share of the samples that is held out for testing, drawn at random, the same on every machine.
    pub test_fraction: Option<f64>,
}

impl From<ImageOptions> for DataOptions {
    fn from(images: ImageOptions) -> Self {
        Self {
            images,
            ..Self::default()
        }
    }
}

/// How tables and vectors are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowOptions {
    /// The columns that are features, in this order; without them all but those that are something else.
    pub columns: Option<Vec<String>>,
    /// The column of labels, which is no feature; of vectors, the array of labels.
    pub label: Option<String>,
    /// The column that names the rows, which is no feature.
    pub id: Option<String>,
    /// Columns of numbers that stand for categories.
    pub categorical: Vec<String>,
    /// What is done about missing cells.
    pub missing: Missing,
    /// The array of vectors, in a file with several.
    pub array: Option<String>,
}

impl DataOptions {
    /// Refuses options that samples of this kind have no use for.
    pub(crate) fn check_used(&self, name: &str, kind: Kind) -> Result<(), DataError> {
        let ImageOptions {
            shape,
            strict,
            on_error,
        } = self.images;
        let rows = &self.rows;
        let of_images = [
            ("data.shape", shape.is_some()),
            ("data.strict", strict),
            ("data.on_error", on_error != OnError::Stop),
        ];
        let of_tables = [
            ("data.columns", rows.columns.is_some()),
            ("data.id", rows.id.is_some()),
            ("data.categorical", !rows.categorical.is_empty()),
            ("data.missing", rows.missing != Missing::Refuse),
        ];
        let of_vectors = [("data.array", rows.array.is_some())];
        let of_rows = [("data.label", rows.label.is_some())];
        let unused: &[&[(&'static str, bool)]] = match kind {
            Kind::Image => &[&of_tables, &of_vectors, &of_rows],
            Kind::Table => &[&of_images, &of_vectors],
            Kind::Vectors => &[&of_images, &of_tables],
        };
        let given = unused.iter().flat_map(|group| group.iter());
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((setting, _)) => Err(DataError::UnusedOption {
                name: name.into(),
                setting,
                kind,
            }),
            None => Ok(()),
        }
    }
}

/// How images become a dataset. The default takes the images' own shape and stops at the first file that can't be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ImageOptions {
    /// The shape that every image is brought to. Without it, that of the source is taken: for a folder, that of the first
    /// image, with three channels unless all images are grey.
    pub shape: Option<Shape>,
    /// Accepts only images that already have the shape: nothing is resized, no colour is converted, no alpha is flattened.
    pub strict: bool,
    /// What to do about a file that can't be used.
    pub on_error: OnError,
}

/// What to do about an image file that can't be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// Refuse the folder, naming the first such file.
    #[default]
    Stop,
    /// Go on without it, and list it in the [`SourceReport`].
    Skip,
}

impl ImageOptions {
    /// Refuses a shape that no image can be brought to.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        let side = 1..=MAX_SIDE as usize;
        match self.shape {
            Some(shape)
                if !(matches!(shape.channels, 1 | 3)
                    && side.contains(&shape.height)
                    && side.contains(&shape.width)) =>
            {
                Err(DataError::BadShape { shape })
            }
            _ => Ok(()),
        }
    }
}

/// What was found besides usable samples when they were opened. Empty for IDX files of the shape asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// The image files that were left out, in the order of their paths.
    pub skipped: Vec<Skipped>,
    /// The number of files ignored because their extension is not that of an image. Hidden files are not counted.
    pub ignored: usize,
    /// Decisions about the data that may surprise, a sentence each.
    pub notes: Vec<String>,
    /// The directory that keeps the samples as they were read, where there is one. It may be deleted, and is made again when needed.
    pub cache: Option<PathBuf>,
}

/// An image file that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The path below the folder, written as an [id](crate::Dataset::id).
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
    /// Whether the operating system refused to read it, which may change without the file changing.
    pub unreadable: bool,
}
