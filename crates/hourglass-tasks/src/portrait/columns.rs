//! The columns of a table as they are, and as a model makes them.

use burn::tensor::backend::Backend;
use hourglass_data::Subset;
use hourglass_measure::{host, input_batches};
use hourglass_models::{Autoencoder, Model, StepContext};
use hourglass_samples::{Column, ColumnKind};

use super::decoding::{decode_each, rows};

/// The most rows that are looked at.
const ROWS: usize = 5000;

/// The most columns that are shown.
const COLUMNS: usize = 60;

/// The most bars of a column.
const BARS: usize = 24;

/// Rows that are drawn from the prior.
const SAMPLED: usize = 960;

/// A column, and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnView {
    /// Its name.
    pub name: String,
    /// What each bar stands for: a value, or the smallest number in it.
    pub bars: Vec<String>,
    /// The share of the rows in each bar.
    pub data: Vec<f64>,
    /// The same of the reconstructions.
    pub reconstructed: Vec<f64>,
    /// The same of rows drawn from the prior, where the family has one.
    pub sampled: Option<Vec<f64>>,
    /// Of numbers the share of the variance that the reconstructions explain, at most 1; of others the share of the rows whose
    /// cell is reconstructed. None of a column that never varies.
    pub explained: Option<f64>,
}

/// The first columns of a table.
pub(super) fn of<B: Backend>(
    model: &Model<B>,
    split: &Subset,
    device: &B::Device,
    tick: &mut dyn FnMut(usize),
) -> Result<Vec<ColumnView>, String> {
    let dataset = split.dataset();
    let input = dataset.input();
    if input.columns().is_empty() {
        return Err("the samples have no columns".into());
    }
    let features = dataset.features();
    let first = split.limit(ROWS).map_err(|error| error.to_string())?;
    let (mut data, mut made) = (Vec::new(), Vec::new());
    for batch in input_batches(model, &first, device) {
        tick(data.len());
        let indices = batch.batch.indices.iter();
        data.extend(indices.map(|&index| dataset.raw(index as usize)));
        let rebuilt = host(model.reconstruct(batch.images));
        made.extend(rebuilt.chunks_exact(features).map(|row| input.decode(row)));
    }
    let codes = model.sample_prior(SAMPLED, &StepContext::evaluate(0, 0), device);
    let sampled = codes.map(|codes| {
        let [_, width] = codes.dims();
        let mut sampled = Vec::with_capacity(SAMPLED);
        let codes = rows(codes, width).into_iter();
        decode_each(model, codes, features, true, device, |_, row| {
            sampled.push(input.decode(row));
        });
        sampled
    });
    let columns = input.columns().iter().enumerate().take(COLUMNS);
    let cells = |rows: &[Vec<f64>], place: usize| -> Vec<f64> {
        rows.iter().map(|row| row[place]).collect()
    };
    let views = columns.map(|(place, column)| {
        let (data, made) = (cells(&data, place), cells(&made, place));
        let (bars, bar_of) = bars(column, &data);
        let shares = |cells: &[f64]| {
            let mut counts = vec![0.0; bars.len()];
            for bar in cells.iter().filter_map(|&cell| bar_of(cell)) {
                counts[bar] += 1.0 / cells.len() as f64;
            }
            counts
        };
        ColumnView {
            name: column.name.clone(),
            data: shares(&data),
            reconstructed: shares(&made),
            sampled: sampled.as_ref().map(|rows| shares(&cells(rows, place))),
            explained: explained(column, &data, &made),
            bars,
        }
    });
    Ok(views.collect())
}

/// Finds the bar of a cell.
type BarOf = Box<dyn Fn(f64) -> Option<usize>>;

/// What the bars of a column stand for, and the bar that a cell belongs to. The outermost bars of numbers take what lies
/// beyond the data too.
fn bars(column: &Column, data: &[f64]) -> (Vec<String>, BarOf) {
    let place = |count: usize| -> BarOf {
        Box::new(move |cell: f64| (cell >= 0.0 && (cell as usize) < count).then_some(cell as usize))
    };
    match &column.kind {
        ColumnKind::YesNo { values } => (values.to_vec(), place(2)),
        ColumnKind::Categorical { values } => {
            let shown = values.len().min(BARS);
            (values[..shown].to_vec(), place(shown))
        }
        ColumnKind::Numeric(_) => {
            let there = data.iter().filter(|cell| cell.is_finite());
            let (least, most) = there.fold(
                (f64::INFINITY, f64::NEG_INFINITY),
                |(least, most), &cell| (least.min(cell), most.max(cell)),
            );
            let width = match most > least {
                true => (most - least) / BARS as f64,
                false => 1.0,
            };
            let names = (0..BARS).map(|bar| column.text(least + width * bar as f64));
            let bar = move |cell: f64| {
                let bar = ((cell - least) / width).floor();
                (!bar.is_nan()).then(|| bar.clamp(0.0, (BARS - 1) as f64) as usize)
            };
            (names.collect(), Box::new(bar))
        }
    }
}

fn explained(column: &Column, data: &[f64], made: &[f64]) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = data.iter().copied().zip(made.iter().copied()).collect();
    let pairs: Vec<(f64, f64)> = pairs
        .into_iter()
        .filter(|(cell, _)| !cell.is_nan())
        .collect();
    let count = pairs.len() as f64;
    match &column.kind {
        ColumnKind::Numeric(_) => {
            let mean = pairs.iter().map(|(cell, _)| cell).sum::<f64>() / count;
            let all: f64 = pairs.iter().map(|(cell, _)| (cell - mean).powi(2)).sum();
            let left: f64 = pairs.iter().map(|(cell, made)| (cell - made).powi(2)).sum();
            (all > 0.0).then(|| 1.0 - left / all)
        }
        ColumnKind::YesNo { .. } | ColumnKind::Categorical { .. } => (count > 0.0)
            .then(|| pairs.iter().filter(|(cell, made)| cell == made).count() as f64 / count),
    }
}

#[cfg(test)]
mod tests {
    use hourglass_samples::Affine;

    use super::*;

    fn column(kind: ColumnKind) -> Column {
        Column {
            name: "c".into(),
            kind,
            fill: None,
            indicator: false,
        }
    }

    #[test]
    fn a_perfect_reconstruction_explains_all_and_the_mean_nothing() {
        let numbers = column(ColumnKind::Numeric(Affine::IDENTITY));
        let data = [1.0, 2.0, 6.0];
        assert_eq!(explained(&numbers, &data, &data), Some(1.0));
        assert_eq!(explained(&numbers, &data, &[3.0; 3]), Some(0.0));
        assert_eq!(explained(&numbers, &[2.0; 3], &data), None);
        let texts = column(ColumnKind::Categorical {
            values: vec!["a".into(), "b".into()],
        });
        assert_eq!(
            explained(&texts, &[0.0, 1.0, 1.0, f64::NAN], &[0.0, 1.0, 0.0, 0.0]),
            Some(2.0 / 3.0)
        );
    }

    #[test]
    fn cells_beyond_the_data_are_in_the_outermost_bars() {
        let numbers = column(ColumnKind::Numeric(Affine::IDENTITY));
        let (names, bar_of) = bars(&numbers, &[0.0, 24.0]);
        assert_eq!((names.len(), names[1].as_str()), (BARS, "1"));
        let found = [-5.0, 0.5, 1.0, 24.0, 99.0, f64::NAN].map(bar_of);
        assert_eq!(found, [Some(0), Some(0), Some(1), Some(23), Some(23), None]);
    }
}
