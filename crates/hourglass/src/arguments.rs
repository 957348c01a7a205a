//! Groups of arguments that several commands have.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use hourglass_data::{ImageOptions, OnError, Shape};

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

/// How images of the user's own are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub(crate) struct ImageArguments {
    /// Refuse images that would have to be resized, cropped or changed in their colours
    #[arg(long)]
    pub(crate) strict: bool,
    /// What to do about an image file that can't be used [default: stop]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) on_error: Option<OnErrorName>,
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

impl ImageArguments {
    /// Images brought to `shape`, or of their own.
    pub(crate) fn options(self, shape: Option<Shape>) -> ImageOptions {
        ImageOptions {
            shape,
            strict: self.strict,
            on_error: self.on_error.map(OnError::from).unwrap_or_default(),
        }
    }
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
