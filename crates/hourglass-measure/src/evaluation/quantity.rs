//! Describes each number: its name, its unit, which way is better, and where it and its standard error are in the JSON of a
//! report.
//!
//! The terminal, cards, `compare` and pages show a [`Number`]: a [`Quantity`] with the value that a report has for it, or the
//! reason why it has none. A report that was just made and one that was read from a file are treated in the same way.

use serde_json::Value;

use super::measured::{Measured, left_out};
use crate::measures::Estimate;

/// Whether a smaller or a larger number is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// A smaller one.
    Lower,
    /// A larger one.
    Higher,
    /// Neither is better, or it depends.
    Neither,
}

/// Where a number is shown; the terminal and JSON show all numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outputs {
    /// On a page, in the table of numbers.
    pub on_page: bool,
    /// In the table of a card.
    pub on_card: bool,
    /// In a row of `compare`, which shows what stands at the top level of the JSON anyway.
    pub in_comparison: bool,
}

impl Outputs {
    /// Wherever numbers are shown.
    pub const EVERYWHERE: Self = Self {
        on_page: true,
        on_card: true,
        in_comparison: true,
    };
    /// In the terminal and in JSON alone.
    pub const NOWHERE_ELSE: Self = Self {
        on_page: false,
        on_card: false,
        in_comparison: false,
    };
    /// On pages.
    pub const ON_PAGE: Self = Self {
        on_page: true,
        ..Self::NOWHERE_ELSE
    };
    /// On cards.
    pub const ON_CARD: Self = Self {
        on_card: true,
        ..Self::NOWHERE_ELSE
    };
    /// On pages and cards.
    pub const ON_PAGE_AND_CARD: Self = Self {
        on_card: true,
        ..Self::ON_PAGE
    };
    /// On pages and in comparisons.
    pub const ON_PAGE_AND_IN_COMPARISON: Self = Self {
        in_comparison: true,
        ..Self::ON_PAGE
    };
    /// In comparisons.
    pub const IN_COMPARISON: Self = Self {
        in_comparison: true,
        ..Self::NOWHERE_ELSE
    };
}

/// Paths in the JSON of a report, names separated by dots: the first that has a number is taken.
type Places = &'static [&'static str];

/// The description of a number.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    /// Where the model's number is.
    pub places: Places,
    /// Where PCA's number is.
    pub pca: Places,
    /// Where the number for the pixels is.
    pub pixels: Places,
    /// Where the standard error is, if not beside the number.
    pub error: Option<&'static str>,
    /// Its name where it is shown among other numbers of its part.
    pub title: &'static str,
    /// Its name where nothing says which part it belongs to, if that is more than its title and its unit.
    pub label: Option<&'static str>,
    /// What it is, in a few words.
    pub note: &'static str,
    /// The unit, which is written after the number.
    pub unit: &'static str,
    /// What the number is multiplied by: 100 for a share in percent.
    pub factor: f64,
    /// The number of decimals, also of the standard error.
    pub decimals: usize,
    /// Which way is better.
    pub better: Better,
    /// Where it is shown.
    pub shown: Outputs,
    /// Whether a page begins with it.
    pub is_headline: bool,
    /// Adds what only the report knows about the number, such as what it is counted out of.
    pub refine: fn(&Value, &mut Number),
}

impl Quantity {
    /// What a quantity is unless it says otherwise: a plain number that is shown everywhere.
    pub const PLAIN: Self = Self {
        places: &[],
        pca: &[],
        pixels: &[],
        error: None,
        title: "",
        label: None,
        note: "",
        unit: "",
        factor: 1.0,
        decimals: 2,
        better: Better::Neither,
        shown: Outputs::EVERYWHERE,
        is_headline: false,
        refine: |_, _| {},
    };

