//! Networks: an encoder and a decoder, each a stack of layers. This file is the registry of the kinds of networks, the only place
//! that lists them.

mod activation;
pub(crate) mod jacobian;
mod kind;
mod layer;
mod network;
mod weights;

use burn::tensor::backend::Backend;
use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

pub use activation::Activation;
pub use layer::Layer;
pub use network::Network;

pub(crate) use layer::linear_weight;
pub(crate) use weights::initial_linear;

use crate::config::{ConfigError, require};
use kind::NetworkKind;
use weights::Weights;

/// The most parameters that a network may ask for, 4 GiB of them; more are taken for a mistake.
const MAX_PARAMETERS: usize = 1 << 30;

/// Makes, from a list of kinds, the settings that can be of any one of them.
macro_rules! networks {
    ($($module:ident, $name:literal: $kind:ident, $config:ident;)+) => {
        $(
            mod $module;
            pub use $module::$config;
        )+

        /// The shape of a network.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum NetworkConfig {
            $(
                #[doc = concat!("See [`", stringify!($config), "`].")]
                $kind($config),
            )+
        }

        impl NetworkConfig {
            /// The names of the kinds, as they are written in a recipe.
            pub const KINDS: &[&str] = &[$(concat!("\"", $name, "\"")),+];

            /// Example settings of each kind, as they are written in a recipe.
            pub const EXAMPLES: &[&str] = &[$($config::EXAMPLE),+];

            /// The code's size.
            pub fn code(&self) -> usize {
                match self { $(Self::$kind(config) => config.code(),)+ }
            }

            /// The activation of the code.
            pub fn code_activation(&self) -> Activation {
                match self { $(Self::$kind(config) => config.code_activation(),)+ }
            }

            /// The activation of the decoder's outputs.
            pub fn output_activation(&self) -> Activation {
                match self { $(Self::$kind(config) => config.output_activation(),)+ }
            }

            /// What the network is, such as "fully connected".
            pub fn adjective(&self) -> &'static str {
                match self { $(Self::$kind(_) => $config::ADJECTIVE,)+ }
            }

            /// The network in words, such as "fully connected network with hidden layers of 400".
            pub fn describe(&self) -> String {
                let details = match self { $(Self::$kind(config) => config.details(),)+ };
                format!("{} network {details}", self.adjective())
            }

            /// The weights of the encoder's layers as matrices.
            fn weight_shapes(
                &self,
                shape: Shape,
                encoder_outputs: usize,
            ) -> Result<Vec<[usize; 2]>, ConfigError> {
                match self { $(Self::$kind(config) => config.weight_shapes(shape, encoder_outputs),)+ }
            }

            /// Builds the network; the settings must be valid.
            pub(crate) fn init<B: Backend>(
                &self,
                shape: Shape,
                encoder_outputs: usize,
                seed: u64,
                device: &B::Device,
            ) -> Network<B> {
                let mut weights = Weights::new(seed, device);
                match self { $(Self::$kind(config) => config.init(shape, encoder_outputs, &mut weights),)+ }
            }
        }
    };
}

networks! {
    mlp, "mlp": Mlp, MlpConfig;
    conv, "conv": Conv, ConvConfig;
}

impl NetworkConfig {
    pub(crate) fn validate(&self, shape: Shape, encoder_outputs: usize) -> Result<(), ConfigError> {
        require(
            self.code() > 0,
            "network.code",
            "a code of at least 1 unit",
            self.code(),
        )?;
        let encoder = count(&self.weight_shapes(shape, encoder_outputs)?);
        // Twice, for the decoder.
        let parameters = encoder.and_then(|count| count.checked_mul(2));
        require(
            parameters.is_some_and(|count| count <= MAX_PARAMETERS),
            "network",
            "at most 2^30 parameters",
            parameters.map_or("more than can be counted".to_owned(), |count| {
                format!("about {count}")
            }),
        )
    }

    /// A lower bound of the number of values in a network's file: the weights of the encoder. None where the settings can't
    /// be used.
    pub fn least_values(&self, shape: Shape) -> Option<usize> {
        count(&self.weight_shapes(shape, self.code()).ok()?)
    }
}

/// The number of values in matrices of these shapes; none where there are too many to be counted.
fn count(shapes: &[[usize; 2]]) -> Option<usize> {
    shapes.iter().try_fold(0_usize, |total, [inputs, outputs]| {
        total.checked_add(inputs.checked_mul(*outputs)?)
    })
}
