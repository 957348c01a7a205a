//! What one sample of a data set is: the words that data, models, files and pages share.
//!
//! A sample is an image, a row of a table or a vector. [`Input`] says which, and how it becomes the features that a network
//! gets, and back: the network itself sees no more than numbers in a [`Shape`].

mod column;
mod group;
mod input;
mod scaling;
mod shape;

pub use column::{Column, ColumnKind};
pub use group::Group;
pub use input::{Input, Kind, Missing};
pub use scaling::{Affine, Scaling};
pub use shape::Shape;
