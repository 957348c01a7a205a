//! Networks: an encoder and a decoder, each a stack of layers.

mod activation;
mod config;
mod conv;
pub(crate) mod jacobian;
mod kind;
mod layer;
mod mlp;
mod network;
mod weights;

pub use activation::Activation;
pub use config::NetworkConfig;
pub use conv::ConvConfig;
pub use layer::Layer;
pub use mlp::MlpConfig;
pub use network::Network;

pub(crate) use layer::linear_weight;
pub(crate) use weights::initial_linear;
