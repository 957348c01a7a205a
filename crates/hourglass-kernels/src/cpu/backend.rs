//! What the kernels need of a backend: to read and write the values of its tensors, and to make tensors of values.

use burn::tensor::Shape;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;

/// A backend whose tensors lie in the computer's memory, here always of single precision.
pub(crate) trait Cpu: Backend {
    /// The same tensor, row by row without gaps.
    fn contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Whether the values lie row by row without gaps.
    fn is_contiguous(tensor: &FloatTensor<Self>) -> bool;

    /// The values of a contiguous tensor.
    fn values(tensor: &FloatTensor<Self>) -> &[f32];

    /// The values of a contiguous tensor to write: of a copy, where something else holds them.
    fn values_mut(tensor: &mut FloatTensor<Self>) -> &mut [f32];

    /// A tensor.
    fn from_values(values: Vec<f32>, shape: impl Into<Shape>) -> FloatTensor<Self>;
}

#[cfg(feature = "flex")]
mod flex {
    use burn::tensor::{Shape, TensorData};
    use burn_flex::{Flex, FlexTensor};

    use super::Cpu;

    impl Cpu for Flex {
        fn contiguous(tensor: FlexTensor) -> FlexTensor {
            tensor.to_contiguous()
        }

        fn is_contiguous(tensor: &FlexTensor) -> bool {
            tensor.is_contiguous()
        }

        fn values(tensor: &FlexTensor) -> &[f32] {
            tensor.storage()
        }

        fn values_mut(tensor: &mut FlexTensor) -> &mut [f32] {
            tensor.storage_mut()
        }

        fn from_values(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
            FlexTensor::from_data(TensorData::new(values, shape.into()))
        }
    }
}

#[cfg(feature = "ndarray")]
mod ndarray {
    use burn::tensor::Shape;
    use burn_ndarray::{NdArray, NdArrayTensor, SharedArray};

    use super::Cpu;

    impl Cpu for NdArray {
        fn contiguous(tensor: NdArrayTensor) -> NdArrayTensor {
            if Self::is_contiguous(&tensor) {
                return tensor;
            }
            match tensor {
                NdArrayTensor::F32(storage) => {
                    let array = storage.into_shared();
                    array.as_standard_layout().into_shared().into()
                }
                _ => unreachable!("{NOT_SINGLE}"),
            }
        }

        fn is_contiguous(tensor: &NdArrayTensor) -> bool {
            match tensor {
                NdArrayTensor::F32(storage) => storage.view().is_standard_layout(),
                _ => unreachable!("{NOT_SINGLE}"),
            }
        }

        fn values(tensor: &NdArrayTensor) -> &[f32] {
            match tensor {
                NdArrayTensor::F32(storage) => storage.view().to_slice().expect("contiguous"),
                _ => unreachable!("{NOT_SINGLE}"),
            }
        }

        fn values_mut(tensor: &mut NdArrayTensor) -> &mut [f32] {
            match tensor {
                NdArrayTensor::F32(storage) => {
                    storage.ensure_owned().as_slice_mut().expect("contiguous")
                }
                _ => unreachable!("{NOT_SINGLE}"),
            }
        }

        fn from_values(values: Vec<f32>, shape: impl Into<Shape>) -> NdArrayTensor {
            let shape: Vec<usize> = shape.into().to_vec();
            let array = SharedArray::from_shape_vec(shape, values);
            array.expect("as many values as the shape says").into()
        }
    }

    const NOT_SINGLE: &str = "kernels are for single precision";
}
