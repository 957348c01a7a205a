//! Datasets of images, rows and vectors as streams of batches: bytes on disk -> [`Dataset`] -> [`Batches`] -> [`Batch`].
//!
//! [`open`] finds a dataset by its catalog name or its path and maps it into memory; a [`Subset`] chooses samples of it by
//! index; [`Subset::fit`] fits how columns and numbers become features; [`Batches`] walks a subset in an order that is a pure
//! function of seed and epoch, from any [`Cursor`], preparing a few batches ahead on a thread of its own. Everything here is
//! host data: no tensors, no Burn.
//!
//! A path can lead to one of these, which are opened as follows unless the [`DataOptions`] of [`open_with`] say otherwise:
//! - a directory of IDX files with MNIST's names, or one IDX file of images: mapped into memory as they are;
//! - a folder of PNG and JPEG images, at any depth, or one image: decoded once and kept in the data directory until the path,
//!   the size or the modification time of a file changes. Subfolders are labels, or splits where one is called `train`;
//! - a `.npy` file of bytes, `[images, height, width]`, or with an axis of 1 or 3 channels before or after height and width:
//!   mapped as it is, or converted once and kept. Floats are refused, since rounding them would lose information;
//! - a table, CSV (plain or `.gz`) or Parquet: read once and kept as single-precision numbers;
//! - vectors, `[vectors, numbers]` in a `.npy` or `.safetensors` file or a folder of such files: mapped as they are.
//!
//! The images of a folder take the shape of the first one, unless another shape is asked for: the largest window of that
//! aspect ratio is cut from the centre and scaled by a triangle filter. For a grey shape, colours become grey by Rec. 709 luma.
//! Transparent images are laid over white, and the EXIF orientation is followed.
//!
//! ```
//! use std::num::NonZeroUsize;
//! use hourglass_data::{Batches, Cursor, Locations, Subset, open};
//!
//! let splits = open("mnist-mini", &Locations::from_env(None))?;
//! let (training, validation) = Subset::all(splits.train()).split_validation(0.1, 0)?;
//! assert_eq!((training.len(), validation.len()), (4500, 500));
//!
//! let batch_size = NonZeroUsize::new(128).expect("not zero");
//! let batch = Batches::training(&training, batch_size, 0, Cursor::default()).next().expect("endless");
//! assert_eq!(batch.images.len(), 128 * 784);
//! # Ok::<(), hourglass_data::DataError>(())
//! ```

// Each of these modules uses only those before it: limits; error; locations, options; dataset; batches, cache; source;
// catalog; open.
mod batches;
mod cache;
pub mod catalog;
mod dataset;
mod error;
mod limits;
mod locations;
mod open;
mod options;
mod source;

pub use batches::{Batch, Batches, Cursor, measuring_batch, measuring_sizes};
pub use catalog::fetch::{FetchEvent, fetch};
pub use dataset::{Dataset, Fitted, Split, Splits, Subset, permutation, split_validation};
pub use error::DataError;
pub use hourglass_samples::{Input, Kind, Missing, Scaling, Shape};
pub use locations::Locations;
pub use open::{open, open_with};
pub use options::{DataOptions, ImageOptions, OnError, RowOptions, Skipped, SourceReport};
pub use source::idx;
pub use source::npy::{NpyFault, read_npy_header};
pub use source::table::TableFault;
pub use source::vectors::VectorsFault;
