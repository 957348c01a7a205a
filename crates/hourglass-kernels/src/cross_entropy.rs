//! The cross-entropy of pixels with Bernoulli logits.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, activation};

/// sum_i softplus(l_i) - x_i l_i over all elements, which is -sum_i x_i log p_i + (1 - x_i) log(1 - p_i) with
/// p = sigmoid(l). Finite for all finite logits. Not differentiated with respect to the images.
///
/// # Shapes
/// - logits, images: `[batch, features]`
/// - output: `[1]`
pub fn cross_entropy<B: Backend>(logits: Tensor<B, 2>, images: Tensor<B, 2>) -> Tensor<B, 1> {
    #[cfg(feature = "flex")]
    let (logits, images) = match crate::flex::cross_entropy(logits, images) {
        Ok(value) => return value,
        Err(operands) => operands,
    };
    cross_entropies(logits, images).sum()
}

/// softplus(l) - x l of each element, of which [`cross_entropy`] is the sum. There is no kernel for it.
///
/// # Shapes
/// - logits, images, output: `[batch, features]`
pub fn cross_entropies<B: Backend>(logits: Tensor<B, 2>, images: Tensor<B, 2>) -> Tensor<B, 2> {
    // softplus(l) = l - log sigmoid(l), of which Burn has value and gradient in one pass each.
    let complements = images.detach().neg() + 1.0;
    complements * logits.clone() - activation::log_sigmoid(logits)
}
