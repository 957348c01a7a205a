//! The codes of some images in two dimensions: the code itself where it has two units, else its first two principal
//! components.

use hourglass_measure::pca::Pca;

use super::codes::Codes;

/// Wider codes are not mapped: the decomposition of their covariance takes minutes.
const WIDEST: usize = 4096;

/// Codes in two dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeMap {
    /// A point for each image.
    pub points: Vec<Point>,
    /// The share of the codes' variance along each axis; none where the axes are the units themselves.
    pub variance_shares: Option<[f64; 2]>,
    /// The names of the labels, where they have some.
    pub label_names: Option<Vec<String>>,
}

/// A code in two dimensions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The position along both axes.
    pub position: [f32; 2],
    /// The label of its image, where there is one.
    pub label: Option<u8>,
}

pub(super) fn of(codes: &Codes) -> Result<CodeMap, String> {
    let (positions, variance_shares) = match codes.width {
        0 | 1 => return Err("a code of one unit makes no map".into()),
        2 => (codes.values.clone(), None),
        width if width > WIDEST => {
            return Err(format!(
                "of codes of more than {WIDEST} units no map is made"
            ));
        }
        width => {
            let pca =
                Pca::fit(width, [&codes.values], |_| {}).map_err(|error| error.to_string())?;
            let total: f64 = pca.variances().iter().sum();
            if total == 0.0 {
                return Err("all images have the same code".into());
            }
            let shares = [0, 1].map(|axis| pca.variances()[axis] / total);
            (pca.codes(2, &codes.values), Some(shares))
        }
    };
    let label = |place: usize| codes.labels.as_ref().map(|labels| labels[place]);
    let points = positions.chunks_exact(2).enumerate();
    Ok(CodeMap {
        points: points
            .map(|(place, position)| Point {
                position: [position[0], position[1]],
                label: label(place),
            })
            .collect(),
        variance_shares,
        label_names: codes.label_names.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(values: &[f32], width: usize) -> Codes {
        Codes {
            values: values.to_vec(),
            width,
            labels: None,
            label_names: None,
        }
    }

    /// Points on a line in three dimensions: one axis has all of the variance, and keeps the distances.
    #[test]
    fn a_line_stays_a_line() {
        let line: Vec<f32> = (0..5)
            .flat_map(|step| [1.0, 2.0, 2.0].map(|part| part * step as f32))
            .collect();
        let map = of(&codes(&line, 3)).expect("a map");
        let [first, second] = map.variance_shares.expect("shares");
        assert!((first - 1.0).abs() < 1e-9 && second.abs() < 1e-9);
        let [a, b] = [0, 4].map(|place| map.points[place].position);
        // |(1, 2, 2)| is 3, four steps of it 12.
        assert!(((a[0] - b[0]).abs() - 12.0).abs() < 1e-4, "{a:?} {b:?}");
    }

    #[test]
    fn codes_without_two_dimensions_have_no_map() {
        assert!(of(&codes(&[1.0, 2.0], 1)).is_err());
        assert!(of(&codes(&[1.0; 9], 3)).is_err());
        let map = of(&codes(&[1.0, 2.0, 3.0, 4.0], 2)).expect("a map");
        assert_eq!(map.points[1].position, [3.0, 4.0]);
        assert_eq!(map.variance_shares, None);
    }
}
