//! Restricted Boltzmann machines, trained by contrastive divergence: a way to find the initial weights of a deep
//! autoencoder, one layer at a time (Hinton & Salakhutdinov 2006).
//!
//! With visible units v and hidden units h, and h summed or integrated out, p(v) is proportional to exp(-F(v)):
//!
//! F(v) = V(v) - sum_j H(c_j + sum_i v_i W_ij), where
//! - V(v) is -sum_i b_i v_i for binary visible units, sum_i (v_i - b_i)^2 / 2 for linear ones with unit variance;
//! - H(a) is log(1 + exp(a)) for binary hidden units, a^2 / 2 for linear ones with unit variance.
//!
//! CD-k (Hinton 2002) follows the gradient of F(data) - F(what k steps of Gibbs sampling make of it), where the second
//! is held constant. For binary units that gradient is the familiar difference of the products of visible values and
//! hidden probabilities.

use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use hourglass_kernels::{cross_entropy, linear, mean, row_sums, sigmoid, tied_linear};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::autoencoder::Loss;
use crate::state_dict::StateDict;
use crate::step::{StepContext, Stream};

/// The standard deviation of initial weights (Hinton 2012, A practical guide to training RBMs, section 8).
const INITIAL_DEVIATION: f32 = 0.01;

/// The values that a layer of units takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// 0 or 1; probabilities stand for them where nothing is drawn.
    Binary,
    /// Normal, with unit variance.
    Linear,
}

impl Units {
    /// The mean of the units, given what the other layer sends them.
    fn mean<B: Backend>(self, input: Tensor<B, 2>) -> Tensor<B, 2> {
        match self {
            Self::Binary => sigmoid(input),
            Self::Linear => input,
        }
    }
}

/// A restricted Boltzmann machine.
#[derive(Module, Debug)]
pub struct Rbm<B: Backend> {
    /// W, `[visible, hidden]`
    weight: Param<Tensor<B, 2>>,
    /// b, `[visible]`
    visible_bias: Param<Tensor<B, 1>>,
    /// c, `[hidden]`
    hidden_bias: Param<Tensor<B, 1>>,
    #[module(skip)]
    visible_units: Units,
    #[module(skip)]
    hidden_units: Units,
    #[module(skip)]
    gibbs_steps: usize,
}