    /// A term of a family's objective: the name of the term is its title, and determines its unit.
    pub fn term(name: &str) -> Self {
        let (unit, note) = match name {
            "cross_entropy" => ("nats (Bernoulli on grey pixels: not a likelihood)", ""),
            "loss" => ("", "what training made small"),
            "negative_elbo" => ("nats, at beta 1", ""),
            _ if name.ends_with("_nats") => ("nats", ""),
            _ => ("", ""),
        };
        Self {
            unit,
            note,
            decimals: 3,
            ..Self::PLAIN
        }
    }

    /// Its name in JSON.
    pub fn name(&self) -> &'static str {
        let place = self.places.first().copied().unwrap_or_default();
        place.rsplit('.').next().unwrap_or(place)
    }

    /// The name of the measure that the number belongs to.
    pub fn part(&self) -> &'static str {
        let place = self.places.first().copied().unwrap_or_default();
        place.split('.').next().unwrap_or(place)
    }

    /// The title within a sentence or at the head of a column.
    pub fn title_in_text(&self) -> String {
        in_text(self.title)
    }

    /// Its name where it is shown by itself, with its unit.
    pub fn label(&self) -> String {
        match (self.label, self.unit) {
            (Some(label), _) => label.to_owned(),
            (None, "") => self.title_in_text(),
            (None, unit) => format!("{}, {unit}", self.title_in_text()),
        }
    }

    /// The number alone, in its unit.
    pub fn value(&self, value: f64) -> String {
        format!(
            "{:.decimals$}",
            value * self.factor,
            decimals = self.decimals
        )
    }

    /// The number with its standard error, where it has one.
    pub fn with_error(&self, estimate: &Estimate) -> String {
        let value = self.value(estimate.value);
        match estimate.standard_error {
            Some(error) => format!("{value} ± {}", self.value(error)),
            None => value,
        }
    }

    /// The number in a report; none where the report says nothing about the model's number.
    pub fn in_report(&self, report: &Value) -> Option<Number> {
        let find = |places| first(report, places, self.error);
        let mut number = Number {
            quantity: *self,
            title: self.title.to_owned(),
            out_of: None,
            model: find(self.places)?,
            pca: find(self.pca),
            pixels: find(self.pixels),
        };
        (self.refine)(report, &mut number);
        Some(number)
    }
}

/// A number of a model, and the same number for PCA and the pixels, with which it is compared.
#[derive(Debug, Clone)]
pub struct Number {
    /// What it is.
    pub quantity: Quantity,
    /// Its name in this report.
    pub title: String,
    /// The total out of which it is counted, if it is a count.
    pub out_of: Option<usize>,
    /// The model's.
    pub model: Measured<Estimate>,
    /// PCA's, where there is such a number.
    pub pca: Option<Measured<Estimate>>,
    /// That of the pixels, where there is such a number.
    pub pixels: Option<Measured<Estimate>>,
}

impl Number {
    /// A term of the objective, whose note says its unit.
    pub(super) fn of_term(name: &str, value: f64) -> Self {
        let quantity = Quantity::term(name);
        let note = match quantity.unit {
            "" => quantity.note,
            unit => unit,
        };
        Self {
            quantity: Quantity {
                unit: "",
                note,
                ..quantity
            },
            title: name.to_owned(),
            out_of: None,
            model: Measured::Value(Estimate {
                value,
                standard_error: None,
            }),
            pca: None,
            pixels: None,
        }
    }

    /// A number of this quantity in full: with what it is counted out of, its standard error and its unit.
    pub fn text(&self, estimate: &Estimate) -> String {
        self.with_unit(self.quantity.with_error(estimate))
    }

    /// The same without its standard error, to be read at a glance.
    pub fn short_text(&self, estimate: &Estimate) -> String {
        self.with_unit(self.quantity.value(estimate.value))
    }

    fn with_unit(&self, mut text: String) -> String {
        if let Some(out_of) = self.out_of {
            text += &format!(" of {out_of}");
        }
        if !self.quantity.unit.is_empty() {
            text += &format!(" {}", self.quantity.unit);
        }
        text
    }
}

