//! The registry of families: the only place that lists them. Each family has one line, at the end of the file.

mod config;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

pub use config::FamilyConfig;

use crate::autoencoder::{Autoencoder, Loss, Selection, Sparsity};
use crate::config::ConfigError;
use crate::losses::Likelihood;
use crate::networks::{Network, NetworkConfig};
use crate::posterior::Posterior;
use crate::step::StepContext;

/// Makes, from a list of families, the settings and the model that can be any one of them.
macro_rules! families {
    ($($module:ident, $name:literal: $model:ident, $config:ident;)+) => {
        $(
            mod $module;
            pub use $module::*;
        )+

        /// The settings of a model of any family.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "family", rename_all = "kebab-case")]
        pub enum ModelConfig {
            $(
                #[doc = concat!("See [`", stringify!($config), "`].")]
                $model($config),
            )+
        }

        impl ModelConfig {
            /// The names of the families.
            pub const FAMILIES: &[&str] = &[$($name),+];

            /// The family's name.
            pub fn family(&self) -> &'static str {
                match self {
                    $(Self::$model(_) => $name,)+
                }
            }

            /// Objectives of each family other than its default one, as they are written in a recipe.
            pub const OBJECTIVES: &[(&str, &[&str])] = &[$(($name, $config::OBJECTIVES)),+];

            /// What the family is, in a sentence.
            pub fn summary(&self) -> &'static str {
                match self {
                    $(Self::$model(_) => $config::SUMMARY,)+
                }
            }

            /// Whether codes can be drawn from a distribution that the model was trained with.
            pub fn has_prior(&self) -> bool {
                match self {
                    $(Self::$model(config) => config.has_prior(),)+
                }
            }

            /// Whether most units of a code are to be inactive.
            pub fn is_sparse(&self) -> bool {
                match self {
                    $(Self::$model(config) => config.is_sparse(),)+
                }
            }

            /// The code's size.
            pub fn code(&self) -> usize {
                self.network().code()
            }

            /// The settings of the network.
            pub fn network(&self) -> &NetworkConfig {
                match self {
                    $(Self::$model(config) => config.network(),)+
                }
            }

            /// p(x|h)
            pub fn likelihood(&self) -> Likelihood {
                match self {
                    $(Self::$model(config) => config.likelihood(),)+
                }
            }

            /// Checks that a model for images of this shape can be built.
            ///
            /// # Errors
            /// Names the first setting that cannot be used, with what was expected and found.
            pub fn validate(&self, shape: Shape) -> Result<(), ConfigError> {
                match self {
                    $(Self::$model(config) => {
                        config.network().validate(shape, config.encoder_outputs())?;
                        config.likelihood().validate(config.network())?;
                        config.validate_objective()
                    })+
                }
            }

            /// Builds the model with weights drawn from `seed`, the same on every backend.
            ///
            /// # Errors
            /// See [`ModelConfig::validate`].
            pub fn init<B: Backend>(
                &self,
                shape: Shape,
                seed: u64,
                device: &B::Device,
            ) -> Result<Model<B>, ConfigError> {
                self.validate(shape)?;
                Ok(match self {
                    $(Self::$model(config) => Model::$model(config.init(shape, seed, device)),)+
                })
            }
        }

        /// A model of any family.
        #[derive(Module, Debug)]
        pub enum Model<B: Backend> {
            $(
                #[doc = concat!("See [`", stringify!($config), "`].")]
                $model($model<B>),
            )+
        }

        impl<B: Backend> Autoencoder<B> for Model<B> {
            fn network(&self) -> &Network<B> {
                match self { $(Self::$model(model) => model.network(),)+ }
            }

            fn loss(&self, images: Tensor<B, 2>, step: &StepContext) -> Loss<B> {
                match self { $(Self::$model(model) => model.loss(images, step),)+ }
            }

            fn selection(&self) -> Selection {
                match self { $(Self::$model(model) => model.selection(),)+ }
            }

            fn likelihood(&self) -> Likelihood {
                match self { $(Self::$model(model) => model.likelihood(),)+ }
            }

            fn corrupt(&self, images: Tensor<B, 2>, step: &StepContext) -> Option<Tensor<B, 2>> {
                match self { $(Self::$model(model) => model.corrupt(images, step),)+ }
            }

            fn binarize(&self, images: Tensor<B, 2>, step: &StepContext) -> Option<Tensor<B, 2>> {
                match self { $(Self::$model(model) => model.binarize(images, step),)+ }
            }

            fn posterior(&self, images: Tensor<B, 2>) -> Option<Posterior<B>> {
                match self { $(Self::$model(model) => Autoencoder::posterior(model, images),)+ }
            }

            fn log_importance_weights(
                &self,
                images: Tensor<B, 2>,
                step: &StepContext,
                samples: usize,
            ) -> Option<Tensor<B, 2>> {
                match self {
                    $(Self::$model(model) => {
                        Autoencoder::log_importance_weights(model, images, step, samples)
                    })+
                }
            }

            fn sample_prior(
                &self,
                count: usize,
                step: &StepContext,
                device: &B::Device,
            ) -> Option<Tensor<B, 2>> {
                match self { $(Self::$model(model) => model.sample_prior(count, step, device),)+ }
            }

            fn jacobian_norm(&self, images: Tensor<B, 2>) -> Option<Tensor<B, 1>> {
                match self { $(Self::$model(model) => model.jacobian_norm(images),)+ }
            }

            fn jacobian(&self, images: Tensor<B, 2>) -> Option<Tensor<B, 3>> {
                match self { $(Self::$model(model) => model.jacobian(images),)+ }
            }

            fn sparsity(&self) -> Option<Sparsity> {
                match self { $(Self::$model(model) => model.sparsity(),)+ }
            }
        }
    };
}

families! {
    undercomplete, "undercomplete": Undercomplete, UndercompleteConfig;
    sparse, "sparse": Sparse, SparseConfig;
    denoising, "denoising": Denoising, DenoisingConfig;
    contractive, "contractive": Contractive, ContractiveConfig;
    variational, "variational": Variational, VariationalConfig;
}
