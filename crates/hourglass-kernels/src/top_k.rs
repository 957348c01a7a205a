//! The k largest values of each row.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

#[cfg(feature = "cpu")]
use crate::cpu::{self, primitive, tensor};
use crate::largest::places_of_largest;

/// Keeps the `k` largest values of each row and sets the others to 0; of equal values the first is kept. A `k` of the
/// row's length or more keeps all.
///
/// The choice is made on the host: Burn 0.21 can't differentiate its own `topk`, and sorts on the host on wgpu anyway.
/// It is a constant of the gradient, which passes through the values that are kept.
///
/// # Shapes
/// - values, output: `[batch, width]`
pub fn keep_largest<B: Backend>(values: Tensor<B, 2>, k: usize) -> Tensor<B, 2> {
    let [batch, width] = values.dims();
    if k >= width {
        return values;
    }
    #[cfg(feature = "cpu")]
    if cpu::has_kernels(&values) {
        let values = [primitive(values)];
        return tensor(cpu::apply::<B, _, 1>(cpu::KeepLargest { k }, values));
    }
    let data = values.clone().detach().into_data().convert::<f32>();
    let data: Vec<f32> = data.to_vec().expect("just converted to f32");
    let mut mask = vec![0.0_f32; batch * width];
    for (row, mask) in data.chunks_exact(width).zip(mask.chunks_exact_mut(width)) {
        for place in places_of_largest(row, k) {
            mask[place as usize] = 1.0;
        }
    }
    let mask = Tensor::from_data(TensorData::new(mask, [batch, width]), &values.device());
    values * mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::NdArray;

    // f64 in all unit tests: the precision of a device is set once a process.
    type B = NdArray<f64>;

    fn kept(k: usize) -> Vec<f64> {
        let values = [
            [1.0, -3.0, 2.0, 2.0, -1.0, 2.0],
            [-5.0, -4.0, -6.0, -1.0, -2.0, -3.0],
        ];
        let values = Tensor::<B, 2>::from_data(values, &Default::default());
        keep_largest(values, k).into_data().to_vec().expect("f64")
    }

    #[test]
    fn the_largest_by_value_are_kept_and_ties_go_to_the_first() {
        assert_eq!(
            kept(2),
            [0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -2.0, 0.0]
        );
    }

    #[test]
    fn a_k_of_the_width_keeps_all() {
        assert_eq!(kept(6), kept(7));
        assert_eq!(kept(6).iter().filter(|&&v| v != 0.0).count(), 12);
    }

    #[test]
    fn numbers_are_ordered_as_by_total_cmp() {
        let row = [
            0.0,
            -0.0,
            1e-40,
            -1e-40,
            f32::INFINITY,
            f32::NEG_INFINITY,
            3.5,
            -3.5,
            f32::MAX,
        ];
        let mut places: Vec<u32> = (0..row.len() as u32).collect();
        places.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]));
        for k in 1..row.len() {
            let mut found: Vec<u32> = places_of_largest(&row, k).collect();
            found.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]));
            assert_eq!(found, places[..k]);
        }
    }
}
