//! The kernels for CPU backends: in parallel, over fixed chunks, so that results do not depend on the number of threads.

mod activation;
mod adam;
mod backend;
mod convolution;
mod cross_entropy;
mod exponential;
mod jacobian;
mod linear;
mod matrix;
mod operation;
mod top_k;

use pulp::Arch;

pub(crate) use adam::{AdamStep, adam};
pub(crate) use convolution::{Convolution, Direction};
pub(crate) use cross_entropy::CrossEntropy;
pub(crate) use jacobian::{GramNorms, ScaledRows};
pub(crate) use linear::{Linear, Product};
pub(crate) use operation::{apply, has_kernels, primitive, runs_here, tensor};
pub(crate) use top_k::KeepLargest;

/// Elements that a thread takes at a time: a multiple of the vector's length that fits into a core's first cache.
const CHUNK: usize = 4096;

/// Does work with the widest vectors that the processor has. The loops in it are the compiler's to vectorise; since it keeps the
/// order of operations, results do not depend on the processor.
fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}
