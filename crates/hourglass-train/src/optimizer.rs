//! The optimisers behind one type, their state as bytes, and gradient clipping.

use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, Optimizer, Sgd, SgdConfig};
use burn::record::{BinBytesRecorder, FullPrecisionSettings, Record, Recorder, RecorderError};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use hourglass_kernels::{FusedAdam, sum};

use crate::recipe::{OptimizerKind, TrainingConfig};

/// Any of the optimisers.
#[derive(Clone)]
pub(crate) enum AnyOptimizer<M: AutodiffModule<B>, B: AutodiffBackend> {
    Adam(OptimizerAdaptor<FusedAdam, M, B>),
    Sgd(OptimizerAdaptor<Sgd<B::InnerBackend>, M, B>),
}

impl<M: AutodiffModule<B>, B: AutodiffBackend> AnyOptimizer<M, B> {
    pub(crate) fn new(config: &TrainingConfig) -> Self {
        let decay = config.weight_decay;
        match config.optimizer {
            OptimizerKind::Adam => Self::Adam(FusedAdam::new(decay as f32).into()),
            OptimizerKind::Adamw => Self::Adam(FusedAdam::decoupled(decay).into()),
            OptimizerKind::Sgd => {
                let momentum = config.momentum.filter(|&momentum| momentum > 0.0);
                let momentum = momentum.map(|momentum| {
                    MomentumConfig::new()
                        .with_momentum(momentum)
                        .with_dampening(0.0)
                });
                let penalty = (decay > 0.0).then(|| WeightDecayConfig::new(decay as f32));
                let sgd = SgdConfig::new()
                    .with_momentum(momentum)
                    .with_weight_decay(penalty);
                Self::Sgd(sgd.init())
            }
        }
    }

    /// The model after a step along the gradients, which are clipped to the norm that the recipe allows.
    pub(crate) fn step(
        &mut self,
        config: &TrainingConfig,
        learning_rate: f64,
        model: M,
        gradients: GradientsParams,
    ) -> M {
        let gradients = match config.clip {
            Some(largest) => clip_by_norm(&model, gradients, largest),
            None => gradients,
        };
        match self {
            Self::Adam(optimizer) => optimizer.step(learning_rate, model, gradients),
            Self::Sgd(optimizer) => optimizer.step(learning_rate, model, gradients),
        }
    }

    /// The state, at full precision.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, RecorderError> {
        match self {
            Self::Adam(optimizer) => record_to_bytes::<B, _>(optimizer.to_record()),
            Self::Sgd(optimizer) => record_to_bytes::<B, _>(optimizer.to_record()),
        }
    }

    pub(crate) fn load(self, bytes: Vec<u8>, device: &B::Device) -> Result<Self, RecorderError> {
        Ok(match self {
            Self::Adam(optimizer) => {
                Self::Adam(optimizer.load_record(record_from_bytes::<B, _>(bytes, device)?))
            }
            Self::Sgd(optimizer) => {
                Self::Sgd(optimizer.load_record(record_from_bytes::<B, _>(bytes, device)?))
            }
        })
    }
}

/// A Burn record at full precision, as bytes.
pub(crate) fn record_to_bytes<B: Backend, R: Record<B>>(
    record: R,
) -> Result<Vec<u8>, RecorderError> {
    let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
    Recorder::<B>::record(&recorder, record, ())
}

/// The inverse of [`record_to_bytes`].
pub(crate) fn record_from_bytes<B: Backend, R: Record<B>>(
    bytes: Vec<u8>,
    device: &B::Device,
) -> Result<R, RecorderError> {
    let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
    Recorder::<B>::load(&recorder, bytes, device)
}

/// Scales the gradient down so that its norm over all parameters is at most `largest`. Burn's own clipping treats
/// each parameter separately.
fn clip_by_norm<B: AutodiffBackend, M: AutodiffModule<B>>(
    model: &M,
    gradients: GradientsParams,
    largest: f64,
) -> GradientsParams {
    let mut squares = Squares::<B> {
        gradients: &gradients,
        sum: None,
    };
    model.visit(&mut squares);
    let Some(sum) = squares.sum else {
        return gradients;
    };
    let factor = (sum.sqrt().clamp_min(f32::MIN_POSITIVE).recip() * largest).clamp_max(1.0);
    let mut scale = Scale::<B> {
        gradients,
        factor,
        scaled: GradientsParams::new(),
    };
    model.visit(&mut scale);
    scale.scaled
}

struct Squares<'a, B: AutodiffBackend> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<B::InnerBackend, 1>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Squares<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.gradients.get::<B::InnerBackend, D>(param.id) {
            let square = sum(gradient.clone() * gradient);
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + square,
                None => square,
            });
        }
    }
}

struct Scale<B: AutodiffBackend> {
    gradients: GradientsParams,
    factor: Tensor<B::InnerBackend, 1>,
    scaled: GradientsParams,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Scale<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.gradients.remove::<B::InnerBackend, D>(param.id) {
            let scaled = gradient * self.factor.clone().unsqueeze::<D>();
            self.scaled.register(param.id, scaled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, NdArray};
    use burn::nn::{Linear, LinearConfig};

    type B = Autodiff<NdArray>;

    /// The gradient of 10 * sum(x W) is 10 for each of the 4 weights: its norm is 20.
    fn gradient_norm_after_clipping(largest: f64) -> f32 {
        let device = Default::default();
        let model: Linear<B> = LinearConfig::new(2, 2).with_bias(false).init(&device);
        let images = Tensor::<B, 2>::ones([1, 2], &device);
        let loss = model.forward(images).sum() * 10.0;
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let clipped = clip_by_norm(&model, gradients, largest);
        let gradient = clipped
            .get::<NdArray, 2>(model.weight.id)
            .expect("a gradient");
        (gradient.clone() * gradient).sum().sqrt().into_scalar()
    }

    #[test]
    fn long_gradients_are_scaled_and_short_ones_left() {
        assert!((gradient_norm_after_clipping(5.0) - 5.0).abs() < 1e-4);
        assert!((gradient_norm_after_clipping(100.0) - 20.0).abs() < 1e-4);
    }
}
