//! Fused CPU kernels for what Burn does in many passes, each on one thread.
//!
//! Everything here is generic over `B: Backend`. Where there are kernels for the backend (flex and ndarray in single
//! precision, also under automatic differentiation), they are used. Everywhere else, and within [`without_kernels`], the same
//! thing is computed by Burn's operations. So models and training stay generic, and need no bounds of ours.
//!
//! A kernel is an `Operation`: a function of tensors' values and its gradient, written once for all CPU backends.

mod activation;
mod adam;
mod convolution;
#[cfg(feature = "cpu")]
mod cpu;
mod cross_entropy;
mod jacobian;
mod largest;
mod linear;
mod parts;
mod sums;
mod switch;
mod threads;
mod top_k;

pub use activation::{elu, relu, sigmoid, tanh};
pub use adam::FusedAdam;
pub use convolution::{doubling_convolution, halving_convolution};
pub use cross_entropy::cross_entropy;
pub use jacobian::{scaled_rows, squared_norms};
pub use linear::{linear, product, tied_linear};
pub use parts::for_each_part;
pub use sums::{mean, mean_dim, row_sums, sum, sum_dim};
pub use switch::without_kernels;
pub use threads::limit_threads;
pub use top_k::keep_largest;
