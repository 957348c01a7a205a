//! Paths from one code to another, and along one dimension.

/// How to go from one code to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// (1 - t) a + t b
    Linear,
    /// sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b, w the angle between a and b: codes on the path have a length
    /// between those of the ends, as draws from a normal distribution of many dimensions do (White 2016).
    Spherical,
}

/// Codes on the path from `from` to `to`, both included: `steps` of them, at least 2.
///
/// # Shapes
/// - from, to: `[code]`
/// - output: `[steps, code]`
pub fn interpolate(from: &[f32], to: &[f32], steps: usize, path: Path) -> Vec<f32> {
    let steps = steps.max(2);
    let shares = (0..steps).map(|step| step as f64 / (steps - 1) as f64);
    shares
        .flat_map(|share| {
            let [first, second] = weights(from, to, share, path);
            let pairs = from.iter().zip(to);
            pairs.map(move |(&from, &to)| (f64::from(from) * first + f64::from(to) * second) as f32)
        })
        .collect()
}

/// Copies of a code in which one dimension takes each of these values in turn, and the others are unchanged.
///
/// # Shapes
/// - start, and each of the output: `[code]`
pub fn traverse(
    start: &[f32],
    dimension: usize,
    values: impl Iterator<Item = f32>,
) -> impl Iterator<Item = Vec<f32>> {
    values.map(move |value| {
        let mut code = start.to_vec();
        code[dimension] = value;
        code
    })
}

/// The weights of both ends in a code on the path.
fn weights(from: &[f32], to: &[f32], share: f64, path: Path) -> [f64; 2] {
    let linear = [1.0 - share, share];
    if path == Path::Linear {
        return linear;
    }
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum()
    };
    let lengths = (product(from, from) * product(to, to)).sqrt();
    let angle = (product(from, to) / lengths).clamp(-1.0, 1.0).acos();
    let sine = angle.sin();
    // Parallel codes, opposite ones, between which no path is the shortest, and a code of length 0, which has no direction.
    if sine.is_nan() || sine < 1e-6 {
        return linear;
    }
    [
        ((1.0 - share) * angle).sin() / sine,
        (share * angle).sin() / sine,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traversal_changes_one_dimension() {
        let codes: Vec<_> = traverse(&[1.0, 2.0], 1, [0.5, 7.0].into_iter()).collect();
        assert_eq!(codes, [[1.0, 0.5], [1.0, 7.0]]);
    }

    #[test]
    fn a_linear_path_is_even() {
        let codes = interpolate(&[0.0, 1.0], &[1.0, -1.0], 3, Path::Linear);
        assert_eq!(codes, [0.0, 1.0, 0.5, 0.0, 1.0, -1.0]);
    }

    #[test]
    fn a_spherical_path_keeps_the_length_and_has_even_angles() {
        let codes = interpolate(&[3.0, 0.0], &[0.0, 3.0], 4, Path::Spherical);
        for (step, code) in codes.chunks_exact(2).enumerate() {
            let angle = step as f32 * std::f32::consts::FRAC_PI_6;
            let expected = [3.0 * angle.cos(), 3.0 * angle.sin()];
            for (found, expected) in code.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{codes:?}");
            }
        }
    }

    #[test]
    fn codes_without_an_angle_between_them_go_straight() {
        for (from, to) in [
            ([0.0, 0.0], [1.0, 0.0]),
            ([1.0, 0.0], [2.0, 0.0]),
            ([1.0, 0.0], [-1.0, 0.0]),
        ] {
            let expected = interpolate(&from, &to, 5, Path::Linear);
            assert_eq!(interpolate(&from, &to, 5, Path::Spherical), expected);
        }
    }
}
