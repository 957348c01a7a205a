//! Adam in one pass.

use burn::optim::{AdamState, AdaptiveMomentumState};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rayon::prelude::*;

use super::backend::Cpu;
use super::operation::{cast, primitive, tensor};
use super::{CHUNK, for_each};

/// What a step of Adam needs to know beside the tensors.
pub(crate) struct AdamStep {
    /// The learning rate.
    pub(crate) rate: f32,
    /// The decay of the mean of the gradient, and of that of the squared gradient.
    pub(crate) betas: [f32; 2],
    /// What is added to the root of the second mean.
    pub(crate) epsilon: f32,
    /// Times the weights, added to the gradient.
    pub(crate) penalty: f32,
    /// The share of the weights that weight decay leaves.
    pub(crate) keep: f32,
}

/// Weights, gradient and state.
type Operands<B, const D: usize> = (Tensor<B, D>, Tensor<B, D>, Option<AdamState<B, D>>);

/// The weights and the state after a step; the operands where there is no kernel for them, as for those that are tracked.
pub(crate) fn adam<B: Backend, const D: usize>(
    step: &AdamStep,
    operands: Operands<B, D>,
) -> Result<(Tensor<B, D>, AdamState<B, D>), Operands<B, D>> {
    #[cfg(feature = "flex")]
    let operands = match adam_on::<B, burn_flex::Flex, D>(step, operands) {
        Ok(after) => return Ok(after),
        Err(operands) => operands,
    };
    #[cfg(feature = "ndarray")]
    let operands = match adam_on::<B, burn_ndarray::NdArray, D>(step, operands) {
        Ok(after) => return Ok(after),
        Err(operands) => operands,
    };
    Err(operands)
}

/// The step where `B` is `C`; else the operands.
fn adam_on<B: Backend, C: Cpu, const D: usize>(
    step: &AdamStep,
    operands: Operands<B, D>,
) -> Result<(Tensor<B, D>, AdamState<B, D>), Operands<B, D>> {
    let (weights, gradient, state) = cast::<_, Operands<C, D>>(operands)?;
    let (time, first, second) = match state {
        Some(AdamState { momentum }) => (momentum.time, momentum.moment_1, momentum.moment_2),
        None => (0, gradient.zeros_like(), gradient.zeros_like()),
    };
    let contiguous = |tensor: Tensor<C, D>| C::contiguous(primitive(tensor));
    let [mut weights, gradient] = [weights, gradient].map(contiguous);
    let [mut first, mut second] = [first, second].map(contiguous);
    adam_pass(
        step,
        time as i32 + 1,
        C::values_mut(&mut weights),
        C::values(&gradient),
        C::values_mut(&mut first),
        C::values_mut(&mut second),
    );
    let momentum = AdaptiveMomentumState::new(time + 1, tensor::<C, D>(first), tensor(second));
    let after = (tensor::<C, D>(weights), AdamState::new(momentum));
    Ok(cast(after).unwrap_or_else(|_| unreachable!("B is C")))
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
        betas: [beta_1, beta_2],
        epsilon,
        penalty,
        keep,
    } = step;
    let unbiased = (1.0 - beta_2.powi(time)).sqrt();
    let rate = rate * unbiased / (1.0 - beta_1.powi(time));
    let epsilon = epsilon * unbiased;
    let chunks = weights
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(first.par_chunks_mut(CHUNK))
        .zip(second.par_chunks_mut(CHUNK));
    for_each(chunks, |(((weights, gradient), first), second)| {
        let elements = weights.iter_mut().zip(gradient).zip(first).zip(second);
        vectorised!({
            for (((weight, gradient), first), second) in elements {
                let gradient = gradient + penalty * *weight;
                *first = beta_1 * *first + (1.0 - beta_1) * gradient;
                *second = beta_2 * *second + (1.0 - beta_2) * gradient * gradient;
                *weight = keep * *weight - rate * *first / (second.sqrt() + epsilon);
            }
        });
    });
}
