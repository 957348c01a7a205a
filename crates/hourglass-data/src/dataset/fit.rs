//! Fitting the scaling of tables and vectors to the samples that a model is trained on.

use std::sync::Arc;

use hourglass_samples::{Affine, Column, ColumnKind, Input, Missing, Scaling};
use rayon::prelude::*;

use super::subset::Subset;

/// Rows whose sums are made at a time, the same on every machine, so that rounding is too.
const BLOCK_ROWS: usize = 1 << 14;

/// The most rows that quartiles are taken from; of more, a sample is drawn.
const MOST_QUARTILE_ROWS: usize = 100_000;

/// The most numbers that are sorted at a time.
const MOST_QUARTILE_NUMBERS: usize = 1 << 24;

/// The interquartile range of a normal distribution of standard deviation 1.
const NORMAL_RANGE: f64 = 1.348_979_500_392_163_5;

/// The seed of the sample that quartiles are taken from.
const SEED: u64 = 0;

/// How many constant columns a note names.
const MOST_NAMES: usize = 8;

/// What a fit found.
#[derive(Debug)]
pub struct Fitted {
    /// The input with its scaling.
    pub input: Arc<Input>,
    /// What may surprise, a sentence each.
    pub notes: Vec<String>,
}

impl Subset {
    /// How these samples become features: numbers are brought to a common scale, as `scaling` says, and missing cells are
    /// filled. Images stay as they are.
    pub fn fit(&self, scaling: Scaling) -> Fitted {
        let input = self.dataset().input();
        let mut notes = Vec::new();
        let fitted = match &**input {
            Input::Image { .. } => {
                return Fitted {
                    input: input.clone(),
                    notes,
                };
            }
            Input::Table {
                missing, columns, ..
            } => {
                let moments = self.moments();
                let ranges = self.ranges(scaling, &moments);
                let fitted = columns.iter().zip(&moments).zip(&ranges);
                let columns = fitted.map(|((column, moments), &affine)| {
                    fitted_column(column, *missing, moments, affine)
                });
                let columns: Vec<Column> = columns.collect();
                let constant = columns
                    .iter()
                    .zip(&moments)
                    .filter(|(_, moments)| moments.is_constant());
                let names: Vec<&str> = constant.map(|(column, _)| column.name.as_str()).collect();
                notes.extend(note_constant(&names));
                Input::Table {
                    scaling,
                    missing: *missing,
                    columns,
                }
            }
            Input::Vectors { width, .. } if scaling == Scaling::None => Input::Vectors {
                width: *width,
                scaling,
                affine: Vec::new(),
            },
            Input::Vectors { width, .. } => {
                let moments = self.moments();
                let constant = (0..)
                    .zip(&moments)
                    .filter(|(_, moments)| moments.is_constant());
                let names: Vec<String> = constant
                    .map(|(place, _): (usize, _)| place.to_string())
                    .collect();
                notes.extend(note_constant(
                    &names.iter().map(String::as_str).collect::<Vec<_>>(),
                ));
                Input::Vectors {
                    width: *width,
                    scaling,
                    affine: self.ranges(scaling, &moments),
                }
            }
        };
        Fitted {
            input: fitted.into(),
            notes,
        }
    }

    /// The same choice of samples, of a dataset with as many.
    pub fn over(&self, dataset: &Arc<super::Dataset>) -> Self {
        Self::chosen(dataset, self.indices())
    }

    /// The moments of every raw number.
    fn moments(&self) -> Vec<Moments> {
        let width = self.dataset().input().raw_width();
        let blocks = self.indices().par_chunks(BLOCK_ROWS);
        let blocks = blocks.map(|indices| {
            let mut all = vec![Moments::default(); width];
            for &index in indices {
                let raw = self.dataset().raw(index as usize);
                all.iter_mut()
                    .zip(raw)
                    .for_each(|(moments, number)| moments.add(number));
            }
            all
        });
        let blocks: Vec<Vec<Moments>> = blocks.collect();
        let mut all = vec![Moments::default(); width];
        for block in blocks {
            all.iter_mut()
                .zip(&block)
                .for_each(|(moments, more)| moments.merge(more));
        }
        all
    }

