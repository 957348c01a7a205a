//! NumPy's `.npy` files: their header, which of them hold images, and how these are opened.

mod header;
mod layout;
mod source;

pub use header::read_npy_header;
pub use layout::NpyFault;
pub(crate) use source::{MAGIC, Npy};
