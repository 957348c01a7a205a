//! The trait that every family of autoencoders implements.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_kernels::keep_largest;

use crate::losses::Likelihood;
use crate::networks::Network;
use crate::posterior::Posterior;
use crate::step::StepContext;

/// An autoencoder: an encoder h = f(x) and a decoder that gives the parameters of p(x|h).
pub trait Autoencoder<B: Backend>: Module<B> {
    /// The encoder and the decoder.
    fn network(&self) -> &Network<B>;

    /// Codes of images; the mean code where the encoder is stochastic.
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    /// - output: `[batch, code]`
    fn encode(&self, images: Tensor<B, 2>) -> Tensor<B, 2> {
        self.selection().apply(self.network().encode(images))
    }

    /// How the code is made from the outputs of the encoder's network.
    fn selection(&self) -> Selection {
        Selection::All
    }

    /// Parameters of p(x|h): means or logits, as [`Autoencoder::likelihood`] says.
    ///
    /// # Shapes
    /// - codes: `[batch, code]`
    /// - output: `[batch, features]`
    fn decode(&self, codes: Tensor<B, 2>) -> Tensor<B, 2> {
        self.network().decode(codes)
    }

    /// The objective on a batch, with the noise and the schedules of `step`.
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    fn loss(&self, images: Tensor<B, 2>, step: &StepContext) -> Loss<B>;

    /// The distribution whose parameters the decoder gives.
    fn likelihood(&self) -> Likelihood;

    /// The corrupted images that the encoder sees in place of the images, for families that corrupt.
    ///
    /// # Shapes
    /// - images, output: `[batch, features]`
    fn corrupt(&self, _images: Tensor<B, 2>, _step: &StepContext) -> Option<Tensor<B, 2>> {
        None
    }

    /// Binary images drawn from the grey ones, for models of binary images: they stand in place of the images as input and
    /// as target. The loss draws them itself; everything else takes the images that it is given.
    ///
    /// # Shapes
    /// - images, output: `[batch, features]`
    fn binarize(&self, _images: Tensor<B, 2>, _step: &StepContext) -> Option<Tensor<B, 2>> {
        None
    }

    /// Whether the model sees binary images in place of grey ones.
    fn sees_binary_images(&self, device: &B::Device) -> bool {
        let blank = Tensor::zeros([1, 1], device);
        self.binarize(blank, &StepContext::evaluate(0, 0)).is_some()
    }

    /// How many numbers the code has for an image of so many features.
    fn code_width(&self, features: usize, device: &B::Device) -> usize {
        let [_, code] = self.encode(Tensor::zeros([1, features], device)).dims();
        code
    }

    /// The distribution q(z|x) of each image's code, where the encoder is stochastic.
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    fn posterior(&self, _images: Tensor<B, 2>) -> Option<Posterior<B>> {
        None
    }

    /// log p(x|z) + log p(z) - log q(z|x) in nats, at `samples` draws of z from q(z|x) per image, for families with a
    /// prior and a posterior. The mean of the exponentials is an unbiased estimate of p(x).
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    /// - output: `[batch, samples]`
    fn log_importance_weights(
        &self,
        _images: Tensor<B, 2>,
        _step: &StepContext,
        _samples: usize,
    ) -> Option<Tensor<B, 2>> {
        None
    }

    /// Codes drawn from the prior, for families that have one.
    ///
    /// # Shapes
    /// - output: `[count, code]`
    fn sample_prior(
        &self,
        _count: usize,
        _step: &StepContext,
        _device: &B::Device,
    ) -> Option<Tensor<B, 2>> {
        None
    }

    /// The norm ||dh/dx||_F of the encoder's Jacobian for each image, for families that control it.
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    /// - output: `[batch]`
    fn jacobian_norm(&self, _images: Tensor<B, 2>) -> Option<Tensor<B, 1>> {
        None
    }

    /// The Jacobian dh/dx of the code at each image, for families whose code is differentiable.
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    /// - output: `[batch, code, features]`
    fn jacobian(&self, _images: Tensor<B, 2>) -> Option<Tensor<B, 3>> {
        None
    }

    /// The constraint on the activity of the code's units, for sparse families.
    fn sparsity(&self) -> Option<Sparsity> {
        None
    }

    /// The mean of p(x|h) at the code of each image.
    ///
    /// # Shapes
    /// - images, output: `[batch, features]`
    fn reconstruct(&self, images: Tensor<B, 2>) -> Tensor<B, 2> {
        self.likelihood().mean(self.decode(self.encode(images)))
    }
}

/// Which outputs of an encoder's network make the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// All, as they are.
    All,
    /// The first ones, which are means; the others say how certain they are.
    First(usize),
    /// The largest ones of each image, in their places; the others become 0. Of equal values, the first is kept.
    Largest(usize),
}

impl Selection {
    /// # Shapes
    /// - outputs: `[batch, encoder outputs]`
    /// - output: `[batch, code]`
    pub(crate) fn apply<B: Backend>(&self, outputs: Tensor<B, 2>) -> Tensor<B, 2> {
        match *self {
            Self::All => outputs,
            Self::First(count) => outputs.narrow(1, 0, count),
            Self::Largest(count) => keep_largest(outputs, count),
        }
    }
}

/// The value of an objective on a batch.
#[derive(Debug, Clone)]
pub struct Loss<B: Backend> {
    /// The value that is differentiated, `[1]`.
    pub total: Tensor<B, 1>,
    /// The terms by name, `[1]` each, for the logs. They are logged unweighted, whatever their weight in the total.
    pub terms: Vec<(&'static str, Tensor<B, 1>)>,
}

impl<B: Backend> Loss<B> {
    /// An objective that consists of its reconstruction term alone.
    pub(crate) fn of_reconstruction(name: &'static str, value: Tensor<B, 1>) -> Self {
        Self {
            total: value.clone(),
            terms: vec![(name, value)],
        }
    }

    /// Adds `weight * value` to the total and logs `value` itself.
    pub(crate) fn plus(mut self, name: &'static str, value: Tensor<B, 1>, weight: f64) -> Self {
        self.total = self.total + value.clone() * weight;
        self.terms.push((name, value));
        self
    }
}

/// The constraint of a sparse family on the activity of its code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sparsity {
    /// The mean activation asked of every unit, where one is asked.
    pub target_activation: Option<f64>,
    /// A unit is active for an image if its value is above this share of its largest value. The share is 0 if inactive units
    /// are zero by construction.
    pub active_share: f32,
}