impl<B: Backend> Rbm<B> {
    /// A machine with weights drawn from `seed`, the same on every backend, and biases of 0. `gibbs_steps` is the k of
    /// CD-k, at least 1.
    pub fn new(
        [visible, hidden]: [usize; 2],
        [visible_units, hidden_units]: [Units; 2],
        gibbs_steps: usize,
        seed: u64,
        device: &B::Device,
    ) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let weights: Vec<f32> = (0..visible * hidden)
            .map(|_| generator.sample::<f32, _>(StandardNormal) * INITIAL_DEVIATION)
            .collect();
        let zeros = |size| Param::from_data(TensorData::zeros::<f32, _>([size]), device);
        Self {
            weight: Param::from_data(TensorData::new(weights, [visible, hidden]), device),
            visible_bias: zeros(visible),
            hidden_bias: zeros(hidden),
            visible_units,
            hidden_units,
            gibbs_steps,
        }
    }

    /// F(v) of each row.
    ///
    /// # Shapes
    /// - visible: `[batch, visible]`
    /// - output: `[batch]`
    pub fn free_energy(&self, visible: Tensor<B, 2>) -> Tensor<B, 1> {
        let bias = self.visible_bias.val().unsqueeze::<2>();
        let of_visible = match self.visible_units {
            Units::Binary => (visible.clone() * bias).neg(),
            Units::Linear => (visible.clone() - bias).powi_scalar(2) * 0.5,
        };
        let input = self.hidden_input(visible);
        let of_hidden = match self.hidden_units {
            // The cross-entropy of black images is the sum of log(1 + exp(a)).
            Units::Binary => {
                let black = input.zeros_like();
                cross_entropy(input, black)
            }
            Units::Linear => row_sums(input.powi_scalar(2) * 0.5),
        };
        row_sums(of_visible) - of_hidden
    }

    /// The contrastive divergence on a batch; `squared_error` is that of one step's reconstruction, summed over the
    /// visible units.
    ///
    /// # Shapes
    /// - visible: `[batch, visible]`
    pub fn loss(&self, visible: Tensor<B, 2>, step: &StepContext) -> Loss<B> {
        let [first, last] = self.reconstructions(visible.clone(), step);
        let divergence = self.free_energy(visible.clone()) - self.free_energy(last);
        let error = mean(row_sums((visible - first).powi_scalar(2)));
        Loss {
            total: mean(divergence),
            terms: vec![("squared_error", error)],
        }
    }

    /// The means of the visible units after the first and after the last step of Gibbs sampling from `visible`, held
    /// constant. Hidden states are drawn, visible ones are not: that would only add noise (Hinton 2012, section 3).
    fn reconstructions(&self, visible: Tensor<B, 2>, step: &StepContext) -> [Tensor<B, 2>; 2] {
        let ([batch, _], device) = (visible.dims(), visible.device());
        let hidden = self.hidden_bias.dims()[0];
        let shape = [batch * self.gibbs_steps, hidden];
        let noise = match self.hidden_units {
            Units::Binary => step.uniform::<B>(Stream::Hidden, shape, &device),
            Units::Linear => step.normal(Stream::Hidden, shape, &device),
        };
        let means = (0..self.gibbs_steps).scan(visible, |visible, number| {
            let noise = noise.clone().narrow(0, number * batch, batch);
            let mean = self.hidden_units.mean(self.hidden_input(visible.clone()));
            let hidden = match self.hidden_units {
                Units::Binary => noise.lower(mean).float(),
                Units::Linear => mean + noise,
            };
            let input = tied_linear(hidden, self.weight.val(), self.visible_bias.val());
            *visible = self.visible_units.mean(input).detach();
            Some(visible.clone())
        });
        let means: Vec<_> = means.collect();
        let last = means.last().expect("at least one step").clone();
        [means[0].clone(), last]
    }

    fn hidden_input(&self, visible: Tensor<B, 2>) -> Tensor<B, 2> {
        linear(visible, self.weight.val(), self.hidden_bias.val())
    }

    /// The weights as those of an autoencoder of one layer, the decoder's the encoder's transposed.
    pub fn unrolled(&self) -> StateDict {
        let weight = self.weight.val();
        let named = |name: &str, data| (name.to_owned(), data);
        vec![
            // PyTorch's layout, [outputs, inputs].
            named("encoder.0.weight", weight.clone().transpose().into_data()),
            named("encoder.0.bias", self.hidden_bias.val().into_data()),
            named("decoder.0.weight", weight.into_data()),
            named("decoder.0.bias", self.visible_bias.val().into_data()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, NdArray};
    use burn::optim::GradientsParams;

    type B = NdArray<f64>;
    type A = Autodiff<B>;

    const KINDS: [[Units; 2]; 3] = [
        [Units::Binary, Units::Binary],
        [Units::Binary, Units::Linear],
        [Units::Linear, Units::Binary],
    ];

    fn tensor<const D: usize>(shape: [usize; D], scale: f64) -> Tensor<A, D> {
        let values = (0..shape.iter().product::<usize>()).map(|i| scale * (1.7 * i as f64).sin());
        let values: Vec<f64> = values.collect();
        Tensor::from_data(TensorData::new(values, shape), &Default::default())
    }

    fn machine(kinds: [Units; 2], gibbs_steps: usize) -> Rbm<A> {
        let mut machine = Rbm::new([4, 3], kinds, gibbs_steps, 0, &Default::default());
        machine.weight = Param::from_tensor(tensor([4, 3], 0.8));
        machine.visible_bias = Param::from_tensor(tensor([4], 0.5));
        machine.hidden_bias = Param::from_tensor(tensor([3], -0.3));
        machine
    }

    fn values<const D: usize>(tensor: Tensor<A, D>) -> Vec<f64> {
        tensor.into_data().to_vec().expect("f64")
    }

    /// All states of `count` binary units.
    fn states(count: u32) -> Vec<Vec<f64>> {
        let state = |number: u32| {
            (0..count)
                .map(|unit| f64::from(number >> unit & 1))
                .collect()
        };
        (0..2_u32.pow(count)).map(state).collect()
    }

    /// -E(v, h) = b v + c h + v W h, for binary units.
    fn negative_energy(machine: &Rbm<A>, v: &[f64], h: &[f64]) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let weight = values(machine.weight.val());
        let input: Vec<f64> = weight.chunks(3).map(|row| dot(row, h)).collect();
        dot(&values(machine.visible_bias.val()), v)
            + dot(&values(machine.hidden_bias.val()), h)
            + dot(&input, v)
    }

    #[test]
    fn the_free_energy_sums_over_all_hidden_states() {
        let machine = machine(KINDS[0], 1);
        for v in states(4) {
            let summed: f64 = states(3)
                .iter()
                .map(|h| negative_energy(&machine, &v, h).exp())
                .sum();
            let visible = Tensor::from_data(TensorData::new(v, [1, 4]), &Default::default());
            let found = values(machine.free_energy(visible))[0];
            assert!((found + summed.ln()).abs() < 1e-12);
        }
    }

    /// Linear units in place of binary ones: their integral, by the midpoint rule.
    #[test]
    fn the_free_energy_of_linear_hidden_units_is_their_integral() {
        let machine = machine(KINDS[1], 1);
        let v = vec![1.0, 0.0, 1.0, 1.0];
        let visible = Tensor::from_data(TensorData::new(v.clone(), [1, 4]), &Default::default());
        let inputs = values(machine.hidden_input(visible.clone()));
        let integrals = inputs.iter().map(|input| {
            let width = 1e-3;
            let points = (-20_000..20_000).map(|i| (f64::from(i) + 0.5) * width);
            let density = |h: f64| (input * h - h * h / 2.0).exp();
            let normalisation = std::f64::consts::TAU.sqrt();
            (points.map(density).sum::<f64>() * width / normalisation).ln()
        });
        let expected = -integrals.sum::<f64>() - negative_energy(&machine, &v, &[0.0; 3]);
        let found = values(machine.free_energy(visible))[0];
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    /// The gradient is -(<v h> of the data - <v h> of the reconstruction) / batch, h the hidden means; likewise the biases'.
    #[test]
    fn the_gradient_is_the_contrastive_divergence() {
        for (kinds, gibbs_steps) in [(KINDS[0], 1), (KINDS[1], 1), (KINDS[2], 1), (KINDS[0], 3)] {
            let machine = machine(kinds, gibbs_steps);
            let data = tensor([5, 4], 0.5) + 0.5;
            let step = StepContext::train(3, 2, 10);
            let loss = machine.loss(data.clone(), &step);
            let gradients = GradientsParams::from_grads(loss.total.backward(), &machine);

            let [_, fantasy] = machine.reconstructions(data.clone(), &step);
            let hidden = |v: Tensor<A, 2>| machine.hidden_units.mean(machine.hidden_input(v));
            let products = |v: Tensor<A, 2>| v.clone().transpose().matmul(hidden(v));
            let expected = (products(fantasy.clone()) - products(data.clone())) / 5.0;
            let found: Tensor<B, 2> = gradients.get(machine.weight.id).expect("a gradient");
            let difference = (found - expected.inner()).abs().max().into_scalar();
            assert!(difference < 1e-12, "{kinds:?}: {difference:e}");

            let expected = (hidden(fantasy.clone()) - hidden(data.clone()))
                .mean_dim(0)
                .squeeze_dim::<1>(0);
            let found: Tensor<B, 1> = gradients.get(machine.hidden_bias.id).expect("a gradient");
            assert!((found - expected.inner()).abs().max().into_scalar() < 1e-12);

            let expected = (fantasy - data).mean_dim(0).squeeze_dim::<1>(0);
            let found: Tensor<B, 1> = gradients.get(machine.visible_bias.id).expect("a gradient");
            assert!((found - expected.inner()).abs().max().into_scalar() < 1e-12);
        }
    }

    /// Learns two patterns; the exact likelihood, by summing over all states, must come near its optimum of log(1/2).
    #[test]
    fn contrastive_divergence_raises_the_exact_likelihood() {
        let mut machine: Rbm<A> = Rbm::new([4, 3], KINDS[0], 1, 1, &Default::default());
        let data = TensorData::new(vec![1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0], [2, 4]);
        let data = Tensor::<A, 2>::from_data(data, &Default::default());
        let log_likelihood = |machine: &Rbm<A>| {
            let all: Vec<f64> = states(4).concat();
            let all = Tensor::from_data(TensorData::new(all, [16, 4]), &Default::default());
            let log_partition = machine.free_energy(all).neg().exp().sum().log();
            values(machine.free_energy(data.clone()).neg().mean() - log_partition)[0]
        };
        let before = log_likelihood(&machine);
        let mut optimizer = burn::optim::SgdConfig::new().init();
        for number in 0..2000 {
            let loss = machine.loss(data.clone(), &StepContext::train(0, number, 2000));
            let gradients = GradientsParams::from_grads(loss.total.backward(), &machine);
            machine = burn::optim::Optimizer::step(&mut optimizer, 0.2, machine, gradients);
        }
        let after = log_likelihood(&machine);
        assert!(before < -2.7 && after > -0.9, "{before} to {after}");
    }
}
