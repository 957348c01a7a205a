//! A dataset's images in batches: in a new order each epoch to train on ([`Batches::training`]), or once in their own order to
//! measure ([`Batches::measuring`]).

mod batch;
mod measuring;
mod stream;

pub use batch::{Batch, Cursor};
pub use measuring::{measuring_batch, measuring_sizes};
pub use stream::Batches;
