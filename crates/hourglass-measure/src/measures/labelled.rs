//! Rows of features, each with a class, whose lengths and values are checked once.

use super::MeasureError;

/// Rows of features, each with its class.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    rows: &'a [f32],
    features: usize,
    labels: &'a [u8],
}

impl<'a> Labelled<'a> {
    /// Takes rows of `rows.len() / labels.len()` features.
    ///
    /// # Shapes
    /// - `rows`: `[rows, features]`, row-major, finite
    /// - `labels`: `[rows]`
    pub fn new(rows: &'a [f32], labels: &'a [u8]) -> Result<Self, MeasureError> {
        if labels.is_empty() {
            return Err(MeasureError::Empty { what: "labels" });
        }
        let features = rows.len() / labels.len();
        if features == 0 {
            return Err(MeasureError::Empty { what: "features" });
        }
        if features * labels.len() != rows.len() {
            return Err(MeasureError::Length {
                what: "values of the features",
                expected: features * labels.len(),
                found: rows.len(),
            });
        }
        check_finite(rows)?;
        Ok(Self {
            rows,
            features,
            labels,
        })
    }

    /// The values: `[rows, features]`, row-major.
    pub fn rows(&self) -> &'a [f32] {
        self.rows
    }

    /// The length of a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The class of each row.
    pub fn labels(&self) -> &'a [u8] {
        self.labels
    }

    /// The number of rows.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one row")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The classes that occur, in increasing order; an error where there is only one.
    pub(super) fn classes(&self) -> Result<Vec<u8>, MeasureError> {
        let mut occurs = [false; 256];
        for &label in self.labels {
            occurs[usize::from(label)] = true;
        }
        let classes: Vec<u8> = (0..=u8::MAX)
            .filter(|&class| occurs[usize::from(class)])
            .collect();
        match classes[..] {
            [class] => Err(MeasureError::OneClass { class }),
            _ => Ok(classes),
        }
    }

    /// Checks that these test rows are as long as the training rows.
    pub(super) fn check_features(&self, training: usize) -> Result<(), MeasureError> {
        if self.features == training {
            return Ok(());
        }
        Err(MeasureError::Length {
            what: "features of the test rows",
            expected: training,
            found: self.features,
        })
    }
}

fn check_finite(values: &[f32]) -> Result<(), MeasureError> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(&value) => Err(MeasureError::Value {
            what: "features",
            expected: "finite values",
            found: f64::from(value),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_can_not_be_measured_are_refused() {
        let error = |rows: &[f32], labels: &[u8]| Labelled::new(rows, labels).unwrap_err();
        assert_eq!(error(&[1.0], &[]), MeasureError::Empty { what: "labels" });
        assert_eq!(
            error(&[], &[1, 2]),
            MeasureError::Empty { what: "features" }
        );
        assert_eq!(
            error(&[1.0, 2.0, 3.0, 4.0, 5.0], &[1, 2]).to_string(),
            "values of the features: expected 4, found 5"
        );
        assert_eq!(
            error(&[1.0, f32::NAN], &[1, 2]).to_string(),
            "features: expected finite values, found NaN"
        );
        assert!(Labelled::new(&[1.0, f32::INFINITY], &[1, 2]).is_err());
    }

    #[test]
    fn classes_are_those_that_occur() {
        let rows = [0.0; 4];
        let classes = |labels: &[u8; 4]| Labelled::new(&rows, labels).unwrap().classes();
        assert_eq!(classes(&[7, 255, 0, 7]), Ok(vec![0, 7, 255]));
        assert_eq!(
            classes(&[7, 7, 7, 7]),
            Err(MeasureError::OneClass { class: 7 })
        );
    }
}
