//! Angles between a space and the space of the principal components.

use faer::MatRef;

use super::{Pca, PcaError, product};

/// The largest angle, in degrees, between the space of the first `count` components and that of the columns of `basis`.
///
/// 0 means the same space. The columns need be neither orthogonal nor of length 1; where they are dependent, some
/// component has no counterpart, and the angle is 90.
///
/// # Shapes
/// - `basis`: `[features, count]`, row-major, such as the weight of a linear decoder
///
/// # Panics
/// If the length of `basis` is not `features * count`, or `count` is not from 1 to the components that were kept.
pub fn largest_principal_angle(basis: &[f64], pca: &Pca, count: usize) -> Result<f64, PcaError> {
    let features = pca.features();
    assert!(
        (1..=pca.variances().len()).contains(&count),
        "count must be from 1 to the number of components"
    );
    assert_eq!(
        basis.len(),
        features * count,
        "the basis must be [features, count]"
    );
    if !basis.iter().all(|value| value.is_finite()) {
        return Err(PcaError::NotFinite { place: "basis" });
    }
    let no_convergence = |_| PcaError::NoConvergence {
        decomposition: "singular value decomposition",
    };

    let basis = MatRef::from_row_major_slice(basis, features, count);
    let decomposition = basis.thin_svd().map_err(no_convergence)?;
    let scales = decomposition.S().column_vector();
    // The usual bound for the rank of a matrix with rounding errors, as in numpy.linalg.matrix_rank.
    if scales[count - 1] <= scales[0] * features as f64 * f64::EPSILON {
        return Ok(90.0);
    }
    let orthonormal = decomposition.U(); // [features, count]
    let components = pca.components(count); // [features, count]
    let overlap = product(components.transpose(), orthonormal); // [count, count]
    let residual = orthonormal - components * &overlap; // [features, count]
    let cosines = overlap.singular_values().map_err(no_convergence)?;
    let sines = residual.singular_values().map_err(no_convergence)?;
    // Near 0 the cosine has lost the angle's digits, near 90 degrees the sine has: the arctangent takes both.
    Ok(sines[0].atan2(cosines[count - 1]).to_degrees())
}
