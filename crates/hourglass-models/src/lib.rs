//! Autoencoder families as Burn modules, generic over `B: Backend`.
//!
//! A model of any family consists of two stacks of layers, an encoder and a decoder, and an objective. [`ModelConfig`] describes
//! a model, [`ModelConfig::init`] builds it, and the trait [`Autoencoder`] has the methods to use it:
//!
//! ```
//! use burn::backend::NdArray;
//! use burn::tensor::Tensor;
//! use hourglass_models::{Autoencoder, ModelConfig, Shape};
//!
//! let config: ModelConfig = serde_json::from_str(
//!     r#"{"family": "undercomplete", "network": {"kind": "mlp", "hidden": [64], "code": 8}}"#,
//! )?;
//! let device = Default::default();
//! let model = config.init::<NdArray>(Shape::new(1, 28, 28), 0, &device)?;
//! let images = Tensor::zeros([2, 784], &device);
//! assert_eq!(model.encode(images).dims(), [2, 8]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Conventions: images are `[batch, features]` in `[0, 1]`; a loss is summed over the features and averaged over the
//! batch; all noise of a step comes from [`StepContext`], so that it is the same on every backend.

mod autoencoder;
mod classifier;
mod config;
mod corruption;
mod families;
mod gradients;
mod layerwise;
mod losses;
mod networks;
mod posterior;
mod rbm;
mod state_dict;
mod step;

pub use autoencoder::{Autoencoder, Loss, Selection, Sparsity};
pub use classifier::Classifier;
pub use config::ConfigError;
pub use corruption::Corruption;
pub use families::*;
pub use gradients::gradient_model;
pub use hourglass_samples::Shape;
pub use layerwise::{LayerMethod, LayerModel, with_layer};
pub use losses::Likelihood;
pub use networks::*;
pub use posterior::Posterior;
pub use rbm::{Rbm, Units};
pub use state_dict::{StateDict, StateDictError, load_state_dict, state_dict};
pub use step::{Mode, StepContext, Stream};
