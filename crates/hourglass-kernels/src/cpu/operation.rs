//! Operations with a gradient of their own, on any CPU backend, plain or under automatic differentiation.

use std::any::{Any, TypeId};
use std::fmt::Debug;

use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, Tensor, TensorPrimitive};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};

pub(crate) use super::backend::Cpu;

/// A differentiable function of `N` tensors.
pub(crate) trait Operation<const N: usize>: Debug + Copy + Send + 'static {
    /// What the gradients need.
    type State<C: Cpu>: Debug + Clone + Send + 'static;

    /// The function's value.
    fn forward<C: Cpu>(self, operands: [FloatTensor<C>; N]) -> (FloatTensor<C>, Self::State<C>);

    /// The gradients for the operands, given that for the value: at least of those that are wanted, which are the tracked ones.
    fn backward<C: Cpu>(
        self,
        state: Self::State<C>,
        outer: FloatTensor<C>,
        wanted: [bool; N],
    ) -> [Option<FloatTensor<C>>; N];
}

/// Whether there are kernels for a tensor.
pub(crate) fn has_kernels<B: Backend, const D: usize>(tensor: &Tensor<B, D>) -> bool {
    tensor.dtype() == DType::F32 && runs_here::<B>()
}

/// Whether there are kernels for a backend, and they are not turned off.
fn runs_here<B: Backend>() -> bool {
    let is = |backends: [TypeId; 2]| backends.contains(&TypeId::of::<B>());
    if crate::switch::is_off() {
        return false;
    }
    #[cfg(feature = "flex")]
    if is([
        TypeId::of::<burn_flex::Flex>(),
        TypeId::of::<Autodiff<burn_flex::Flex>>(),
    ]) {
        return true;
    }
    #[cfg(feature = "ndarray")]
    if is([
        TypeId::of::<burn_ndarray::NdArray>(),
        TypeId::of::<Autodiff<burn_ndarray::NdArray>>(),
    ]) {
        return true;
    }
    false
}

/// The function's value on a backend that has kernels; see [`runs_here`].
pub(crate) fn apply<B: Backend, O: Operation<N>, const N: usize>(
    operation: O,
    operands: [FloatTensor<B>; N],
) -> FloatTensor<B> {
    #[cfg(feature = "flex")]
    let operands = match apply_on::<B, burn_flex::Flex, O, N>(operation, operands) {
        Ok(value) => return value,
        Err(operands) => operands,
    };
    #[cfg(feature = "ndarray")]
    let operands = match apply_on::<B, burn_ndarray::NdArray, O, N>(operation, operands) {
        Ok(value) => return value,
        Err(operands) => operands,
    };
    unreachable!("{operands:?} are of a backend without kernels")
}

/// The function's value where `B` is `C`, or `C` under automatic differentiation; else the operands.
fn apply_on<B: Backend, C: Cpu, O: Operation<N>, const N: usize>(
    operation: O,
    operands: [FloatTensor<B>; N],
) -> Result<FloatTensor<B>, [FloatTensor<B>; N]> {
    let operands = match cast::<_, [FloatTensor<C>; N]>(operands) {
        Ok(operands) => return Ok(same(operation.forward::<C>(operands).0)),
        Err(operands) => operands,
    };
    let operands = cast::<_, [FloatTensor<Autodiff<C>>; N]>(operands)?;
    let nodes = operands.each_ref().map(|operand| operand.node.clone());
    let (value, state) = operation.forward::<C>(operands.map(|operand| operand.primitive));
    let value = match Differentiable(operation)
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(state, value),
        OpsKind::UnTracked(prep) => prep.finish(value),
    };
    Ok(same(value))
}

#[derive(Debug)]
struct Differentiable<O>(O);

impl<C: Cpu, O: Operation<N>, const N: usize> Backward<C, N> for Differentiable<O> {
    type State = O::State<C>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let outer = gradients.consume::<C>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = self.0.backward::<C>(ops.state, outer, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let Some((node, gradient)) = parent.zip(gradient) {
                gradients.register::<C>(node.id, gradient);
            }
        }
    }
}

/// The value as another type, where the two types are one; the value itself where not.
pub(super) fn cast<From: 'static, To: 'static>(value: From) -> Result<To, From> {
    let mut slot = Some(value);
    let found = (&mut slot as &mut dyn Any).downcast_mut::<Option<To>>();
    match found.and_then(Option::take) {
        Some(value) => Ok(value),
        None => Err(slot.expect("it was not taken")),
    }
}

fn same<From: 'static, To: 'static>(value: From) -> To {
    cast(value).unwrap_or_else(|_| unreachable!("the operands were of this backend"))
}

pub(crate) fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

pub(crate) fn tensor<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}
