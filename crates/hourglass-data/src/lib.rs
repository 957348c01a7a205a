//! Image datasets as streams of batches: bytes on disk -> [`Dataset`] -> [`Batches`] -> [`Batch`].
//!
//! [`open`] finds a dataset by its catalog name or its directory and maps its IDX files into memory; a [`Subset`] chooses
//! images of it by index; [`Batches`] walks a subset in an order that is a pure function of seed and epoch, from any
//! [`Cursor`], preparing a few batches ahead on a thread of its own. Everything here is host data: no tensors, no Burn.
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

mod batches;
pub mod catalog;
mod dataset;
mod error;
mod fetch;
pub mod idx;
mod locations;
mod mapped;
mod open;
mod order;
mod stamp;
mod subset;
mod unpack;

pub use batches::{Batch, Batches, Cursor};
pub use dataset::{Dataset, ImageShape, Split};
pub use error::DataError;
pub use fetch::{FetchEvent, fetch};
pub use locations::Locations;
pub use open::{Splits, open};
pub use order::{permutation, split_validation};
pub use subset::Subset;
