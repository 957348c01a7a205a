//! An axis with round ticks, linear or logarithmic.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// A range of values with the ticks to draw, in the form that plotters takes.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    ticks: Vec<f64>,
}

impl Axis {
    /// An axis for training steps: linear, ticks at whole numbers.
    pub(super) fn of_steps(values: impl Iterator<Item = f64> + Clone) -> Self {
        let [low, high] = bounds(values).unwrap_or([0.0, 1.0]);
        // A single step gets its neighbours; beyond 1e9 those might not differ from it.
        let around = if low == high {
            (high.abs() * 1e-9).max(1.0)
        } else {
            0.0
        };
        let [low, high] = [low - around, high + around];
        let room = (high - low) * 0.02;
        Self::linear([low - room, high + room], 5, 1.0)
    }

    /// An axis for a term of the loss: logarithmic where positive values span much, as losses do in their first steps.
    pub(super) fn of_values(values: impl Iterator<Item = f64> + Clone) -> Self {
        /// Beyond this ratio a linear axis leaves less than a third of the height to all but the beginning.
        const MUCH: f64 = 4.0;
        let [low, high] = bounds(values).unwrap_or([0.0, 1.0]);
        // Below the smallest f32 the ratio may overflow.
        if low >= f64::from(f32::MIN_POSITIVE) && high / low > MUCH {
            return Self::logarithmic([low, high]);
        }
        // A constant gets room in proportion to itself, or it would sit between two equal bounds.
        let room = if high - low > high.abs() * 1e-9 {
            (high - low) * 0.05
        } else if high == 0.0 {
            1.0
        } else {
            high.abs() * 0.05
        };
        Self::linear([low - room, high + room], 5, 0.0)
    }

    /// An axis for heights of bars, which begin at 0: none is below it.
    pub(super) fn of_heights(values: impl Iterator<Item = f64> + Clone) -> Self {
        let [_, high] = bounds(values).unwrap_or([0.0, 1.0]);
        let high = if high > 0.0 { high } else { 1.0 };
        Self::linear([0.0, high * 1.05], 5, 0.0)
    }

    /// An axis for bars that are counted from 1, each as wide as the step to the next.
    pub(super) fn of_places(count: usize) -> Self {
        let high = count.max(1) as f64 + 0.5;
        Self::linear([0.5, high], 8, 1.0)
    }

    /// The same with a tick for each bar, for bars that have names.
    pub(super) fn of_each_place(count: usize) -> Self {
        Self {
            ticks: (1..=count).map(|place| place as f64).collect(),
            ..Self::of_places(count)
        }
    }

    fn linear([low, high]: [f64; 2], count: usize, smallest_step: f64) -> Self {
        let step = round_step((high - low) / count as f64).max(smallest_step);
        // Ticks are counted, not added up: at 1e30 a sum may stop growing.
        let first = (low / step).ceil();
        let ticks = (0..=2 * count).map(|index| (first + index as f64) * step);
        let ticks = ticks.take_while(|&tick| tick <= high).collect();
        Self {
            low,
            high,
            logarithmic: false,
            ticks,
        }
    }

