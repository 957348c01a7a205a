//! Filling in the missing cells of tables; the known ones stay as they are.
//!
//! Starting with what stands for missing cells in training, x <- known x + unknown g(f(x)) is repeated until nothing changes any
//! more. The features of a cell are known or unknown together.

use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Bool, Tensor, TensorData};
use hourglass_data::Subset;
use hourglass_measure::host;
use hourglass_models::Model;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::finite::{NotFinite, reconstruct};
use crate::restoration::{Restore, Restored};

/// Fills in the missing cells of rows.
#[derive(Debug, Clone)]
pub struct CellFiller {
    /// The rows.
    pub rows: Subset,
    /// The probability with which a known cell is hidden, to measure how well it is filled in.
    pub hidden: f64,
    /// The most rounds.
    pub steps: usize,
    /// The rounds end when no feature changes by more than this (root mean square).
    pub tolerance: f64,
    /// The seed of the hidden cells.
    pub seed: u64,
}

/// Which features of a row are to be filled in, and which of these are known but hidden.
struct Unknown {
    all: Vec<bool>,
    hidden: Vec<bool>,
}

impl CellFiller {
    fn unknown(&self, index: u32) -> Unknown {
        let dataset = self.rows.dataset();
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(u64::from(index));
        let (mut all, mut hidden) = (Vec::new(), Vec::new());
        let cells = dataset.raw(index as usize);
        for (column, cell) in dataset.input().columns().iter().zip(cells) {
            let is_hidden = random.random_bool(self.hidden) && !cell.is_nan();
            let features = column.features();
            all.resize(all.len() + features, is_hidden || cell.is_nan());
            hidden.resize(hidden.len() + features, is_hidden);
        }
        Unknown { all, hidden }
    }

    /// The features of a row, with what stands for missing cells where they are to be filled in.
    fn start(&self, index: u32, features: &[f32], unknown: &[bool]) -> Vec<f32> {
        let dataset = self.rows.dataset();
        let input = dataset.input();
        let missing = vec![f64::NAN; input.raw_width()];
        let mut filled = Vec::with_capacity(features.len());
        input.encode(&missing, &mut filled);
        debug_assert_eq!(filled.len(), features.len(), "row {index}");
        let known = filled.iter_mut().zip(features).zip(unknown);
        known
            .filter(|(_, unknown)| !**unknown)
            .for_each(|((filled, &feature), _)| *filled = feature);
        filled
    }
}

impl Restore for CellFiller {
    fn restore<B: AutodiffBackend>(
        &self,
        model: &Model<B>,
        features: &[f32],
        indices: &[u32],
        _: u64,
        device: &B::Device,
    ) -> Result<Restored, NotFinite> {
        let width = self.rows.dataset().features();
        let shape = [indices.len(), width];
        let (mut all, mut hidden, mut start) = (Vec::new(), Vec::new(), Vec::new());
        for (&index, row) in indices.iter().zip(features.chunks_exact(width)) {
            let unknown = self.unknown(index);
            start.extend(self.start(index, row, &unknown.all));
            all.extend(unknown.all);
            hidden.extend(unknown.hidden);
        }
        let model = model.valid();
        let unknown =
            Tensor::<B::InnerBackend, 2, Bool>::from_data(TensorData::new(all, shape), device);
        let tensor = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, shape), device);
        let mut current: Tensor<B::InnerBackend, 2> = tensor(start.clone());
        let mut rounds = 0;
        while rounds < self.steps {
            let made: Tensor<B::InnerBackend, 2> = tensor(reconstruct(&model, current.clone())?);
            let next = current.clone().mask_where(unknown.clone(), made);
            let change = host((next.clone() - current).powi_scalar(2).mean_dim(1));
            current = next;
            rounds += 1;
            let largest = change.into_iter().fold(0.0, f32::max);
            if f64::from(largest).sqrt() <= self.tolerance {
                break;
            }
        }
        let is_measured = self.hidden > 0.0;
        Ok(Restored {
            given: None,
            restored: host(current),
            baseline: is_measured.then_some(start),
            unknown: is_measured.then_some(hidden),
            rounds,
        })
    }
}
