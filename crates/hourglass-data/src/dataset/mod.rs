//! Images in memory: a [`Dataset`] maps the pixels of all images, [`Splits`] are the datasets to train on and to test on, a
//! [`Subset`] chooses some of a dataset's images, and [`permutation`] gives the order in which an epoch takes them.

#[expect(
    clippy::module_inception,
    reason = "the file is looked for by the name of its type"
)]
mod dataset;
mod fit;
mod ids;
mod mapped;
mod order;
mod split;
mod splits;
mod subset;
mod values;

pub use dataset::Dataset;
pub use fit::Fitted;
pub(crate) use ids::{Ids, IdsWriter};
pub(crate) use mapped::Bytes;
pub use order::{permutation, split_validation};
pub use split::Split;
pub use splits::Splits;
pub use subset::Subset;
pub(crate) use values::{Number, Values};