    /// The scaling of every raw number.
    fn ranges(&self, scaling: Scaling, moments: &[Moments]) -> Vec<Affine> {
        let quartiles = match scaling {
            Scaling::Robust => self.quartiles(moments.len()),
            _ => Vec::new(),
        };
        let scaled = moments.iter().enumerate().map(|(place, moments)| {
            let (centre, scale) = match scaling {
                Scaling::None => return Affine::IDENTITY,
                Scaling::Standard | Scaling::Log => (moments.mean, moments.deviation()),
                Scaling::MinMax => (moments.least, moments.most - moments.least),
                Scaling::Robust => {
                    let [lower, median, upper] = quartiles[place];
                    match (upper - lower) / NORMAL_RANGE {
                        range if range > 0.0 => (median, range),
                        _ => (median, moments.deviation()),
                    }
                }
            };
            // A constant column becomes 0; one without any value has no centre.
            let is_usable = scale.is_finite() && scale > 0.0 && !moments.is_constant();
            let centre = if centre.is_finite() { centre } else { 0.0 };
            Affine::new(scaling, centre, if is_usable { scale } else { 1.0 })
        });
        scaled.collect()
    }

    /// The quartiles of every raw number, from all samples or some, linear between neighbours.
    fn quartiles(&self, width: usize) -> Vec<[f64; 3]> {
        let sample = self.sample(MOST_QUARTILE_ROWS, SEED);
        let columns = (MOST_QUARTILE_NUMBERS / sample.len().max(1)).clamp(1, width);
        let mut quartiles = Vec::with_capacity(width);
        for first in (0..width).step_by(columns) {
            let count = columns.min(width - first);
            let mut sorted: Vec<Vec<f32>> = vec![Vec::with_capacity(sample.len()); count];
            for &index in sample.indices() {
                let raw = self.dataset().raw(index as usize);
                for (column, &number) in sorted.iter_mut().zip(&raw[first..]) {
                    if !number.is_nan() {
                        column.push(number as f32);
                    }
                }
            }
            quartiles.par_extend(sorted.par_iter_mut().map(|column| {
                column.sort_unstable_by(f32::total_cmp);
                [0.25, 0.5, 0.75].map(|share| quantile(column, share))
            }));
        }
        quartiles
    }
}

/// A quantile of sorted numbers; not a number where there is none.
fn quantile(sorted: &[f32], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let number = |place: f64| {
        sorted
            .get(place as usize)
            .map_or(f64::NAN, |&number| f64::from(number))
    };
    let (lower, upper) = (number(place.floor()), number(place.ceil()));
    lower + (upper - lower) * place.fract()
}

fn fitted_column(column: &Column, missing: Missing, moments: &Moments, affine: Affine) -> Column {
    let mean = if moments.count > 0 { moments.mean } else { 0.0 };
    let fill = match (missing, &column.kind) {
        (Missing::Refuse, _) | (_, ColumnKind::Categorical { .. }) => None,
        (Missing::Mean | Missing::Indicator, _) => Some(mean),
    };
    Column {
        name: column.name.clone(),
        kind: match &column.kind {
            ColumnKind::Numeric(_) => ColumnKind::Numeric(affine),
            other => other.clone(),
        },
        fill,
        indicator: missing == Missing::Indicator && moments.missing > 0,
    }
}

fn note_constant(names: &[&str]) -> Option<String> {
    let shown = names[..names.len().min(MOST_NAMES)].join(", ");
    let more = match names.len().saturating_sub(MOST_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!names.is_empty()).then(|| {
        format!("constant in all samples to train on, so that nothing can be learned from it: {shown}{more}; leave it out if it never changes")
    })
}

/// Count, mean and spread of numbers, by Welford's and Chan's updates.
#[derive(Clone, Debug)]
struct Moments {
    count: u64,
    missing: u64,
    mean: f64,
    /// The sum of squared differences from the mean.
    squares: f64,
    least: f64,
    most: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            count: 0,
            missing: 0,
            mean: 0.0,
            squares: 0.0,
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
        }
    }
}

