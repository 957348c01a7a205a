//! What a step of training or evaluation needs in addition to its images: its place in the run, and its noise.

use std::collections::BTreeMap;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use hourglass_kernels::for_each_part;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Whether a step trains or measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Schedules (k of top-k, beta) have the value for this place in the run.
    Train,
    /// Schedules have their final value.
    Evaluate,
}

/// Values that are drawn at a time.
const PART: usize = 4096;

/// The independent streams of noise of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Corruption of the input.
    Corruption,
    /// Noise of the reparameterised code.
    Epsilon,
    /// Signs for the estimate of the Jacobian's norm.
    Rademacher,
    /// Codes drawn from the prior.
    Prior,
    /// Binary images drawn from grey ones.
    Binarisation,
    /// States of an RBM's hidden units.
    Hidden,
}

/// The place of a step in its run, and its noise.
///
/// Noise is drawn on the host by a counter-based generator keyed by (seed, step, stream), so that it is the same on every
/// backend and in a resumed run.
#[derive(Debug, Clone)]
pub struct StepContext {
    mode: Mode,
    step: u64,
    total_steps: u64,
    noise: Noise,
}

#[derive(Debug, Clone)]
enum Noise {
    Seeded(u64),
    Given(BTreeMap<Stream, TensorData>),
}

impl StepContext {
    /// Step `step` of a training run of `total_steps`.
    pub fn train(seed: u64, step: u64, total_steps: u64) -> Self {
        Self {
            mode: Mode::Train,
            step,
            total_steps,
            noise: Noise::Seeded(seed),
        }
    }

    /// Batch `batch` of an evaluation: the noise is a function of (seed, batch), and schedules have their final value.
    pub fn evaluate(seed: u64, batch: u64) -> Self {
        Self {
            mode: Mode::Evaluate,
            step: batch,
            total_steps: batch,
            noise: Noise::Seeded(seed),
        }
    }

    /// The same step with the given noise in place of drawn noise; for comparisons with other programs.
    pub fn with_noise(mut self, noise: BTreeMap<Stream, TensorData>) -> Self {
        self.noise = Noise::Given(noise);
        self
    }

    /// Whether this step trains or measures.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The share of training that lies before this step, in [0, 1].
    pub fn progress(&self) -> f64 {
        match self.mode {
            Mode::Evaluate => 1.0,
            Mode::Train => self.step as f64 / self.total_steps.max(1) as f64,
        }
    }

    /// Uniform noise in [0, 1), of the given shape.
    pub fn uniform<B: Backend>(
        &self,
        stream: Stream,
        shape: [usize; 2],
        device: &B::Device,
    ) -> Tensor<B, 2> {
        self.draw_words(stream, shape, device, |word| {
            (word >> 8) as f32 / (1 << 24) as f32
        })
    }

    /// Standard normal noise, of the given shape.
    pub fn normal<B: Backend>(
        &self,
        stream: Stream,
        shape: [usize; 2],
        device: &B::Device,
    ) -> Tensor<B, 2> {
        self.draw(stream, shape, device, |mut generator, values| {
            values.fill_with(|| generator.sample(StandardNormal));
        })
    }

    /// Signs, -1 or 1 with equal probability, of the given shape.
    pub fn signs<B: Backend>(
        &self,
        stream: Stream,
        shape: [usize; 2],
        device: &B::Device,
    ) -> Tensor<B, 2> {
        self.draw_words(stream, shape, device, |word| {
            if word >> 31 == 1 { 1.0 } else { -1.0 }
        })
    }

    /// Noise each of whose values takes one word of the generator, so that parts of it can be drawn in parallel.
    fn draw_words<B: Backend>(
        &self,
        stream: Stream,
        shape: [usize; 2],
        device: &B::Device,
        value: impl Fn(u32) -> f32 + Sync,
    ) -> Tensor<B, 2> {
        self.draw(stream, shape, device, |generator, values| {
            for_each_part(values, PART, |number, values| {
                let mut generator = generator.clone();
                generator.set_word_pos((number * PART) as u128);
                values.fill_with(|| value(generator.next_u32()));
            });
        })
    }

    fn draw<B: Backend>(
        &self,
        stream: Stream,
        shape: [usize; 2],
        device: &B::Device,
        fill: impl FnOnce(ChaCha8Rng, &mut [f32]),
    ) -> Tensor<B, 2> {
        let data = match &self.noise {
            Noise::Given(given) => given
                .get(&stream)
                .unwrap_or_else(|| panic!("no noise was given for {stream:?}"))
                .clone(),
            Noise::Seeded(seed) => {
                let mut values = vec![0.0; shape[0] * shape[1]];
                fill(self.generator(*seed, stream), &mut values);
                TensorData::new(values, shape)
            }
        };
        Tensor::from_data(data, device)
    }

    fn generator(&self, seed: u64, stream: Stream) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = stream as u8 + 1;
        key[9] = self.mode as u8;
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(self.step);
        generator
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::NdArray;

    // f64 in all unit tests: the precision of a device is set once a process.
    type B = NdArray<f64>;

    fn uniform(context: &StepContext, stream: Stream) -> TensorData {
        context
            .uniform::<B>(stream, [4, 8], &Default::default())
            .into_data()
    }

    #[test]
    fn noise_is_a_function_of_seed_step_and_stream() {
        let context = StepContext::train(7, 3, 10);
        let noise = uniform(&context, Stream::Corruption);
        assert_eq!(
            noise,
            uniform(&StepContext::train(7, 3, 20), Stream::Corruption)
        );
        for other in [
            uniform(&StepContext::train(8, 3, 10), Stream::Corruption),
            uniform(&StepContext::train(7, 4, 10), Stream::Corruption),
            uniform(&StepContext::evaluate(7, 3), Stream::Corruption),
            uniform(&context, Stream::Epsilon),
        ] {
            assert_ne!(noise, other);
        }
    }

    #[test]
    fn signs_are_balanced() {
        let signs = StepContext::train(1, 0, 1).signs::<B>(
            Stream::Rademacher,
            [100, 100],
            &Default::default(),
        );
        assert_eq!(signs.clone().abs().min().into_scalar(), 1.0);
        assert!(signs.mean().into_scalar().abs() < 0.05);
    }

    #[test]
    fn parts_drawn_in_parallel_are_those_of_one_generator() {
        let context = StepContext::train(5, 9, 10);
        let shape = [3, PART];
        let drawn = context.uniform::<B>(Stream::Corruption, shape, &Default::default());
        let signs = context.signs::<B>(Stream::Rademacher, shape, &Default::default());
        let mut generator = context.generator(5, Stream::Corruption);
        let values: Vec<f64> = drawn.into_data().iter().collect();
        let expected = std::iter::repeat_with(|| f64::from(generator.random::<f32>()));
        assert!(values.into_iter().eq(expected.take(3 * PART)));
        let mut generator = context.generator(5, Stream::Rademacher);
        let values: Vec<f64> = signs.into_data().iter().collect();
        let expected = std::iter::repeat_with(|| if generator.random() { 1.0 } else { -1.0 });
        assert!(values.into_iter().eq(expected.take(3 * PART)));
    }
}
