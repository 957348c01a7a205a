//! Gradients in the shape of a model, so that they can be named, compared and summed like its weights.

use burn::module::{AutodiffModule, Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use crate::families::Model;

/// The model with each weight replaced by its gradient, or by zeros where the gradient does not reach it.
pub fn gradient_model<B: AutodiffBackend>(
    model: &Model<B>,
    gradients: &GradientsParams,
) -> Model<B::InnerBackend> {
    model.valid().map(&mut Replace { gradients })
}

struct Replace<'a> {
    gradients: &'a GradientsParams,
}

impl<B: Backend> ModuleMapper<B> for Replace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let gradient = self.gradients.get::<B, D>(param.id);
        param.map(|weight| gradient.unwrap_or_else(|| weight.zeros_like()))
    }
}
