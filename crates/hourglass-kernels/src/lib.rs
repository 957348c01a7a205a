//! Fused CPU kernels for what Burn does in many passes, each on one thread.
//!
//! Everything here is generic over `B: Backend`. Where there is a kernel for the backend (flex, and flex under
//! automatic differentiation), it is used; everywhere else the same thing is written in Burn's operations. So models
//! and training stay generic, and need no bounds of ours.

mod activation;
mod adam;
mod convolution;
mod cross_entropy;
#[cfg(feature = "flex")]
mod flex;
mod linear;
mod top_k;

pub use activation::{elu, sigmoid, tanh};
pub use adam::FusedAdam;
pub use convolution::{doubling_convolution, halving_convolution};
pub use cross_entropy::cross_entropy;
pub use linear::{linear, tied_linear};
pub use top_k::keep_largest;
