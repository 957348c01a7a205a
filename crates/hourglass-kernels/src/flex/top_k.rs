//! The k largest values of each row, the rows in parallel.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData, TensorMetadata, TensorPrimitive};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use super::{cast, primitive, tensor};
use crate::top_k::places_of_largest;

/// See [`crate::keep_largest`]; the values themselves where the backend is another.
pub(crate) fn keep_largest<B: Backend>(
    values: Tensor<B, 2>,
    k: usize,
) -> Result<Tensor<B, 2>, Tensor<B, 2>> {
    if values.dtype() != DType::F32 {
        return Err(values);
    }
    let values = match cast::<_, Tensor<Flex, 2>>(values) {
        Ok(values) => {
            let values = primitive(values).to_contiguous();
            let kept = masked(&values, &places(&values, k));
            return cast(tensor::<2>(kept)).map_err(|_| unreachable!("B is flex"));
        }
        Err(values) => values,
    };
    let values = cast::<_, Tensor<Autodiff<Flex>, 2>>(values)?;
    let values = values.into_primitive().tensor();
    let inner = values.primitive.to_contiguous();
    let places = places(&inner, k);
    let kept = masked(&inner, &places);
    let kept = match KeepLargest
        .prepare::<NoCheckpointing>([values.node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(places, kept),
        OpsKind::UnTracked(prep) => prep.finish(kept),
    };
    let kept = Tensor::<Autodiff<Flex>, 2>::from_primitive(TensorPrimitive::Float(kept));
    cast(kept).map_err(|_| unreachable!("B is flex under automatic differentiation"))
}

#[derive(Debug)]
struct KeepLargest;

impl Backward<Flex, 1> for KeepLargest {
    /// The places of what is kept, row by row.
    type State = Vec<Vec<u32>>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let places = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, gradients, |outer| {
            masked(&outer.to_contiguous(), &places)
        });
    }
}

fn places(values: &FlexTensor, k: usize) -> Vec<Vec<u32>> {
    let width = values.shape()[1];
    let rows = values.storage::<f32>().par_chunks_exact(width);
    rows.map(|row| places_of_largest(row, k).collect())
        .collect()
}

/// The values in their places, and 0 elsewhere.
fn masked(values: &FlexTensor, places: &[Vec<u32>]) -> FlexTensor {
    let shape = values.shape();
    let source: &[f32] = values.storage();
    let mut kept = vec![0.0; source.len()];
    let rows = kept
        .chunks_exact_mut(shape[1])
        .zip(source.chunks_exact(shape[1]));
    for ((row, source), places) in rows.zip(places) {
        for &place in places {
            row[place as usize] = source[place as usize];
        }
    }
    FlexTensor::from_data(TensorData::new(kept, shape))
}