/// The first number at one of the places; where there is none, the last reason for that.
fn first(report: &Value, places: Places, error: Option<&str>) -> Option<Measured<Estimate>> {
    let mut reason = None;
    for place in places {
        match at(report, place) {
            Some(Measured::Value(mut estimate)) => {
                if let Some(Measured::Value(error)) = error.and_then(|error| at(report, error)) {
                    estimate.standard_error = Some(error.value);
                }
                return Some(Measured::Value(estimate));
            }
            Some(left_out) => reason = Some(left_out),
            None => {}
        }
    }
    reason
}

/// The number at a place, or the reason that stands there or above it.
fn at(report: &Value, place: &str) -> Option<Measured<Estimate>> {
    let mut found = report;
    for name in place.split('.') {
        if let Some(reason) = reason(found) {
            return Some(left_out(reason));
        }
        found = found.get(name)?;
    }
    if let Some(reason) = reason(found) {
        return Some(left_out(reason));
    }
    let (value, standard_error) = match found {
        Value::Object(parts) => (parts.get("value")?, parts.get("standard_error")),
        number => (number, None),
    };
    Some(Measured::Value(Estimate {
        value: value.as_f64()?,
        standard_error: standard_error.and_then(Value::as_f64),
    }))
}

/// Why a part of a report is left out, if it is.
pub(super) fn reason(part: &Value) -> Option<&str> {
    part.get("left_out")?.as_str()
}

/// The title without its initial capital, unless that belongs to an abbreviation.
fn in_text(title: &str) -> String {
    let mut letters = title.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(title.chars().skip(1)).collect()
        }
        _ => title.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHARE: Quantity = Quantity {
        places: &["part.share", "share"],
        pca: &["part.pca.share"],
        title: "Share",
        unit: "%",
        factor: 100.0,
        ..Quantity::PLAIN
    };

    #[test]
    fn a_number_is_found_with_its_error_or_its_reason() {
        let report = json!({
            "part": {"share": {"value": 0.91234, "standard_error": 0.0028}, "pca": {"left_out": "no images"}},
            "share": 0.5,
        });
        let number = SHARE.in_report(&report).expect("a number");
        let Measured::Value(share) = &number.model else {
            panic!("left out");
        };
        assert_eq!(number.text(share), "91.23 ± 0.28 %");
        assert_eq!(number.short_text(share), "91.23 %");
        assert_eq!(number.pca, Some(left_out("no images")));
        assert_eq!(number.pixels, None);
        // The next place has the number where the first says why it has none.
        let interrupted = json!({"part": {"left_out": "it was interrupted"}, "share": 0.5});
        let number = SHARE.in_report(&interrupted).expect("a number");
        assert_eq!(number.model.value().map(|share| share.value), Some(0.5));
        let nowhere = json!({"part": {"left_out": "it was interrupted"}});
        let number = SHARE.in_report(&nowhere).expect("a reason");
        assert_eq!(number.model, left_out("it was interrupted"));
        assert!(SHARE.in_report(&json!({"part": {}})).is_none());
    }

    #[test]
    fn an_error_may_stand_elsewhere_and_a_count_be_out_of_something() {
        let quantity = Quantity {
            places: &["units"],
            error: Some("deviation"),
            decimals: 0,
            refine: |report, number| number.out_of = report["all"].as_u64().map(|all| all as usize),
            ..Quantity::PLAIN
        };
        let report = json!({"units": 7, "deviation": 2, "all": 20});
        let number = quantity.in_report(&report).expect("a number");
        let units = number.model.value().expect("a value");
        assert_eq!(number.text(units), "7 ± 2 of 20");
    }

    #[test]
    fn titles_lose_their_capitals_within_a_text_and_abbreviations_do_not() {
        assert_eq!(SHARE.label(), "share, %");
        assert_eq!(in_text("Negative ELBO"), "negative ELBO");
        assert_eq!(in_text("PSNR"), "PSNR");
        assert_eq!(in_text("5 nearest neighbours"), "5 nearest neighbours");
    }
}
