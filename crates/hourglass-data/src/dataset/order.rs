//! The order of images: a pure function of seeds, the same on every machine and with every version of the `rand` crates.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::error::DataError;

/// What a permutation is for: no two uses of a seed share a generator.
#[derive(Clone, Copy)]
enum Use {
    Epoch,
    Validation,
    Test,
}

/// The order of `len` images in one epoch: a permutation of `0..len`.
pub fn permutation(len: u32, seed: u64, epoch: u64) -> Vec<u32> {
    shuffled(len, seed, epoch, Use::Epoch)
}

/// Splits `0..len` at random: (training, validation), each in ascending order, `round(fraction * len)` in the second.
///
/// It is an error if `fraction` is below 0 or leaves nothing to train on.
pub fn split_validation(
    len: u32,
    fraction: f64,
    seed: u64,
) -> Result<(Vec<u32>, Vec<u32>), DataError> {
    let held_out = (fraction * f64::from(len)).round();
    if !(fraction >= 0.0 && held_out < f64::from(len)) {
        return Err(DataError::BadSubset {
            setting: "data.validation",
            expected: "a fraction from 0 to below 1 that leaves images to train on",
            found: format!("{fraction} of {len} images"),
        });
    }
    Ok(parted(len, held_out as usize, seed, Use::Validation))
}

/// Splits `0..len` at random for testing, always in the same way: (training, test), as [`split_validation`] does.
pub(super) fn split_test(len: u32, fraction: f64) -> Result<(Vec<u32>, Vec<u32>), DataError> {
    let held_out = (fraction * f64::from(len)).round();
    if !(held_out >= 1.0 && held_out < f64::from(len)) {
        return Err(DataError::BadSubset {
            setting: "data.test_fraction",
            expected: "a fraction between 0 and 1 that leaves samples on both sides",
            found: format!("{fraction} of {len} samples"),
        });
    }
    Ok(parted(len, held_out as usize, 0, Use::Test))
}

fn parted(len: u32, held_out: usize, seed: u64, purpose: Use) -> (Vec<u32>, Vec<u32>) {
    let mut apart = shuffled(len, seed, 0, purpose);
    let mut rest = apart.split_off(held_out);
    apart.sort_unstable();
    rest.sort_unstable();
    (rest, apart)
}

/// Fisher-Yates with ChaCha8, keyed by everything that the order depends on.
fn shuffled(len: u32, seed: u64, epoch: u64, purpose: Use) -> Vec<u32> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&epoch.to_le_bytes());
    key[16] = purpose as u8;
    let mut generator = ChaCha8Rng::from_seed(key);
    let mut order: Vec<u32> = (0..len).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, below(last as u64 + 1, &mut generator));
    }
    order
}

/// A number from 0 to `bound - 1`, by the high half of a product: for bounds below 2^32 the odds are even to within 2^-32.
fn below(bound: u64, generator: &mut ChaCha8Rng) -> usize {
    ((u128::from(generator.next_u64()) * u128::from(bound)) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_fixed_for_good() {
        // Runs are resumed and compared by this order: it must not change with a dependency.
        assert_eq!(permutation(8, 0, 0), [3, 2, 7, 5, 0, 1, 4, 6]);
    }

    #[test]
    fn each_epoch_is_another_permutation() {
        let orders: Vec<_> = (0..4).map(|epoch| permutation(1000, 7, epoch)).collect();
        for (epoch, order) in orders.iter().enumerate() {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..1000));
            assert_eq!(*order, permutation(1000, 7, epoch as u64));
            assert!(orders[..epoch].iter().all(|earlier| earlier != order));
        }
        assert_ne!(orders[0], permutation(1000, 8, 0));
        assert!(permutation(0, 7, 0).is_empty());
    }

    #[test]
    fn validation_is_disjoint_and_complete() {
        let (training, validation) = split_validation(1000, 0.1, 3).unwrap();
        assert_eq!((training.len(), validation.len()), (900, 100));
        assert!(training.is_sorted() && validation.is_sorted());
        let mut both = [training.clone(), validation].concat();
        both.sort_unstable();
        assert!(both.into_iter().eq(0..1000));
        assert_ne!(training, split_validation(1000, 0.1, 4).unwrap().0);
    }

    #[test]
    fn validation_takes_nothing_or_leaves_something() {
        assert!(split_validation(10, 0.0, 0).unwrap().1.is_empty());
        for fraction in [1.0, 0.99, -0.1, f64::NAN, f64::INFINITY] {
            let error = split_validation(10, fraction, 0).unwrap_err().to_string();
            assert!(
                error.starts_with("data.validation: expected a fraction"),
                "{error}"
            );
        }
    }
}
