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
use wide::f32x8;

use super::{cast, primitive, tensor};

const LANES: usize = 8;

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
    let lanes = slopes
        .chunks_mut(LANES)
        .zip(logits.chunks(LANES))
        .zip(images.chunks(LANES));
    let sums = lanes.map(|((slopes, logits), images)| {
        // Lanes past the end add softplus(-inf) = 0; the logit is finite so that its product with 0 is too.
        let l = padded(logits, f32::MIN);
        let x = padded(images, 0.0);
        let e = (-l.abs()).exp();
        let softplus = l.max(f32x8::ZERO) + e.ln_1p();
        let reciprocal = f32x8::ONE / (f32x8::ONE + e);
        let sigmoid = l.simd_ge(f32x8::ZERO).select(reciprocal, e * reciprocal);
        slopes.copy_from_slice(&(sigmoid - x).to_array()[..slopes.len()]);
        f64::from((softplus - x * l).reduce_add())
    });
    sums.sum::<f64>() as f32
}

fn padded(values: &[f32], filler: f32) -> f32x8 {
    match values.try_into() {
        Ok(lanes) => f32x8::new(lanes),
        Err(_) => {
            let mut lanes = [filler; LANES];
            lanes[..values.len()].copy_from_slice(values);
            f32x8::new(lanes)
        }
    }
}
