//! The cross-entropy and its slopes in one pass.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData, TensorMetadata, TensorPrimitive};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use super::exponential::{exp, ln_1p};
use super::{cast, primitive, tensor, vectorised};

/// Pixels that are summed in single precision.
const BLOCK: usize = 16;

/// See [`crate::cross_entropy`]; the arguments themselves where the backend is another.
pub(crate) fn cross_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    images: Tensor<B, 2>,
) -> Result<Tensor<B, 1>, (Tensor<B, 2>, Tensor<B, 2>)> {
    let single = |tensor: &Tensor<B, 2>| tensor.dtype() == DType::F32;
    if !(single(&logits) && single(&images)) {
        return Err((logits, images));
    }
    let operands = match cast::<_, (Tensor<Flex, 2>, Tensor<Flex, 2>)>((logits, images)) {
        Ok((logits, images)) => {
            let (value, _) = cross_entropy_pass(&primitive(logits), &primitive(images));
            return cast(tensor::<1>(value)).map_err(|_| unreachable!("B is flex"));
        }
        Err(operands) => operands,
    };
    let (logits, images) =
        cast::<_, (Tensor<Autodiff<Flex>, 2>, Tensor<Autodiff<Flex>, 2>)>(operands)?;
    let images = primitive(images.inner());
    let logits = logits.into_primitive().tensor();
    let value = match CrossEntropy
        .prepare::<NoCheckpointing>([logits.node.clone()])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let (value, slope) = cross_entropy_pass(&logits.primitive, &images);
            prep.finish(slope, value)
        }
        OpsKind::UnTracked(prep) => prep.finish(cross_entropy_pass(&logits.primitive, &images).0),
    };
    let value = Tensor::<Autodiff<Flex>, 1>::from_primitive(TensorPrimitive::Float(value));
    cast(value).map_err(|_| unreachable!("B is flex under automatic differentiation"))
}

#[derive(Debug)]
struct CrossEntropy;

impl Backward<Flex, 1> for CrossEntropy {
    /// The slope of each logit.
    type State = FlexTensor;

    fn backward(
        self,
        ops: Ops<FlexTensor, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let mut slopes = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, gradients, |outer| {
            let features = slopes.shape()[1];
            let outer = outer.to_contiguous();
            slopes
                .storage_mut::<f32>()
                .par_chunks_mut(features.max(1))
                .zip(outer.storage::<f32>())
                .for_each(|(row, outer)| row.iter_mut().for_each(|slope| *slope *= outer));
            slopes
        });
    }
}

/// The cross-entropy of each row, `[batch]`, and its slope for each logit, sigmoid(l) - x, `[batch, features]`.
fn cross_entropy_pass(logits: &FlexTensor, images: &FlexTensor) -> (FlexTensor, FlexTensor) {
    let (logits, images) = (logits.to_contiguous(), images.to_contiguous());
    let shape = logits.shape();
    assert_eq!(shape, images.shape(), "logits and images are of one shape");
    let [batch, features] = [shape[0], shape[1]];
    let (logits, images): (&[f32], &[f32]) = (logits.storage(), images.storage());
    let mut slopes = vec![0.0; logits.len()];
    let mut values = vec![0.0; batch];
    let rows = values
        .par_iter_mut()
        .zip(slopes.par_chunks_mut(features.max(1)))
        .zip(logits.par_chunks(features.max(1)))
        .zip(images.par_chunks(features.max(1)));
    rows.for_each(|(((value, slopes), logits), images)| {
        *value = cross_entropy_of_row(slopes, logits, images);
    });
    (
        FlexTensor::from_data(TensorData::new(values, [batch])),
        FlexTensor::from_data(TensorData::new(slopes, shape)),
    )
}

fn cross_entropy_of_row(slopes: &mut [f32], logits: &[f32], images: &[f32]) -> f32 {
    vectorised(|| {
        let blocks = slopes
            .chunks_mut(BLOCK)
            .zip(logits.chunks(BLOCK))
            .zip(images.chunks(BLOCK));
        let sums = blocks.map(|((slopes, logits), images)| {
            let mut values = [0.0; BLOCK];
            let elements = values.iter_mut().zip(slopes).zip(logits).zip(images);
            for (((value, slope), &l), &x) in elements {
                (*value, *slope) = cross_entropy_of_pixel(l, x);
            }
            f64::from(sum(values))
        });
        sums.sum::<f64>() as f32
    })
}

/// softplus(l) - x l, and its slope for l, sigmoid(l) - x.
#[inline(always)]
fn cross_entropy_of_pixel(l: f32, x: f32) -> (f32, f32) {
    let e = exp(-l.abs());
    let larger = if l > 0.0 { l } else { 0.0 };
    let softplus = larger + ln_1p(e);
    let sigmoid = (if l < 0.0 { e } else { 1.0 }) / (1.0 + e);
    (softplus - x * l, sigmoid - x)
}

/// In an order that does not depend on the vectors' length.
#[inline(always)]
fn sum(mut values: [f32; BLOCK]) -> f32 {
    let mut length = BLOCK / 2;
    while length > 0 {
        for place in 0..length {
            values[place] += values[place + length];
        }
        length /= 2;
    }
    values[0]
}
