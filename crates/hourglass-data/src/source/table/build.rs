//! From cells to rows of numbers: blocks are read and converted side by side.

use std::cmp::Ordering;

use hourglass_samples::{Input, Missing};
use rayon::prelude::*;

use super::block::{Block, Cell, Reader};
use super::columns::{Dictionary, FeatureColumn, Roles, cell_text, unscaled};
use super::fault::TableFault;
use super::place::Place;
use crate::cache::{Progress, TableAbout, TableWriter};
use crate::error::DataError;
use crate::options::RowOptions;

/// The most labels, since each takes a byte.
const MOST_LABELS: usize = 256;

/// What is to be made of a file.
pub(super) struct Job<'a> {
    pub(super) path: &'a std::path::Path,
    pub(super) options: &'a RowOptions,
    pub(super) model: Option<&'a Input>,
    /// Labels that have numbers already.
    pub(super) label_names: &'a [String],
}

/// Labels as they are read.
struct Labels {
    dictionary: Dictionary,
    numbers: Vec<u8>,
}

impl Job<'_> {
    /// Reads the whole file into a cache.
    pub(super) fn run(
        &self,
        mut reader: impl Reader,
        mut writer: TableWriter,
        progress: Progress<'_>,
    ) -> Result<(), DataError> {
        let fault = |fault: TableFault| DataError::format(self.path, fault);
        let names = reader.names().to_vec();
        let roles = Roles::new(&names, self.options, self.model).map_err(fault)?;
        let needed = roles.features.iter().chain(&roles.label).chain(&roles.id);
        let needed: Vec<usize> = needed.copied().collect();
        reader.choose(&needed).map_err(fault)?;
        let mut columns = self.columns(&names, &roles);
        let mut labels = roles.label.map(|_| Labels {
            dictionary: Dictionary::of(self.label_names),
            numbers: Vec::new(),
        });
        let mut rows_before = 0_u64;
        let mut missing = None;
        let mut next = reader.next_block().map_err(fault)?;
        while let Some(block) = next {
            let (numbers, following) = rayon::join(
                || numbers_of(&*block, &roles, &mut columns, rows_before),
                || reader.next_block(),
            );
            let numbers = numbers.map_err(fault)?;
            let width = columns.len();
            if missing.is_none() {
                missing = numbers
                    .iter()
                    .position(|number| number.is_nan())
                    .map(|place| {
                        let row = rows_before + (place / width) as u64 + 1;
                        columns[place % width].place(row)
                    });
                if let Some(place) = &missing {
                    self.check_missing(place).map_err(fault)?;
                }
            }
            writer.push(&numbers)?;
            for row in 0..block.rows() {
                let number = rows_before + row as u64 + 1;
                if let (Some(labels), Some(column)) = (&mut labels, roles.label) {
                    labels
                        .push(block.cell(row, column), number, &names[column])
                        .map_err(fault)?;
                }
                if let Some(column) = roles.id {
                    let place = || Place {
                        row: number,
                        column: names[column].clone(),
                    };
                    let text = cell_text(block.cell(row, column), &place).map_err(fault)?;
                    writer.push_id(&text.unwrap_or_default())?;
                }
            }
            rows_before += block.rows() as u64;
            let (done, total) = reader.progress();
            progress(done, total);
            next = following.map_err(fault)?;
        }
        if rows_before == 0 {
            return Err(fault(TableFault::Empty("no row")));
        }
        if rows_before > u64::from(u32::MAX) {
            let message = format!("expected at most {} rows, found {rows_before}", u32::MAX);
            return Err(fault(TableFault::Unreadable(message)));
        }
        self.finish(columns, labels, roles.notes, writer)
    }

    fn columns(&self, names: &[String], roles: &Roles) -> Vec<FeatureColumn> {
        match self.model {
            Some(model) => model
                .columns()
                .iter()
                .map(FeatureColumn::of_model)
                .collect(),
            None => {
                let named = roles.features.iter().map(|&place| names[place].as_str());
                let is_categorical = |name: &str| {
                    self.options
                        .categorical
                        .iter()
                        .any(|other| other.trim() == name)
                };
                named
                    .map(|name| FeatureColumn::new(name, is_categorical(name)))
                    .collect()
            }
        }
    }

    fn check_missing(&self, place: &Place) -> Result<(), TableFault> {
        let place = place.clone();
        match self.model {
            Some(Input::Table {
                missing: Missing::Refuse,
                ..
            }) => Err(TableFault::MissingForModel { place }),
            None if self.options.missing == Missing::Refuse => Err(TableFault::Missing { place }),
            _ => Ok(()),
        }
    }

    fn finish(
        &self,
        columns: Vec<FeatureColumn>,
        labels: Option<Labels>,
        mut notes: Vec<String>,
        writer: TableWriter,
    ) -> Result<(), DataError> {
        notes.extend(columns.iter().filter_map(FeatureColumn::note_unknown));
        let columns = columns.into_iter().map(FeatureColumn::finish).collect();
        let input = match self.model {
            Some(model) => model.clone(),
            None => unscaled(columns, self.options.missing),
        };
        let (label_names, labels) = labels.map(|labels| labels.sorted(self.label_names)).unzip();
        let about = TableAbout {
            input,
            label_names,
            notes,
        };
        writer.finish(labels.as_deref(), &about)
    }
}

