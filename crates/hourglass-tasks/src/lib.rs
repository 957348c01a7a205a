//! What trained autoencoders are for, as functions from a model and images to results: one file a task. The commands of the
//! program are thin over them.

pub mod codes;
pub mod compress;
pub mod decode;
pub mod detect;
pub mod embed;
pub mod encode;
pub mod stream;
