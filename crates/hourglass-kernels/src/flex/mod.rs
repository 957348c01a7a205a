//! The kernels for the flex backend: in parallel, over fixed chunks, so that results do not depend on the number of
//! threads.

mod activation;
mod adam;
mod convolution;
mod cross_entropy;
mod exponential;
mod linear;
mod top_k;

use std::any::Any;

use burn::tensor::{Tensor, TensorPrimitive};
use burn_flex::{Flex, FlexTensor};
use pulp::Arch;

pub(crate) use activation::activation;
pub(crate) use adam::{AdamStep, adam};
pub(crate) use convolution::{doubling_convolution, halving_convolution};
pub(crate) use cross_entropy::cross_entropy;
pub(crate) use linear::linear;
pub(crate) use top_k::keep_largest;

/// Elements that a thread takes at a time: a multiple of the vector's length that fits into a core's first cache.
const CHUNK: usize = 4096;

/// Does work with the widest vectors that the processor has. The loops in it are the compiler's to vectorise; since it keeps the
/// order of operations, results do not depend on the processor.
fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// The value as another type, where the two types are one; the value itself where not.
fn cast<From: 'static, To: 'static>(value: From) -> Result<To, From> {
    let mut slot = Some(value);
    let found = (&mut slot as &mut dyn Any).downcast_mut::<Option<To>>();
    match found.and_then(Option::take) {
        Some(value) => Ok(value),
        None => Err(slot.expect("it was not taken")),
    }
}

fn primitive<const D: usize>(tensor: Tensor<Flex, D>) -> FlexTensor {
    tensor.into_primitive().tensor()
}

fn tensor<const D: usize>(primitive: FlexTensor) -> Tensor<Flex, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}