    fn logarithmic([low, high]: [f64; 2]) -> Self {
        let room = (high / low).powf(0.05);
        let [low, high] = [low / room, high * room];
        let decades = high.log10() - low.log10();
        let multiples: &[f64] = match decades {
            ..1.5 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            ..3.0 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let stride = (decades / 7.0).ceil().max(1.0) as usize;
        let exponents = (low.log10().floor() as i32..=high.log10().ceil() as i32).step_by(stride);
        let ticks = exponents.flat_map(|exponent| {
            // Powers of ten by division where they are small, so that 0.1 is the nearest number to 0.1.
            let scaled = move |multiple: &f64| match exponent {
                ..0 => multiple / 10.0_f64.powi(-exponent),
                _ => multiple * 10.0_f64.powi(exponent),
            };
            multiples.iter().map(scaled)
        });
        let ticks = ticks.filter(|tick| (low..=high).contains(tick)).collect();
        Self {
            low,
            high,
            logarithmic: true,
            ticks,
        }
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// The longest label, in characters.
    pub(super) fn label_length(&self) -> usize {
        self.ticks
            .iter()
            .map(|&tick| label(tick).len())
            .max()
            .unwrap_or(0)
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let share = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        start + (share * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

/// How a tick is written: at most six significant digits, a power of ten where zeros would hide them.
pub(super) fn label(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        // Through a round trip, 3.0000000000000004e7 is 3e7.
        let digits = format!("{value:.5e}");
        return digits
            .parse::<f64>()
            .map_or(digits, |value| format!("{value:e}"));
    }
    let decimals = if size == 0.0 {
        0
    } else {
        (5.0 - size.log10().floor()).clamp(0.0, 9.0) as usize
    };
    let digits = format!("{value:.decimals$}");
    match digits.contains('.') {
        true => digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        false => digits,
    }
}

fn bounds(values: impl Iterator<Item = f64> + Clone) -> Option<[f64; 2]> {
    let low = values.clone().reduce(f64::min)?;
    let high = values.reduce(f64::max)?;
    Some([low, high])
}

/// The nearest of 1, 2 and 5 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10.0_f64.powf(step.log10().floor());
    let multiples = [1.0, 2.0, 5.0, 10.0];
    let multiple = multiples
        .into_iter()
        .find(|multiple| multiple * power >= step * 0.999_999);
    multiple.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|&tick| label(tick)).collect()
    }

    #[test]
    fn ticks_are_round() {
        let axis = Axis::of_steps([0.0, 9380.0].into_iter());
        assert_eq!(labels(&axis), ["0", "2000", "4000", "6000", "8000"]);
        let axis = Axis::of_steps([7.0].into_iter());
        assert_eq!(labels(&axis), ["6", "7", "8"]);
        let axis = Axis::of_values([0.31, 0.52].into_iter());
        assert_eq!(labels(&axis), ["0.3", "0.35", "0.4", "0.45", "0.5"]);
        let axis = Axis::of_values([0.012, 3.0].into_iter());
        assert_eq!(
            labels(&axis),
            ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]
        );
    }

    #[test]
    fn any_range_has_bounds_ticks_and_places_for_its_values() {
        let huge = f64::from(f32::MAX);
        let tiny = f64::from(f32::MIN_POSITIVE);
        let ranges = [
            vec![],
            vec![0.0],
            vec![-3.5],
            vec![1e30, 1e30],
            vec![1.0, 1.0 + f64::EPSILON],
            vec![-huge, huge],
            vec![tiny, huge],
            vec![0.0, huge],
            vec![-1.0, 0.0],
        ];
        for values in ranges {
            for axis in [
                Axis::of_values(values.iter().copied()),
                Axis::of_steps(values.iter().copied()),
                Axis::of_heights(values.iter().map(|value| value.abs())),
            ] {
                assert!(
                    axis.low.is_finite() && axis.low < axis.high && axis.high.is_finite(),
                    "{axis:?}"
                );
                assert!(axis.ticks.len() <= 20, "{axis:?}");
                for value in &values {
                    let value = if axis.low == 0.0 { value.abs() } else { *value };
                    assert!(
                        (0..=1000).contains(&axis.map(&value, (0, 1000))),
                        "{value} {axis:?}"
                    );
                }
            }
            assert!(
                !Axis::of_values(values.iter().copied()).ticks.is_empty(),
                "{values:?}"
            );
        }
    }

    #[test]
    fn labels_keep_what_matters() {
        let cases = [
            (0.0, "0"),
            (0.1 + 0.2, "0.3"),
            (-250.0, "-250"),
            (3e7, "3e7"),
            (2e-6, "2e-6"),
            (1500.0, "1500"),
        ];
        for (value, expected) in cases {
            assert_eq!(label(value), expected);
        }
    }
}
