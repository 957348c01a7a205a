//! The first components of many rows, by whichever method is cheapest.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, get_global_parallelism};

use super::error::{MOST_BYTES, PcaError};
use super::rows::{Mean, Rows, check_bytes};
use super::{Pca, eigen, krylov, product};

/// The most features for which the covariance matrix is decomposed; for more, this would take longer than the other methods.
const MOST_COVARIANCE_FEATURES: usize = 1024;

/// The most rows for which the Gram matrix is decomposed.
const MOST_GRAM_ROWS: usize = 2000;

/// The most values of the rows, 512 MB, for which there is a Gram matrix, since all rows are then in memory.
const MOST_GRAM_VALUES: usize = 1 << 27;

/// The most multiplications and additions of a fit, some twenty seconds on two cores. If all rows take more, a sample is used.
const MOST_OPERATIONS: f64 = 5e11;

/// Directions whose variance is below this share of the largest are rounding errors.
const RANK_TOLERANCE: f64 = 1e-12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// From the covariance of the features, `[features, features]`.
    Covariance,
    /// From the products of the rows, `[rows, rows]`.
    Gram,
    /// By products of the covariance, which is never formed, with blocks of vectors.
    Krylov,
}

impl Method {
    fn of(rows: usize, features: usize) -> Self {
        let few = rows <= features.min(MOST_GRAM_ROWS);
        if few && rows.saturating_mul(features) <= MOST_GRAM_VALUES {
            Self::Gram
        } else if features <= MOST_COVARIANCE_FEATURES {
            Self::Covariance
        } else {
            Self::Krylov
        }
    }
}

/// How many of so many rows a fit uses: a function of these numbers alone, so that results do not depend on the machine.
pub fn rows_fitted(rows: usize, features: usize, components: usize) -> usize {
    let affordable = |per_row: f64| (MOST_OPERATIONS / per_row) as usize;
    let fitted = match Method::of(rows, features) {
        Method::Gram => rows,
        Method::Covariance => affordable((features as f64).powi(2)),
        // Where few rows are affordable, the Gram matrix of a sample may have more.
        Method::Krylov => {
            let by_gram = MOST_GRAM_ROWS
                .min(MOST_GRAM_VALUES / features)
                .min(features);
            match krylov::vectors(features, components) * features <= MOST_BYTES / size_of::<f64>()
            {
                true => by_gram.max(affordable(krylov::operations_per_row(features, components))),
                false => by_gram,
            }
        }
    };
    fitted.clamp(1, rows.max(1))
}

