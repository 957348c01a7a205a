//! Range coding of quantised codes (Martin 1979), by the library `constriction`.

use constriction::stream::model::{ContiguousCategoricalEntropyModel, UniformModel};
use constriction::stream::queue::{DefaultRangeDecoder, DefaultRangeEncoder};
use constriction::stream::{Decode, Encode};

use super::CompressError;
use super::quantise::{Histogram, Quantiser};

/// Bits of a probability.
const PRECISION: usize = 24;

/// Counts are stored scaled to this at most: two bytes each.
const MOST_COUNT: u64 = (1 << 14) - 1;

type Model = ContiguousCategoricalEntropyModel<u32, Vec<u32>, PRECISION>;
type Uniform = UniformModel<u32, PRECISION>;

/// The probabilities of the high bits of each dimension's steps.
#[derive(Debug, Clone)]
pub struct Tables {
    bits: u8,
    /// The counts as they are stored, `[code, 2^bits]`; empty lists if there are no bits.
    counts: Vec<Vec<u64>>,
    models: Vec<Model>,
}

impl Tables {
    /// The tables that make the file smallest, their own size included.
    pub(super) fn cheapest(histogram: &Histogram) -> Self {
        let candidates = (0..=histogram.table_bits).map(|table_bits| {
            let exact = histogram.coarser(table_bits);
            let stored: Vec<Vec<u64>> = exact.iter().map(|counts| scaled(counts)).collect();
            let low_bits = f64::from(histogram.bits - table_bits);
            let bits: f64 = exact
                .iter()
                .zip(&stored)
                .map(|(counts, stored)| {
                    let images: u64 = counts.iter().sum();
                    let table: usize = stored.iter().map(|&count| leb128_bytes(count)).sum();
                    let table = if table_bits == 0 { 0 } else { table };
                    entropy_bits(counts) + images as f64 * low_bits + 8.0 * table as f64
                })
                .sum();
            (bits, table_bits, stored)
        });
        let best = candidates.min_by(|(a, ..), (b, ..)| a.total_cmp(b));
        let (_, bits, counts) = best.unwrap_or_default();
        // Images were counted, so no dimension is without counts.
        Self::of_counts(bits, counts).unwrap_or(Self {
            bits: 0,
            counts: Vec::new(),
            models: Vec::new(),
        })
    }

    /// The tables of stored counts; none if all counts of a dimension are 0.
    pub(super) fn of_counts(bits: u8, counts: Vec<Vec<u64>>) -> Option<Self> {
        if bits == 0 {
            return Some(Self {
                bits,
                counts: Vec::new(),
                models: Vec::new(),
            });
        }
        let models = counts.iter().map(|counts| {
            let probabilities = probabilities(counts)?;
            Model::from_nonzero_fixed_point_probabilities(probabilities, false).ok()
        });
        Some(Self {
            bits,
            models: models.collect::<Option<_>>()?,
            counts,
        })
    }

    /// How many bits the tables are of; 0 where there are no tables.
    pub(super) fn bits(&self) -> u8 {
        self.bits
    }

    pub(super) fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }
}

/// Bytes of a number in LEB128.
fn leb128_bytes(number: u64) -> usize {
    (64 - number.max(1).leading_zeros()).div_ceil(7) as usize
}

/// n H, H the entropy of the counts' shares.
fn entropy_bits(counts: &[u64]) -> f64 {
    let all = counts.iter().sum::<u64>() as f64;
    let some = counts.iter().filter(|&&count| count > 0);
    some.map(|&count| count as f64 * (all / count as f64).log2())
        .sum()
}

/// Counts of at most [`MOST_COUNT`], none of which becomes 0.
fn scaled(counts: &[u64]) -> Vec<u64> {
    let largest = counts.iter().copied().max().unwrap_or(0);
    if largest <= MOST_COUNT {
        return counts.to_vec();
    }
    let scale =
        |&count: &u64| (u128::from(count) * u128::from(MOST_COUNT)).div_ceil(u128::from(largest));
    counts.iter().map(|count| scale(count) as u64).collect()
}

/// Probabilities in units of 2^-24, none of them 0, in proportion to the counts; none if all counts are 0.
fn probabilities(counts: &[u64]) -> Option<Vec<u32>> {
    let all: u128 = counts.iter().map(|&count| u128::from(count)).sum();
    let largest = (0..counts.len()).max_by_key(|&place| counts[place])?;
    if all == 0 {
        return None;
    }
    let units = (1_u128 << PRECISION) - counts.len() as u128;
    let share = |&count: &u64| 1 + (u128::from(count) * units / all) as u32;
    let mut shares: Vec<u32> = counts.iter().map(share).collect();
    // The remainder from rounding goes to the largest one.
    shares[largest] += (1 << PRECISION) - shares.iter().sum::<u32>();
    Some(shares)
}

/// Encodes codes of images as words.
pub(super) fn encode(
    tables: &Tables,
    quantiser: &Quantiser,
    codes: &[f32],
) -> Result<Vec<u32>, CompressError> {
    let impossible = |_| CompressError::damaged("steps within their tables", "another");
    let mut encoder = DefaultRangeEncoder::new();
    let low_bits = quantiser.bits() - tables.bits;
    for row in codes.chunks_exact(quantiser.code()) {
        for (dimension, &value) in row.iter().enumerate() {
            let step = usize::from(quantiser.step(dimension, value));
            if let Some(model) = tables.models.get(dimension) {
                encoder
                    .encode_symbol(step >> low_bits, model)
                    .map_err(impossible)?;
            }
            if low_bits > 0 {
                let low = step & ((1 << low_bits) - 1);
                encoder
                    .encode_symbol(low, Uniform::new(1 << low_bits))
                    .map_err(impossible)?;
            }
        }
    }
    encoder.into_compressed().map_err(|error| match error {})
}

/// Decodes words to the codes of so many images.
pub(super) fn decode(
    tables: &Tables,
    quantiser: &Quantiser,
    words: Vec<u32>,
    images: usize,
) -> Result<Vec<f32>, CompressError> {
    let invalid = || CompressError::damaged("words that stand for codes", "others");
    let mut decoder =
        DefaultRangeDecoder::from_compressed(words).unwrap_or_else(|error| match error {});
    let low_bits = quantiser.bits() - tables.bits;
    let mut codes = Vec::with_capacity(images * quantiser.code());
    for _ in 0..images {
        for dimension in 0..quantiser.code() {
            let mut step = 0;
            if let Some(model) = tables.models.get(dimension) {
                step = decoder.decode_symbol(model).map_err(|_| invalid())?;
            }
            if low_bits > 0 {
                let uniform = Uniform::new(1 << low_bits);
                let low = decoder.decode_symbol(uniform).map_err(|_| invalid())?;
                step = (step << low_bits) | low;
            }
            codes.push(quantiser.middle(dimension, step as u16));
        }
    }
    match decoder.maybe_exhausted() {
        true => Ok(codes),
        false => Err(invalid()),
    }
}

/// The most words that so many images can take: a symbol of a table takes 24 bits at most, and the coder two words more.
pub(super) fn most_words(tables: &Tables, quantiser: &Quantiser, images: usize) -> u64 {
    let bits = match tables.bits {
        0 => 0,
        _ => PRECISION as u64,
    } + u64::from(quantiser.bits() - tables.bits);
    // Range coding loses a part of a bit to rounding.
    (images as u64 * quantiser.code() as u64 * (bits + 1)).div_ceil(32) + 4
}