impl Moments {
    fn add(&mut self, number: f64) {
        if number.is_nan() {
            self.missing += 1;
            return;
        }
        self.count += 1;
        let difference = number - self.mean;
        self.mean += difference / self.count as f64;
        self.squares += difference * (number - self.mean);
        self.least = self.least.min(number);
        self.most = self.most.max(number);
    }

    fn merge(&mut self, other: &Self) {
        self.missing += other.missing;
        if other.count == 0 {
            return;
        }
        let count = self.count + other.count;
        let difference = other.mean - self.mean;
        let share = other.count as f64 / count as f64;
        self.mean += difference * share;
        self.squares += other.squares + difference * difference * self.count as f64 * share;
        self.count = count;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    /// The standard deviation, as NumPy's `std` has it.
    fn deviation(&self) -> f64 {
        (self.squares / self.count as f64).sqrt()
    }

    fn is_constant(&self) -> bool {
        self.count == 0 || self.least == self.most
    }
}

#[cfg(test)]
mod tests {
    use hourglass_samples::Kind;

    use super::super::Dataset;
    use super::*;

    fn vectors(rows: &[f32], width: usize) -> Subset {
        let input = Input::Vectors {
            width,
            scaling: Scaling::None,
            affine: Vec::new(),
        };
        let dataset = Dataset::from_rows("rows", input, rows, None).unwrap();
        assert_eq!(dataset.kind(), Kind::Vectors);
        Subset::all(&Arc::new(dataset))
    }

    fn affine(subset: &Subset, scaling: Scaling) -> Vec<Affine> {
        match &*subset.fit(scaling).input {
            Input::Vectors { affine, .. } => affine.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// By hand: 1, 2, 3, 4 and 10 have mean 4, variance (9 + 4 + 1 + 0 + 36) / 5, quartiles 2, 3 and 4.
    #[test]
    fn scalings_are_those_of_the_books() {
        let rows = vectors(&[1.0, 7.0, 2.0, 7.0, 10.0, 7.0, 4.0, 7.0, 3.0, 7.0], 2);
        for (scaling, centre, scale) in [
            (Scaling::Standard, 4.0, 10_f64.sqrt()),
            (Scaling::Robust, 3.0, 2.0 / NORMAL_RANGE),
            (Scaling::MinMax, 1.0, 9.0),
        ] {
            let found = affine(&rows, scaling);
            assert!((found[0].centre - centre).abs() < 1e-12, "{found:?}");
            assert!((found[0].scale - scale).abs() < 1e-12, "{found:?}");
            // A constant becomes 0.
            assert_eq!((found[1].centre, found[1].scale), (7.0, 1.0));
        }
        assert!(affine(&rows, Scaling::None).is_empty());
        let notes = rows.fit(Scaling::Standard).notes;
        assert!(
            notes[0].contains("constant") && notes[0].contains(": 1;"),
            "{notes:?}"
        );
    }

    #[test]
    fn only_the_chosen_samples_count() {
        let rows = vectors(&[1.0, 3.0, 1000.0], 1);
        let found = affine(&rows.limit(2).unwrap(), Scaling::Standard);
        assert_eq!(found, [Affine::new(Scaling::Standard, 2.0, 1.0)]);
    }

    #[test]
    fn many_rows_have_the_moments_of_all() {
        let count = 3 * BLOCK_ROWS + 5;
        let numbers: Vec<f32> = (0..count).map(|place| 1e6 + (place % 7) as f32).collect();
        let mean = numbers.iter().map(|&number| f64::from(number)).sum::<f64>() / count as f64;
        let squares = numbers
            .iter()
            .map(|&number| (f64::from(number) - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count as f64).sqrt();
        let found = affine(&vectors(&numbers, 1), Scaling::Standard)[0];
        assert!((found.centre - mean).abs() < 1e-6, "{found:?} {mean}");
        assert!(
            (found.scale - deviation).abs() < 1e-9,
            "{found:?} {deviation}"
        );
    }
}
