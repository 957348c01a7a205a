//! Adam in one pass.

use burn::optim::{AdamState, AdaptiveMomentumState};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_flex::Flex;
use rayon::prelude::*;

use super::{CHUNK, cast, primitive, tensor, vectorised};
use crate::adam::{BETA_1, BETA_2, EPSILON};

/// What a step of Adam needs to know beside the tensors.
pub(crate) struct AdamStep {
    /// The learning rate.
    pub(crate) rate: f32,
    /// Times the weights, added to the gradient.
    pub(crate) penalty: f32,
    /// The share of the weights that weight decay leaves.
    pub(crate) keep: f32,
}

type AdamOperands<B, const D: usize> = (Tensor<B, D>, Tensor<B, D>, Option<AdamState<B, D>>);

/// The weights and the state after a step; the arguments themselves where the backend is another.
pub(crate) fn adam<B: Backend, const D: usize>(
    step: AdamStep,
    weights: Tensor<B, D>,
    gradient: Tensor<B, D>,
    state: Option<AdamState<B, D>>,
) -> Result<(Tensor<B, D>, AdamState<B, D>), AdamOperands<B, D>> {
    if weights.dtype() != DType::F32 {
        return Err((weights, gradient, state));
    }
    let operands: AdamOperands<Flex, D> = cast((weights, gradient, state))?;
    let (weights, gradient, state) = operands;
    let (time, first, second) = match state {
        Some(AdamState { momentum }) => (momentum.time, momentum.moment_1, momentum.moment_2),
        None => (0, gradient.zeros_like(), gradient.zeros_like()),
    };
    let mut weights = primitive(weights).to_contiguous();
    let gradient = primitive(gradient).to_contiguous();
    let mut first = primitive(first).to_contiguous();
    let mut second = primitive(second).to_contiguous();
    adam_pass(
        &step,
        time as i32 + 1,
        weights.storage_mut(),
        gradient.storage(),
        first.storage_mut(),
        second.storage_mut(),
    );
    let momentum = AdaptiveMomentumState::new(time + 1, tensor::<D>(first), tensor(second));
    cast((tensor::<D>(weights), AdamState::new(momentum))).map_err(|_| unreachable!("B is flex"))
}

/// In the order of PyTorch's `torch.optim.Adam`; `time` counts from 1.
fn adam_pass(
    step: &AdamStep,
    time: i32,
    weights: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let &AdamStep {
        rate,
        penalty,
        keep,
    } = step;
    let unbiased = (1.0 - BETA_2.powi(time)).sqrt();
    let rate = rate * unbiased / (1.0 - BETA_1.powi(time));
    let epsilon = EPSILON * unbiased;
    weights
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(first.par_chunks_mut(CHUNK))
        .zip(second.par_chunks_mut(CHUNK))
        .for_each(|(((weights, gradient), first), second)| {
            let elements = weights.iter_mut().zip(gradient).zip(first).zip(second);
            vectorised(|| {
                elements.for_each(|(((weight, gradient), first), second)| {
                    let gradient = gradient + penalty * *weight;
                    *first = BETA_1 * *first + (1.0 - BETA_1) * gradient;
                    *second = BETA_2 * *second + (1.0 - BETA_2) * gradient * gradient;
                    *weight = keep * *weight - rate * *first / (second.sqrt() + epsilon);
                })
            });
        });
}
