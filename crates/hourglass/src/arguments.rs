//! Groups of arguments that several commands have.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use hourglass_data::{DataOptions, Input, Kind, Missing, OnError, Scaling, Shape};

/// The backends by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendName {
    /// A real GPU if there is one, or else the fastest CPU backend
    Auto,
    /// A GPU through Vulkan, Metal or DX12
    #[cfg(feature = "wgpu")]
    Wgpu,
    /// The CPU, with Burn's backend flex
    #[cfg(feature = "flex")]
    Flex,
    /// The CPU, with Burn's backend ndarray
    #[cfg(feature = "ndarray")]
    Ndarray,
}

/// Where to compute.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeviceArguments {
    /// The backend to compute with; auto takes a real GPU if there is one, or else the CPU
    #[arg(long, value_enum, default_value_t = BackendName::Auto)]
    pub(crate) backend: BackendName,
    /// The GPU adapter to use with wgpu, by its number in `hourglass devices`
    #[arg(long, value_name = "N")]
    pub(crate) device: Option<usize>,
}

/// Where data sets are.
#[derive(Debug, Clone, Args)]
pub(crate) struct LocationArguments {
    /// The directory in which data sets are kept [default: $HOURGLASS_DATA, or else the user's cache directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

impl LocationArguments {
    pub(crate) fn locations(&self) -> hourglass_data::Locations {
        hourglass_data::Locations::from_env(self.data_dir.clone())
    }
}

/// How samples of the user's own are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct SampleArguments {
    /// Refuse images that would have to be resized, cropped or changed in their colours
    #[arg(long)]
    pub(crate) strict: bool,
    /// What to do about an image file that can't be used [default: stop]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) on_error: Option<OnErrorName>,
    /// What the samples are, where the file alone does not tell: image, table or vectors
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// The column of labels, which is no feature; of vectors the array of labels in the file, or a .npy file
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// The column that names the rows of a table
    #[arg(long, value_name = "COLUMN")]
    pub(crate) id: Option<String>,
    /// The array of vectors, in a file with several
    #[arg(long, value_name = "NAME")]
    pub(crate) array: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnErrorName {
    /// Refuse the whole folder, and name the file
    Stop,
    /// Leave the file out, and list it
    Skip,
}

impl From<OnErrorName> for OnError {
    fn from(name: OnErrorName) -> Self {
        match name {
            OnErrorName::Stop => Self::Stop,
            OnErrorName::Skip => Self::Skip,
        }
    }
}

impl SampleArguments {
    /// The options of the command line, for samples that no model has seen yet.
    pub(crate) fn options(&self) -> DataOptions {
        let mut options = DataOptions::default();
        self.change(&mut options);
        options
    }

    /// The same, for samples that a trained model takes.
    pub(crate) fn for_model(&self, input: &Input) -> DataOptions {
        let mut options = self.options();
        match input {
            Input::Image { shape } => {
                options.images.shape = Some(*shape);
                options.kind = options.kind.or(Some(Kind::Image));
            }
            Input::Table { .. } | Input::Vectors { .. } => {
                options.input = Some(Arc::new(input.clone()));
            }
        }
        options
    }

    /// Changes what is given on the command line.
    pub(crate) fn change(&self, options: &mut DataOptions) {
        let given = |text: &Option<String>, option: &mut Option<String>| {
            if text.is_some() {
                option.clone_from(text);
            }
        };
        options.images.strict |= self.strict;
        if let Some(on_error) = self.on_error {
            options.images.on_error = on_error.into();
        }
        options.kind = self.kind.or(options.kind);
        given(&self.label, &mut options.rows.label);
        given(&self.id, &mut options.rows.id);
        given(&self.array, &mut options.rows.array);
    }
}

/// How a table or vectors are taken that a model is to be trained on.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct RowArguments {
    /// The columns of a table that are features [default: all but label and id]
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    pub(crate) columns: Option<Vec<String>>,
    /// Columns of numbers that stand for categories; columns of text are categories anyway
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    pub(crate) categorical: Vec<String>,
    /// What is done about missing cells: refuse, mean (of the column), or indicator (the mean, and a feature that says so) [default: refuse]
    #[arg(long, value_name = "WHAT")]
    pub(crate) missing: Option<Missing>,
    /// How numbers of tables and vectors are scaled: standard, robust, log, min-max or none [default: standard]
    #[arg(long, value_name = "HOW")]
    pub(crate) scaling: Option<Scaling>,
    /// The data to test on, where they lie apart
    #[arg(long, value_name = "DATA", conflicts_with = "test_fraction")]
    pub(crate) test: Option<String>,
    /// Hold out this share for testing
    #[arg(long, value_name = "SHARE")]
    pub(crate) test_fraction: Option<f64>,
}

/// A shape as `3x32x32`, or `28x28` of grey images.
pub(crate) fn parse_shape(text: &str) -> Result<Shape, String> {
    let sides: Option<Vec<usize>> = text.split('x').map(|side| side.parse().ok()).collect();
    match sides.as_deref() {
        Some(&[channels, height, width]) => Ok(Shape::new(channels, height, width)),
        Some(&[height, width]) => Ok(Shape::new(1, height, width)),
        _ => Err("expected CHANNELSxHEIGHTxWIDTH, such as 3x32x32".into()),
    }
}
