//! Vectors: arrays of numbers, `[vectors, numbers]`, mapped where they lie.

mod array;
mod fault;
mod npy;
mod npy_array;
mod open;
mod safetensors;
mod shards;

pub use fault::VectorsFault;
pub(crate) use npy::NpyVectors;
pub(crate) use safetensors::Safetensors;
pub(crate) use shards::Shards;
