//! Which columns made the score of a sample.

use hourglass_data::{Dataset, Input};
use hourglass_samples::ColumnKind;
use serde::Serialize;

/// How many columns are named for a sample.
const MOST_REASONS: usize = 3;

/// A column that made part of a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// Its name; of a vector the place of the number.
    pub column: String,
    /// Its share of the score.
    pub share: f64,
    /// What the model expected, as it would stand in the file.
    pub expected: String,
    /// What the file has.
    pub found: String,
}

impl Reason {
    /// The columns with the largest shares of the score of sample `index`, whose features were rebuilt as `made` and add
    /// `parts` to it.
    ///
    /// # Shapes
    /// - made, parts: `[features]`
    pub fn largest(dataset: &Dataset, index: u32, made: &[f32], parts: &[f64]) -> Vec<Self> {
        let input = dataset.input();
        let total: f64 = parts.iter().sum();
        let mut places: Vec<(usize, f64)> =
            by_column(input, parts).into_iter().enumerate().collect();
        places.sort_by(|a, b| b.1.total_cmp(&a.1));
        places.truncate(MOST_REASONS);
        let (expected, found) = (input.decode(made), dataset.raw(index as usize));
        let reasons = places.into_iter().filter(|(_, part)| *part > 0.0);
        let text = |place: usize, cell: f64| match input.columns().get(place) {
            Some(_) if cell.is_nan() => "no value".to_owned(),
            Some(column) => match (&column.kind, column.text(cell)) {
                (ColumnKind::Numeric(_), text) => rounded(&text),
                (_, text) if text.is_empty() => "another value".into(),
                (_, text) => text,
            },
            None => rounded(&(cell as f32).to_string()),
        };
        reasons
            .map(|(place, part)| Self {
                column: match input.columns().get(place) {
                    Some(column) => column.name.clone(),
                    None => format!("x{place}"),
                },
                share: part / total,
                expected: text(place, expected[place]),
                found: text(place, found[place]),
            })
            .collect()
    }

    /// The reason in words.
    pub fn text(&self) -> String {
        let share = 100.0 * self.share;
        format!(
            "{}: expected {}, found {} ({share:.0} %)",
            self.column, self.expected, self.found
        )
    }
}

/// The sums of the features of each column.
fn by_column(input: &Input, parts: &[f64]) -> Vec<f64> {
    if input.columns().is_empty() {
        return parts.to_vec();
    }
    let mut rest = parts;
    let columns = input.columns().iter().map(|column| {
        let (own, others) = rest.split_at(column.features());
        rest = others;
        own.iter().sum()
    });
    columns.collect()
}

/// A number with four digits; what is no number as it is.
fn rounded(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if number != 0.0 && number.is_finite() => {
            let digits = (3 - number.abs().log10().floor() as i32).clamp(0, 12) as usize;
            let shown = format!("{number:.digits$}");
            match shown.contains('.') {
                true => shown.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => shown,
            }
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        for (text, shown) in [
            ("1001.37", "1001"),
            ("0.118402", "0.1184"),
            ("-2.5", "-2.5"),
            ("0", "0"),
            ("red", "red"),
            ("123456", "123456"),
            ("0.00001234567", "0.00001235"),
        ] {
            assert_eq!(rounded(text), shown);
        }
    }
}
