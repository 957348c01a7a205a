//! The numbers of a model, in one list that both its table and the comparison of several models use.

use hourglass_measure::measures::Estimate;
use hourglass_measure::{Evaluation, Number, Report};

/// A squared error with its standard error.
pub(crate) fn with_error(estimate: &Estimate) -> String {
    Evaluation::SQUARED_ERROR.with_error(estimate)
}

/// The numbers of a report that a page shows, the most informative first.
pub(crate) fn of(report: &Report) -> Vec<Number> {
    let mut numbers = report.numbers();
    numbers.retain(|number| number.quantity.shown.on_page);
    numbers
}

/// A whole number with thin spaces between thousands.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(999), "999");
    }
}
