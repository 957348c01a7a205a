//! The cross-entropy of pixels with Bernoulli logits.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, activation};

use crate::sums::row_sums;

#[cfg(feature = "cpu")]
use crate::cpu::{self, primitive, tensor};

/// sum_i softplus(l_i) - x_i l_i of each image, which is -sum_i x_i log p_i + (1 - x_i) log(1 - p_i) with
/// p = sigmoid(l). Finite for all finite logits. Not differentiated with respect to the images.
///
/// # Shapes
/// - logits, images: `[batch, features]`
/// - output: `[batch]`
pub fn cross_entropy<B: Backend>(logits: Tensor<B, 2>, images: Tensor<B, 2>) -> Tensor<B, 1> {
    #[cfg(feature = "cpu")]
    if cpu::has_kernels(&logits) && cpu::has_kernels(&images) {
        let operands = [primitive(logits), primitive(images.detach())];
        return tensor(cpu::apply::<B, _, 2>(cpu::CrossEntropy, operands));
    }
    // softplus(l) = l - log sigmoid(l), of which Burn has value and gradient in one pass each.
    let complements = images.detach().neg() + 1.0;
    let each = complements * logits.clone() - activation::log_sigmoid(logits); // [batch, features]
    row_sums(each)
}
