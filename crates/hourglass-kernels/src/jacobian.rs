//! What the norm of an encoder's Jacobian is made of: passes over matrices with one row for each unit of each image's code.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::linear::product;
use crate::sums::row_sums;

#[cfg(feature = "cpu")]
use crate::cpu::{self, primitive, tensor};

/// Every row times the factors of every image, column by column: r_c * f_b is row b * count + c.
///
/// # Shapes
/// - rows: `[count, width]`
/// - factors: `[batch, width]`
/// - output: `[batch * count, width]`
pub fn scaled_rows<B: Backend>(rows: Tensor<B, 2>, factors: Tensor<B, 2>) -> Tensor<B, 2> {
    #[cfg(feature = "cpu")]
    if cpu::has_kernels(&rows) {
        let operands = [primitive(rows), primitive(factors)];
        return tensor(cpu::apply::<B, _, 2>(cpu::ScaledRows, operands));
    }
    let ([count, width], [batch, _]) = (rows.dims(), factors.dims());
    let scaled = rows.unsqueeze_dim::<3>(0) * factors.unsqueeze_dim::<3>(1); // [batch, count, width]
    scaled.reshape([batch * count, width])
}

/// The squared norm of r W^T for each row r: as r W^T W r^T where that is less work than each row's product with W.
///
/// # Shapes
/// - rows: `[count, width]`
/// - weight: `[features, width]`
/// - output: `[count]`
pub fn squared_norms<B: Backend>(rows: Tensor<B, 2>, weight: Tensor<B, 2>) -> Tensor<B, 1> {
    let ([count, width], [features, _]) = (rows.dims(), weight.dims());
    let (by_gram, by_product) = ((features + count) * width, count * features);
    #[cfg(feature = "cpu")]
    // The kernel's gradients need half as many multiplications again, where all others need twice as many.
    if by_gram < 2 * by_product && cpu::has_kernels(&rows) {
        let operands = [primitive(rows), primitive(weight)];
        return tensor(cpu::apply::<B, _, 2>(cpu::GramNorms, operands));
    }
    let squares = if by_gram < by_product {
        let gram = product(weight.clone().transpose(), weight); // [width, width]
        product(rows.clone(), gram) * rows
    } else {
        let products = product(rows, weight.transpose()); // [count, features]
        products.clone() * products
    };
    row_sums(squares)
}
