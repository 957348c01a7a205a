//! Maps codes to points on a plane.

use bhtsne::tSNE;
use faer::{Mat, Side};
use hourglass_measure::pca::{Pca, PcaError};

/// How codes are mapped to the plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The code itself, if it has two numbers.
    Code,
    /// The first two principal components of the codes.
    Pca,
    /// Classical multidimensional scaling: the points whose distances are nearest to those of the codes (Torgerson 1952).
    Mds,
    /// t-SNE: near codes stay near, far ones may lie anywhere (van der Maaten 2014).
    Tsne,
}

/// Why codes can't be mapped to a plane.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The components can't be found.
    #[error(transparent)]
    Pca(#[from] PcaError),
    /// The code does not have two numbers.
    #[error("expected a code of 2 numbers to draw it as it is, found {found}; use another method")]
    NotFlat {
        /// The size of the code.
        found: usize,
    },
    /// There are too few images for the method.
    #[error("expected at least {expected} images, found {found}")]
    TooFew {
        /// How many there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The eigenvalues of the distances can't be found.
    #[error("expected the eigendecomposition of the distances to converge, but it did not")]
    NoConvergence,
    /// The threads that t-SNE runs on can't be started.
    #[error(transparent)]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// The perplexity of t-SNE, if there are enough images: the size of the neighbourhoods that are kept (scikit-learn's
/// default).
const PERPLEXITY: f64 = 30.0;
/// Steps of t-SNE (van der Maaten 2014).
const TSNE_STEPS: usize = 1000;
/// How coarse t-SNE takes far points to be (van der Maaten 2014).
const THETA: f64 = 0.5;
/// The spread of the points from which t-SNE begins (scikit-learn's).
const FIRST_SPREAD: f64 = 1e-4;

/// Maps codes to a plane; `done` is told how many steps of t-SNE are done.
///
/// # Errors
/// When the method can't be used with these codes.
///
/// # Shapes
/// - codes: `[images, code]`, row-major
pub fn embed(
    method: Method,
    codes: &[f32],
    code: usize,
    done: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<Vec<[f64; 2]>, EmbedError> {
    match method {
        Method::Code if code != 2 => Err(EmbedError::NotFlat { found: code }),
        Method::Code => Ok(codes
            .chunks_exact(2)
            .map(|row| [row[0].into(), row[1].into()])
            .collect()),
        Method::Pca => components(codes, code),
        Method::Mds => scaled(codes, code),
        Method::Tsne => neighbours(codes, code, done),
    }
}

fn components(codes: &[f32], code: usize) -> Result<Vec<[f64; 2]>, EmbedError> {
    let pca = Pca::fit(code, [codes], |_| {})?;
    let count = code.min(2);
    let rows = pca.codes(count, codes);
    Ok(rows
        .chunks_exact(count)
        .map(|row| [row[0].into(), row.get(1).map_or(0.0, |&y| y.into())])
        .collect())
}

/// With squared distances D and the centring J = 1 - 11ᵀ/n, -1/2 J D J is the matrix of the points' inner products: its two
/// largest eigenvalues and their vectors give the coordinates.
fn scaled(codes: &[f32], code: usize) -> Result<Vec<[f64; 2]>, EmbedError> {
    let rows: Vec<&[f32]> = codes.chunks_exact(code).collect();
    let images = rows.len();
    if images < 3 {
        return Err(EmbedError::TooFew {
            expected: 3,
            found: images,
        });
    }
    let squares = Mat::from_fn(images, images, |i, j| squared_distance(rows[i], rows[j]));
    let means: Vec<f64> = squares
        .col_iter()
        .map(|column| column.iter().sum::<f64>() / images as f64)
        .collect();
    let mean = means.iter().sum::<f64>() / images as f64;
    let products = Mat::from_fn(images, images, |i, j| {
        -0.5 * (squares[(i, j)] - means[i] - means[j] + mean)
    });
    let decomposition = products
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| EmbedError::NoConvergence)?;
    let (values, vectors) = (decomposition.S().column_vector(), decomposition.U());
    // Eigenvalues come in increasing order.
    let coordinate = |row: usize, axis: usize| {
        let place = images - 1 - axis;
        vectors[(row, place)] * values[place].max(0.0).sqrt()
    };
    Ok((0..images)
        .map(|row| [coordinate(row, 0), coordinate(row, 1)])
        .collect())
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
        .sum()
}

/// t-SNE from the principal components, on one thread: the order in which threads add up would change the picture.
fn neighbours(
    codes: &[f32],
    code: usize,
    done: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<Vec<[f64; 2]>, EmbedError> {
    let rows: Vec<&[f32]> = codes.chunks_exact(code).collect();
    // The neighbourhoods are of three times the perplexity.
    let perplexity = PERPLEXITY.min((rows.len().saturating_sub(2) / 3) as f64);
    if perplexity < 2.0 {
        return Err(EmbedError::TooFew {
            expected: 8,
            found: rows.len(),
        });
    }
    let first = components(codes, code)?;
    let squares = first.iter().map(|point| point[0] * point[0]);
    let spread = (squares.sum::<f64>() / first.len() as f64).sqrt();
    if spread == 0.0 {
        // All codes are the same: there are no neighbours to keep.
        return Ok(first);
    }
    let first: Vec<f64> = first
        .iter()
        .flat_map(|point| point.map(|value| value / spread * FIRST_SPREAD))
        .collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    Ok(pool.install(move || {
        let mut tsne: tSNE<'_, f64, &[f32], 2> = tSNE::new(&rows);
        tsne.perplexity(perplexity)
            .epochs(TSNE_STEPS)
            .initial_embedding(first)
            .epoch_callback(move |step, _| done(step, TSNE_STEPS))
            .barnes_hut(THETA, |a, b| squared_distance(a, b).sqrt());
        let points = tsne.embedding();
        points
            .chunks_exact(2)
            .map(|point| [point[0], point[1]])
            .collect()
    }))
}

/// Chooses images for thumbnails: in each of `cells` x `cells` squares of the plane, the image nearest to its middle, if any.
pub fn spread_out(points: &[[f64; 2]], cells: usize) -> Vec<usize> {
    let bound = |axis: usize, pick: fn(f64, f64) -> f64, from: f64| {
        points.iter().map(|point| point[axis]).fold(from, pick)
    };
    let low = [0, 1].map(|axis| bound(axis, f64::min, f64::INFINITY));
    let high = [0, 1].map(|axis| bound(axis, f64::max, f64::NEG_INFINITY));
    let side = (high[0] - low[0])
        .max(high[1] - low[1])
        .max(f64::MIN_POSITIVE)
        / cells as f64;
    let mut nearest: Vec<Option<(f64, usize)>> = vec![None; cells * cells];
    for (index, point) in points.iter().enumerate() {
        let place = [0, 1].map(|axis| (point[axis] - low[axis]) / side);
        let cell = place.map(|place| (place as usize).min(cells - 1));
        let distance: f64 = (0..2)
            .map(|axis| (place[axis] - cell[axis] as f64 - 0.5).powi(2))
            .sum();
        let best = &mut nearest[cell[1] * cells + cell[0]];
        if best.is_none_or(|(other, _)| distance < other) {
            *best = Some((distance, index));
        }
    }
    nearest
        .into_iter()
        .flatten()
        .map(|(_, index)| index)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of `clusters` clusters far from each other, image after image in turn.
    fn clustered(images: usize, clusters: usize, code: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let centres: Vec<f32> = (0..clusters * code).map(|_| 20.0 * noise()).collect();
        (0..images * code)
            .map(|place| {
                let (image, dimension) = (place / code, place % code);
                centres[image % clusters * code + dimension]
                    + noise() * (1.0 + dimension as f32 * 0.3)
            })
            .collect()
    }

    fn plane(method: Method, codes: &[f32], code: usize) -> Vec<[f64; 2]> {
        embed(method, codes, code, &mut |_, _| {}).unwrap()
    }

    /// Gower 1966: of Euclidean distances, classical scaling is PCA, but for the axes' directions.
    #[test]
    fn scaling_of_euclidean_distances_is_pca() {
        let codes = clustered(120, 5, 6);
        let [pca, mds] = [Method::Pca, Method::Mds].map(|method| plane(method, &codes, 6));
        for axis in 0..2 {
            let pairs = pca.iter().zip(&mds).map(|(a, b)| (a[axis], b[axis]));
            let sign = pairs.clone().map(|(a, b)| a * b).sum::<f64>().signum();
            for (a, b) in pairs {
                assert!((a - sign * b).abs() < 1e-4 * (1.0 + a.abs()), "{a} {b}");
            }
        }
    }

    #[test]
    fn scaling_finds_points_of_a_plane_again() {
        // A flat code in three dimensions: all distances must be those of the codes.
        let flat: Vec<f32> = clustered(40, 4, 2);
        let codes: Vec<f32> = flat
            .chunks(2)
            .flat_map(|p| [p[0], p[1], p[0] - 2.0 * p[1]])
            .collect();
        let points = plane(Method::Mds, &codes, 3);
        let rows: Vec<&[f32]> = codes.chunks(3).collect();
        for i in 0..40 {
            for j in 0..i {
                let found = (points[i][0] - points[j][0]).hypot(points[i][1] - points[j][1]);
                assert!((found - squared_distance(rows[i], rows[j]).sqrt()).abs() < 1e-4);
            }
        }
    }

    /// Nearly all of each point's nearest neighbours on the plane are of its own cluster, and a second call draws the same.
    #[test]
    fn neighbours_stay_neighbours() {
        let (images, clusters) = (150, 6);
        let codes = clustered(images, clusters, 8);
        let points = plane(Method::Tsne, &codes, 8);
        let mut agree = 0;
        for i in 0..images {
            let mut others: Vec<(f64, usize)> = (0..images)
                .filter(|&j| j != i)
                .map(|j| {
                    (
                        (points[i][0] - points[j][0]).hypot(points[i][1] - points[j][1]),
                        j,
                    )
                })
                .collect();
            others.sort_by(|a, b| a.0.total_cmp(&b.0));
            agree += others[..5]
                .iter()
                .filter(|(_, j)| j % clusters == i % clusters)
                .count();
        }
        assert!(agree as f64 > 0.98 * 5.0 * images as f64, "{agree}");
        assert_eq!(points, plane(Method::Tsne, &codes, 8));
    }

    #[test]
    fn codes_that_a_method_cannot_draw_are_refused() {
        let error = |method, codes: &[f32], code| {
            let embedded = embed(method, codes, code, &mut |_, _| {});
            embedded.unwrap_err().to_string()
        };
        assert!(error(Method::Code, &[0.0; 6], 3).contains("found 3"));
        assert!(error(Method::Tsne, &[0.0; 14], 2).contains("at least 8 images, found 7"));
        assert!(error(Method::Mds, &[0.0; 4], 2).contains("at least 3"));
        assert_eq!(plane(Method::Code, &[1.0, 2.0], 2), [[1.0, 2.0]]);
        assert_eq!(plane(Method::Pca, &[1.0, 3.0], 1).len(), 2);
        // Codes that are all the same are a point.
        assert!(
            plane(Method::Tsne, &[1.0; 40], 2)
                .iter()
                .flatten()
                .all(|value| value.is_finite())
        );
        assert!(
            plane(Method::Mds, &[1.0; 40], 2)
                .iter()
                .flatten()
                .all(|value| value.is_finite())
        );
    }

    #[test]
    fn thumbnails_are_spread_out() {
        let points = [[0.0, 0.0], [0.4, 0.6], [1.1, 0.9], [2.0, 2.0]];
        assert_eq!(spread_out(&points, 2), [1, 2, 3]);
        assert_eq!(spread_out(&[[3.0, 3.0]; 5], 4), [0]);
    }
}
