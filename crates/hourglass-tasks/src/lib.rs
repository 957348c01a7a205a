//! What trained autoencoders are for, as functions from a model and images to results: one file a task. The commands of the
//! program are thin over them.

mod portrait;

pub use portrait::{
    CodeMap, PORTRAIT_SIZES, Point, Portrait, Traversal, Traversals, UnitImage, UnitImages,
    portrait,
};
