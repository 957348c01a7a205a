//! The errors of this crate. Their messages name the path, what was expected, what was found and what to do.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use hourglass_samples::{Kind, Shape};

use crate::limits::MAX_SIDE;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The operating system refused; fs-err's messages name the path.
    #[error(transparent)]
    File(#[from] io::Error),

    /// The operating system refused, where its own message has no path.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The refusal.
        reason: io::Error,
    },

    /// A file breaks the rules of its format.
    #[error("{}: {fault}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it: for an IDX file an [`IdxFault`](crate::idx::IdxFault), for a `.npy` file an
        /// [`NpyFault`](crate::NpyFault).
        fault: Box<dyn Error + Send + Sync>,
    },

    /// A `.gz` file can't be unpacked.
    #[error("{}: expected gzip data, but it can't be unpacked: {reason}\nhint: the file is damaged or incomplete; fetch or copy it again", path.display())]
    Gzip {
        /// The packed file.
        path: PathBuf,
        /// The decoder's message.
        reason: String,
    },

    /// A `.gz` file is longer or shorter than it says.
    #[error("{}: expected {expected} bytes once unpacked, found {found}\nhint: the file is damaged or of another kind; fetch or copy it again", path.display())]
    UnpackedLength {
        /// The packed file.
        path: PathBuf,
        /// The length that its header gives, or the most that such a file can have.
        expected: u64,
        /// What was found.
        found: String,
    },

    /// Images and labels don't belong together.
    #[error("{} holds {labels} labels, expected one for each of the {images} images of {}", labels_path.display(), images_path.display())]
    CountsDisagree {
        /// The images file.
        images_path: PathBuf,
        /// How many images it holds.
        images: usize,
        /// The labels file.
        labels_path: PathBuf,
        /// How many labels it holds.
        labels: usize,
    },

    /// Training and test images differ in shape.
    #[error(
        "{name}: the training images are {train}, the test images {test}; expected the same shape"
    )]
    ShapesDisagree {
        /// The dataset.
        name: String,
        /// Shape of the training images.
        train: Shape,
        /// Shape of the test images.
        test: Shape,
    },

    /// Bytes in memory don't make whole images, or not as many as there are labels.
    #[error("{name}: expected {expected}, found {found} bytes")]
    WrongLength {
        /// The dataset.
        name: String,
        /// What was expected.
        expected: String,
        /// Bytes found.
        found: usize,
    },

    /// A catalog file is not the published one.
    #[error("{}: expected SHA-256 {expected}, found {found}\nhint: delete the file and run `hourglass data fetch {dataset}`", path.display())]
    WrongChecksum {
        /// The file.
        path: PathBuf,
        /// The catalog's SHA-256.
        expected: &'static str,
        /// The file's SHA-256.
        found: String,
        /// The catalog name.
        dataset: &'static str,
    },

    /// A catalog dataset is not on this machine.
    #[error("{dataset} is not on this machine: expected {}\nhint: run `hourglass data fetch {dataset}`, or name another directory by --data-dir or HOURGLASS_DATA", path.display())]
    NotFetched {
        /// The catalog name.
        dataset: &'static str,
        /// The first file that is missing.
        path: PathBuf,
    },

    /// The name is neither in the catalog nor a path.
    #[error("no dataset named `{name}`, and no such file or directory{}\nhint: give one of {known}, or the path of {paths}", suggestion.map(|close| format!("; did you mean `{close}`?")).unwrap_or_default())]
    UnknownDataset {
        /// What was asked for.
        name: String,
        /// A catalog name much like it.
        suggestion: Option<&'static str>,
        /// The catalog's names.
        known: String,
        /// What else can be opened, by its path.
        paths: String,
    },

    /// A directory was given that holds no images.
    #[error("{}: expected a directory that holds {expected} (plain or .gz, or with a dot before idx3) or PNG or JPEG images (.png, .jpg, .jpeg), found {found}", path.display())]
    NoImages {
        /// The path.
        path: PathBuf,
        /// The IDX file expected.
        expected: &'static str,
        /// What is there instead.
        found: String,
    },

    /// A file was given that is of no known kind.
    #[error("{}: expected {expected}, found {found}", path.display())]
    UnknownFile {
        /// The file.
        path: PathBuf,
        /// The kinds that are known.
        expected: String,
        /// What it looks like.
        found: String,
    },

    /// An image can't be used.
    #[error("{}: {reason}\nhint: mend or remove it, or go on with the others by --on-error skip", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// Every image of a folder had to be skipped.
    #[error("{}: expected images, found {count} files that can't be used\n  {first}", path.display())]
    NothingUsable {
        /// The folder.
        path: PathBuf,
        /// How many were tried.
        count: usize,
        /// The first of them, and what is wrong with it.
        first: String,
    },

    /// A folder holds splits and something else.
    #[error("{}: expected no images but those in one folder `train` and, if any, one `test` and one `val`, found also {found}\nhint: move it into one of them, or elsewhere", path.display())]
    MixedSplits {
        /// The folder.
        path: PathBuf,
        /// What doesn't belong there.
        found: String,
    },

    /// The samples are of another kind than those that a model was trained on.
    #[error(
        "{name}: expected samples of the kind `{expected}`, like those to train on, found `{found}`"
    )]
    OtherKind {
        /// The dataset.
        name: String,
        /// The model's kind.
        expected: Kind,
        /// The kind of the samples.
        found: Kind,
    },

    /// The samples are not those that a model takes.
    #[error(
        "{name}: expected the columns that the model was trained on, found others; the file has changed"
    )]
    OtherColumns {
        /// The dataset.
        name: String,
    },

    /// An option was given that samples of this kind have no use for.
    #[error(
        "{setting}: expected no such setting, since {name} holds samples of the kind `{kind}`, found one; leave it out"
    )]
    UnusedOption {
        /// The dataset.
        name: String,
        /// The setting's name in a recipe.
        setting: &'static str,
        /// The kind of its samples.
        kind: Kind,
    },

    /// The samples for testing are already apart.
    #[error(
        "data.test_fraction: expected samples that are not split yet, found that {dataset} has test samples; leave it out"
    )]
    AlreadySplit {
        /// The dataset.
        dataset: String,
    },

    /// A shape was asked for that no image can have.
    #[error("image shape {shape}: expected 1 or 3 channels and sides of 1 to {MAX_SIDE} pixels")]
    BadShape {
        /// What was asked for.
        shape: Shape,
    },

    /// Images are not of the shape asked for, and must not be changed.
    #[error(
        "{name}: expected images of {expected}, found {found}\nhint: leave out --strict to have them resized"
    )]
    OtherShape {
        /// The dataset.
        name: String,
        /// The shape asked for.
        expected: Shape,
        /// The shape of the images.
        found: Shape,
    },

    /// A split was asked for that the dataset doesn't have.
    #[error(
        "{dataset} has no test {many}: expected t10k-images-idx3-ubyte (plain or .gz) beside the training images, a folder `test` beside `train`, or data.test or data.test_fraction in the recipe\nhint: add them, or use another split"
    )]
    NoTestSplit {
        /// The dataset.
        dataset: String,
        /// What its samples are called.
        many: &'static str,
    },

    /// Not the name of a split.
    #[error("unknown split `{0}`: expected train, validation or test")]
    UnknownSplit(String),

    /// A choice of images that leaves nothing, or makes no sense.
    #[error("{setting}: expected {expected}, found {found}")]
    BadSubset {
        /// The setting's name in a recipe.
        setting: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },

    /// Labels are asked for that the dataset doesn't have.
    #[error(
        "{dataset} has no labels\nhint: add the IDX file of labels, or put the images into a folder for each label"
    )]
    NoLabels {
        /// The dataset.
        dataset: String,
    },

    /// No image has this label.
    #[error("{dataset}: expected one of its labels ({known}), found `{label}`")]
    UnknownLabel {
        /// The dataset.
        dataset: String,
        /// What was asked for.
        label: String,
        /// The labels that there are.
        known: String,
    },

    /// There is no directory to keep data in.
    #[error(
        "no directory for data: this user has no cache directory\nhint: name one by --data-dir or HOURGLASS_DATA"
    )]
    NoDataDirectory,

    /// No mirror gave the file.
    #[error("{file} could not be fetched:\n{}\nhint: run it again to go on from where a download stopped; behind a firewall set HOURGLASS_MIRROR to the URL of a copy, or use scripts/fetch-data.sh, which knows other sources", attempts.join("\n"))]
    FetchFailed {
        /// The file.
        file: String,
        /// A line for each attempt: the URL and the reason.
        attempts: Vec<String>,
    },
}

impl DataError {
    /// An error about the format of the file at `path`.
    pub(crate) fn format(
        path: impl Into<PathBuf>,
        fault: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Format {
            path: path.into(),
            fault: fault.into(),
        }
    }
}