impl Pca {
    /// Fits the first `components` components, or fewer: components along which the rows do not vary are left out.
    ///
    /// `progress` is told how many rows have been read, counting each as often as it is read, and about how many that will be.
    ///
    /// # Errors
    /// When there are no rows, a value is not finite, or the components need more than [`MOST_BYTES`].
    pub fn leading(
        rows: &Rows<'_>,
        components: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, PcaError> {
        let components = components.min(rows.features);
        match Method::of(rows.count, rows.features) {
            Method::Covariance => {
                let all = rows.count;
                let fitted = Self::fit(rows.features, (rows.read)(), |done| progress(done, all))?;
                Ok(fitted.first(components))
            }
            Method::Gram => gram(rows, components, progress),
            Method::Krylov => krylov::fit(rows, components, progress),
        }
    }
}

/// With the centred rows `X`, `X Xᵀ / n = U S Uᵀ` gives the components `Xᵀ U (n S)^(-1/2)`.
fn gram(
    rows: &Rows<'_>,
    components: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Pca, PcaError> {
    let features = rows.features;
    check_bytes(components.min(rows.count), components, features)?;
    let mut values = Vec::with_capacity(rows.count * features); // [rows, features]
    for block in (rows.read)() {
        values.extend(block);
        // What follows takes about as long as the reading.
        progress(values.len() / features, rows.count * 2);
    }
    let count = values.len() / features;
    let mean = mean_of(&values, features)?;
    // Slices of the features of all rows, as columns: `[slice, rows]`.
    let width = (super::BLOCK_VALUES / count).clamp(1, features);
    let starts = (0..features).step_by(width);
    let slice = |start: usize| {
        let width = width.min(features - start);
        Mat::from_fn(width, count, |feature, row| {
            f64::from(values[row * features + start + feature]) - mean[start + feature]
        })
    };
    let mut products = Mat::<f64>::zeros(count, count);
    for start in starts.clone() {
        let slice = slice(start);
        triangular::matmul(
            products.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            slice.transpose(),
            BlockStructure::Rectangular,
            slice.as_ref(),
            BlockStructure::Rectangular,
            1.0 / count as f64,
            get_global_parallelism(),
        );
        progress(count + count * start / features, count * 2);
    }
    let (mut variances, vectors) = eigen(products, &mut || progress(count * 2, count * 2))?;
    let most = variances[0] * RANK_TOLERANCE;
    variances.retain(|&variance| variance > most);
    variances.truncate(components);
    let kept = variances.len();
    let scaled = Mat::from_fn(count, kept, |row, column| {
        vectors[(row, column)] / (variances[column] * count as f64).sqrt()
    }); // [rows, kept]
    let mut found = Mat::zeros(features, kept);
    for start in starts {
        let part = product(slice(start).as_ref(), scaled.as_ref());
        let mut rows = found.subrows_mut(start, part.nrows());
        rows.copy_from(&part);
        progress(count * 2, count * 2);
    }
    Ok(Pca {
        mean,
        components: found,
        variances,
    })
}

fn mean_of(values: &[f32], features: usize) -> Result<Vec<f64>, PcaError> {
    let mut mean = Mean::new(features);
    mean.add(values);
    mean.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measures::noise;

    /// Rows in blocks of 7.
    fn fit(values: &[f32], features: usize, components: usize, way: Way) -> Pca {
        let read = || -> Box<dyn Iterator<Item = Vec<f32>> + '_> {
            Box::new(values.chunks(7 * features).map(<[f32]>::to_vec))
        };
        let rows = Rows {
            count: values.len() / features,
            features,
            read: &read,
        };
        way(&rows, components, &mut |done, all| assert!(done <= all)).expect("components")
    }

    type Way = fn(&Rows<'_>, usize, &mut dyn FnMut(usize, usize)) -> Result<Pca, PcaError>;

    /// Rows whose spread falls by `decay` from each direction to the next, about a mean far from 0; 0 is no fall at all.
    fn spread(rows: usize, features: usize, decay: f64) -> Vec<f32> {
        let codes = noise(rows * features);
        let directions = noise(features * features + 3);
        let scale = |k: usize| (1.0 + k as f64).powf(-decay);
        let rows = codes.chunks_exact(features).flat_map(|row| {
            let directions = &directions;
            (0..features).map(move |feature| {
                let parts = row.iter().enumerate().map(|(k, &code)| {
                    let direction = match decay == 0.0 {
                        true => f64::from(u8::from(k == feature)),
                        false => f64::from(directions[k * features + feature]),
                    };
                    scale(k) * f64::from(code) * direction
                });
                (10.0 + parts.sum::<f64>()) as f32
            })
        });
        rows.collect()
    }

    /// The error of so many components is that of the full decomposition, to the relative accuracy that is promised.
    #[test]
    fn leading_components_have_the_error_of_the_full_decomposition() {
        let ways: [(&str, Way); 2] = [("Gram", gram), ("Krylov", krylov::fit)];
        for (rows, features) in [(40, 150), (300, 60), (90, 90)] {
            for decay in [0.0, 0.5, 1.5] {
                let values = spread(rows, features, decay);
                let exact = Pca::fit(features, [&values], |_| {}).expect("components");
                for components in [1, 5, 20] {
                    let expected = exact.squared_error(components, &values, &values);
                    for (name, way) in ways {
                        let found = fit(&values, features, components, way);
                        let error = found.squared_error(components, &values, &values);
                        let case = format!("{name}, {rows} x {features}, {decay}, {components}");
                        assert!(
                            (error / expected - 1.0).abs() < 1e-5,
                            "{case}: {error} {expected}"
                        );
                        let sums = [&found, &exact]
                            .map(|pca| pca.variances()[..components].iter().sum::<f64>());
                        assert!((sums[0] / sums[1] - 1.0).abs() < 1e-5, "{case}: {sums:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_basis_without_room_is_restarted_to_the_same_error() {
        let (rows, features, components) = (200, 120, 2);
        let values = spread(rows, features, 0.3);
        let exact = Pca::fit(features, [&values], |_| {}).expect("components");
        let expected = exact.squared_error(components, &values, &values);
        let found = fit(
            &values,
            features,
            components,
            |rows, components, progress| krylov::fit_within(rows, components, 0, progress),
        );
        let error = found.squared_error(components, &values, &values);
        assert!((error / expected - 1.0).abs() < 1e-5, "{error} {expected}");
    }

    #[test]
    fn directions_along_which_rows_do_not_vary_are_left_out() {
        // Three rows span a plane about their mean.
        let values = [1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0];
        for way in [gram as Way, krylov::fit] {
            let found = fit(&values, 4, 3, way);
            let significant = found
                .variances()
                .iter()
                .filter(|&&variance| variance > 1e-9);
            assert_eq!(significant.count(), 2);
            assert!(found.squared_error(3, &values, &values) < 1e-12);
            assert_eq!(found.codes(3, &values).len(), 9);
        }
        let same = [5.0; 12];
        for way in [gram as Way, krylov::fit] {
            let found = fit(&same, 4, 2, way);
            assert!(found.squared_error(2, &same, &same) < 1e-12);
        }
    }

    #[test]
    fn what_needs_too_much_memory_is_refused_before_anything_is_read() {
        let read = || -> Box<dyn Iterator<Item = Vec<f32>>> { panic!("nothing is to be read") };
        let rows = Rows {
            count: 100_000,
            features: 3 * 1024 * 1024,
            read: &read,
        };
        let found = Pca::leading(&rows, 500, &mut |_, _| {});
        assert!(matches!(found, Err(PcaError::TooLarge { .. })));
    }

    #[test]
    fn the_way_is_chosen_by_the_size_alone() {
        assert_eq!(Method::of(60_000, 784), Method::Covariance);
        assert_eq!(Method::of(500, 784), Method::Gram);
        assert_eq!(Method::of(500, 196_608), Method::Gram);
        assert_eq!(Method::of(2000, 196_608), Method::Krylov);
        assert_eq!(Method::of(50_000, 3072), Method::Krylov);
        // All of what people usually have, a sample of what would take hours.
        assert_eq!(rows_fitted(60_000, 784, 30), 60_000);
        assert_eq!(rows_fitted(50_000, 3072, 32), 50_000);
        assert!((1000..2000).contains(&rows_fitted(5000, 196_608, 32)));
        assert!(rows_fitted(10_000_000, 784, 30) < 1_000_000);
        // Not fewer rows than the Gram matrix of a sample has, however many components.
        assert_eq!(rows_fitted(5000, 196_608, 1000), 682);
        assert_eq!(rows_fitted(5000, 12_288, 3000), 2000);
        assert_eq!(rows_fitted(5000, 786_432, 100), 170);
    }

    #[test]
    fn components_come_back_from_their_bytes() {
        let values = spread(20, 30, 1.0);
        let found = fit(&values, 30, 4, gram);
        let bytes = found.to_bytes();
        assert_eq!(Pca::from_bytes(&bytes), Some(found));
        for damaged in [&bytes[..bytes.len() - 8], &[], &[0xFF; 64]] {
            assert_eq!(Pca::from_bytes(damaged), None);
        }
    }
}
