//! Uniform quantisation, with a range for each dimension.

/// The finest quantisation: float32 has 24 bits, of which few are worth storing.
pub const MOST_BITS: u8 = 16;

/// The most bits that a table is made for.
pub(super) const MOST_TABLE_BITS: u8 = 8;

/// How large the steps are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steps {
    /// Each dimension has 2^bits steps over its own range.
    Own,
    /// The steps have one size in all dimensions: 2^bits of them cover the widest range. This uses the bits best where all
    /// dimensions matter alike in the restored images, as with an orthonormal transform.
    Common,
}

impl Steps {
    /// The ranges that are cut into 2^bits steps, of dimensions whose values lie in `ranges`.
    pub(super) fn ranges(self, bits: u8, ranges: Vec<[f32; 2]>) -> Vec<[f32; 2]> {
        let wide = |[low, high]: [f32; 2]| f64::from(high) - f64::from(low);
        let widest = ranges.iter().copied().map(wide).fold(0.0, f64::max);
        let steps = f64::from(1_u32 << bits);
        if self == Self::Own || widest == 0.0 {
            return ranges;
        }
        // The middle of each range is the middle of a step, so that a narrow range is a single step; the widest is covered.
        let step = widest / (steps - 1.0);
        let shifted = |range: [f32; 2]| {
            let middle = (f64::from(range[0]) + f64::from(range[1])) / 2.0;
            let low = middle - (steps / 2.0 + 0.5) * step;
            [low, low + steps * step].map(|end| (end as f32).clamp(f32::MIN, f32::MAX))
        };
        ranges.into_iter().map(shifted).collect()
    }
}

/// Steps of one size over the range of each dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiser {
    bits: u8,
    ranges: Vec<[f32; 2]>,
}

impl Quantiser {
    /// `ranges` are finite, the lower end first.
    pub(super) fn new(bits: u8, ranges: Vec<[f32; 2]>) -> Self {
        Self { bits, ranges }
    }

    pub(super) fn bits(&self) -> u8 {
        self.bits
    }

    pub(super) fn ranges(&self) -> &[[f32; 2]] {
        &self.ranges
    }

    pub(super) fn code(&self) -> usize {
        self.ranges.len()
    }

    /// The step that a value of a dimension lies in.
    pub(super) fn step(&self, dimension: usize, value: f32) -> u16 {
        let [low, high] = self.ranges[dimension].map(f64::from);
        let steps = f64::from(1_u32 << self.bits);
        if high <= low {
            return 0;
        }
        let place = (f64::from(value) - low) / (high - low) * steps;
        place.clamp(0.0, steps - 1.0) as u16
    }

    /// The middle of a step: at most half a step from every value in it.
    pub(super) fn middle(&self, dimension: usize, step: u16) -> f32 {
        let [low, high] = self.ranges[dimension].map(f64::from);
        let steps = f64::from(1_u32 << self.bits);
        (low + (high - low) * (f64::from(step) + 0.5) / steps) as f32
    }
}

/// How often each value of the high bits of a dimension's steps occurs.
pub(super) struct Histogram {
    pub(super) bits: u8,
    /// The bits that are counted.
    pub(super) table_bits: u8,
    /// `[code, 2^table_bits]`
    pub(super) counts: Vec<Vec<u64>>,
}

impl Histogram {
    pub(super) fn new(quantiser: &Quantiser) -> Self {
        let table_bits = quantiser.bits.min(MOST_TABLE_BITS);
        Self {
            bits: quantiser.bits,
            table_bits,
            counts: vec![vec![0; 1 << table_bits]; quantiser.code()],
        }
    }

    pub(super) fn add(&mut self, quantiser: &Quantiser, codes: &[f32]) {
        for row in codes.chunks_exact(quantiser.code()) {
            for (dimension, &value) in row.iter().enumerate() {
                let high = quantiser.step(dimension, value) >> (self.bits - self.table_bits);
                self.counts[dimension][usize::from(high)] += 1;
            }
        }
    }

    /// The counts for fewer bits.
    pub(super) fn coarser(&self, table_bits: u8) -> Vec<Vec<u64>> {
        let together = 1 << (self.table_bits - table_bits);
        let coarse = |counts: &Vec<u64>| {
            counts
                .chunks(together)
                .map(|part| part.iter().sum())
                .collect()
        };
        self.counts.iter().map(coarse).collect()
    }
}