/// The raw form of a block's rows.
fn numbers_of(
    block: &dyn Block,
    roles: &Roles,
    columns: &mut [FeatureColumn],
    rows_before: u64,
) -> Result<Vec<f32>, TableFault> {
    for (column, &place) in columns.iter_mut().zip(&roles.features) {
        let mut rows = 0..block.rows();
        while let (true, Some(row)) = (column.is_undecided(), rows.next()) {
            column.decide(block.cell(row, place));
        }
    }
    let width = columns.len();
    let mut numbers = vec![0.0; block.rows() * width];
    let shared = &*columns;
    let convert = |(row, numbers): (usize, &mut [f32])| {
        for ((number, column), &place) in numbers.iter_mut().zip(shared).zip(&roles.features) {
            if column.is_numeric() {
                *number = column.number(block.cell(row, place), rows_before + row as u64 + 1)?;
            }
        }
        Ok(())
    };
    let converted = numbers.par_chunks_mut(width).enumerate();
    if converted.try_for_each(convert).is_err() {
        // The first fault in the order of the file, whichever thread has met one first.
        numbers
            .chunks_mut(width)
            .enumerate()
            .try_for_each(convert)?;
    }
    for (place, column) in columns.iter_mut().enumerate() {
        let is_numeric = column.is_numeric();
        for (row, number) in numbers.iter_mut().skip(place).step_by(width).enumerate() {
            if is_numeric {
                column.note(*number);
            } else {
                let cell: Cell<'_> = block.cell(row, roles.features[place]);
                *number = column.text(cell, rows_before + row as u64 + 1)?;
            }
        }
    }
    Ok(numbers)
}

impl Labels {
    fn push(&mut self, cell: Cell<'_>, row: u64, name: &str) -> Result<(), TableFault> {
        let place = || Place {
            row,
            column: name.into(),
        };
        let Some(text) = cell_text(cell, &place)? else {
            return Err(TableFault::NoLabel { place: place() });
        };
        let number = self.dictionary.number(&text, MOST_LABELS);
        let number = number.ok_or_else(|| TableFault::TooManyLabels { place: place() })?;
        self.numbers.push(number as u8);
        Ok(())
    }

    /// The labels in the order of their names, numbers by their size; those that have numbers already keep them.
    fn sorted(self, known: &[String]) -> (Vec<String>, Vec<u8>) {
        let texts = self.dictionary.into_texts();
        let mut order: Vec<usize> = (0..texts.len()).collect();
        let number = |place: usize| texts[place].parse::<f64>().ok();
        order[known.len()..].sort_by(|&a, &b| match (number(a), number(b)) {
            (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| texts[a].cmp(&texts[b])),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => texts[a].cmp(&texts[b]),
        });
        let mut places = vec![0; texts.len()];
        order
            .iter()
            .zip(0_u8..=u8::MAX)
            .for_each(|(&old, new)| places[old] = new);
        let labels = self.numbers.iter().map(|&label| places[usize::from(label)]);
        let labels = labels.collect();
        (
            order
                .into_iter()
                .map(|place| texts[place].clone())
                .collect(),
            labels,
        )
    }
}
