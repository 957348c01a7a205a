//! Variational autoencoders: codes are distributions close to a standard normal prior.
//!
//! L = E_q[-log p(x|z)] + beta * KL(q(z|x) || N(0, 1)), with q(z|x) = N(mean, exp(log_variance)), one reparameterised
//! sample z = mean + exp(log_variance / 2) * epsilon per image, and the KL in closed form (Kingma & Welling 2014). With a `beta`
//! other than 1 it is the beta-VAE of Higgins et al. 2017. The log-variance is kept in [-20, 20], so that its exponential
//! can't overflow. The term `negative_elbo` is always at beta 1.
//!
//! With k samples per image the objective is the importance-weighted bound (Burda et al. 2016), of which k = 1 is the bound
//! above, without the KL's closed form: L_k = -E[log 1/k sum_i p(x|z_i) p(z_i) / q(z_i|x)], z_1 to z_k from q(z|x).

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use hourglass_kernels::mean;
use hourglass_samples::Shape;
use serde::{Deserialize, Serialize};

use super::config::FamilyConfig;
use crate::autoencoder::{Autoencoder, Loss, Selection};
use crate::config::{ConfigError, MOST_SAMPLES, require};
use crate::losses::Likelihood;
use crate::networks::{Network, NetworkConfig};
use crate::posterior::{Posterior, log_mean_exp, repeat_rows};
use crate::step::{StepContext, Stream};

/// Settings of a variational autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariationalConfig {
    /// The network.
    pub network: NetworkConfig,
    /// The objective.
    #[serde(default)]
    pub objective: VariationalObjective,
}

/// The objective: a bound of -log p(x).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VariationalObjective {
    /// The weight of the KL term.
    pub beta: f64,
    /// The share of training over which the weight rises linearly from 0 to `beta`.
    pub warmup: f64,
    /// k, the samples of z per image: with more than 1, the importance-weighted bound is trained.
    pub samples: usize,
    /// p(x|z)
    pub likelihood: Likelihood,
    /// Whether a pixel's value is the probability with which it is 1, drawn anew at every step (Burda et al. 2016): the
    /// model is one of binary images. Of these the Bernoulli cross-entropy is a true likelihood, in nats; so it is called
    /// `reconstruction_nats`, and bounds and estimates of log p(x) can be compared with published ones. Evaluation draws
    /// by a seed of its own.
    pub binarize: bool,
}

impl Default for VariationalObjective {
    fn default() -> Self {
        Self {
            beta: 1.0,
            warmup: 0.0,
            samples: 1,
            likelihood: Likelihood::Bernoulli,
            binarize: false,
        }
    }
}

impl VariationalObjective {
    fn beta_at(&self, progress: f64) -> f64 {
        if self.warmup > 0.0 {
            self.beta * (progress / self.warmup).min(1.0)
        } else {
            self.beta
        }
    }

    fn reconstruction_term(&self) -> &'static str {
        if self.binarize {
            "reconstruction_nats"
        } else {
            self.likelihood.term()
        }
    }
}

/// A variational autoencoder. The encoder's outputs are the means, then the log-variances.
#[derive(Module, Debug)]
pub struct Variational<B: Backend> {
    pub(super) network: Network<B>,
    #[module(skip)]
    objective: VariationalObjective,
    #[module(skip)]
    code: usize,
}

impl FamilyConfig for VariationalConfig {
    type Model<B: Backend> = Variational<B>;

    const SUMMARY: &str = "A variational autoencoder: codes are distributions close to a standard normal one, from which new images are drawn.";

    const OBJECTIVES: &[&str] = &[
        r#"{ beta = 0.5, samples = 3 }"#,
        r#"{ binarize = true }"#,
        r#"{ beta = 0.1, likelihood = { gaussian = { sigma = 0.5 } } }"#,
        r#"{ likelihood = { laplace = { scale = 0.5 } } }"#,
    ];

    fn has_prior(&self) -> bool {
        true
    }

    fn network(&self) -> &NetworkConfig {
        &self.network
    }

    fn encoder_outputs(&self) -> usize {
        self.network.code().saturating_mul(2)
    }

    fn likelihood(&self) -> Likelihood {
        self.objective.likelihood
    }

    fn validate_objective(&self) -> Result<(), ConfigError> {
        let VariationalObjective {
            beta,
            warmup,
            samples,
            likelihood,
            binarize,
        } = self.objective;
        let holds = beta.is_finite() && beta >= 0.0;
        require(holds, "objective.beta", "a weight of at least 0", beta)?;
        let share = (0.0..=1.0).contains(&warmup);
        require(
            share,
            "objective.warmup",
            "a share of training in [0, 1]",
            warmup,
        )?;
        require(
            likelihood.is_distribution(),
            "objective.likelihood",
            "bernoulli, gaussian with a sigma, or laplace with a scale: a bound needs a likelihood (squared error is gaussian \
             with sigma 0.7071, but for a constant)",
            likelihood.term(),
        )?;
        require(
            (1..=MOST_SAMPLES).contains(&samples),
            "objective.samples",
            "1 to 10000 samples of z",
            samples,
        )?;
        if samples > 1 {
            let expected =
                "its default: with objective.samples more than 1 there is no KL term to weigh";
            require(beta == 1.0, "objective.beta", expected, beta)?;
            require(warmup == 0.0, "objective.warmup", expected, warmup)?;
        }
        require(
            !binarize || likelihood == Likelihood::Bernoulli,
            "objective.binarize",
            "false, except with objective.likelihood = \"bernoulli\"",
            binarize,
        )?;
        let activation = self.network.code_activation();
        require(
            activation == Default::default(),
            "network.code_activation",
            "linear, since means and log-variances can have any value",
            format!("{activation:?}").to_lowercase(),
        )
    }

    fn init<B: Backend>(&self, shape: Shape, seed: u64, device: &B::Device) -> Variational<B> {
        Variational {
            network: self
                .network
                .init(shape, self.encoder_outputs(), seed, device),
            objective: self.objective.clone(),
            code: self.network.code(),
        }
    }
}

impl<B: Backend> Variational<B> {
    /// q(z|x).
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    pub fn posterior(&self, images: Tensor<B, 2>) -> Posterior<B> {
        Posterior::from_outputs(self.network.encode(images))
    }

    /// log p(x|z) + log p(z) - log q(z|x) in nats, at `samples` draws of z from q(z|x) per image.
    ///
    /// # Shapes
    /// - images: `[batch, features]`
    /// - output: `[batch, samples]`
    pub fn log_importance_weights(
        &self,
        images: Tensor<B, 2>,
        step: &StepContext,
        samples: usize,
    ) -> Tensor<B, 2> {
        let posterior = self.posterior(images.clone());
        self.weigh(&posterior, images, step, samples).1
    }

    /// -log p(x|z) at `samples` draws of z from q(z|x) per image, `[batch * samples]`, and the logarithms of their
    /// importance weights, `[batch, samples]`.
    fn weigh(
        &self,
        posterior: &Posterior<B>,
        images: Tensor<B, 2>,
        step: &StepContext,
        samples: usize,
    ) -> (Tensor<B, 1>, Tensor<B, 2>) {
        let ([batch, _], device) = (images.dims(), images.device());
        let posterior = posterior.repeated(samples); // [batch * samples, code]
        let epsilon = step.normal(Stream::Epsilon, posterior.mean.dims(), &device);
        let latents = posterior.sample(epsilon.clone());
        let images = repeat_rows(images, samples); // [batch * samples, features]
        let parameters = self.decode(latents.clone());
        let reconstruction = self.likelihood().loss_per_image(parameters, images);
        let log_weights = posterior.log_prior_ratio(latents, epsilon) - reconstruction.clone();
        (reconstruction, log_weights.reshape([batch, samples]))
    }

    fn evidence_lower_bound(&self, images: Tensor<B, 2>, step: &StepContext) -> Loss<B> {
        let posterior = self.posterior(images.clone());
        let epsilon = step.normal(Stream::Epsilon, posterior.mean.dims(), &images.device());
        let parameters = self.decode(posterior.sample(epsilon));
        let reconstruction = self.likelihood().loss(parameters, images);
        let kl = posterior.kl();
        let negative_elbo = reconstruction.clone().detach() + kl.clone().detach();

        let beta = self.objective.beta_at(step.progress());
        let name = self.objective.reconstruction_term();
        let mut loss = Loss::of_reconstruction(name, reconstruction).plus("kl_nats", kl, beta);
        loss.terms.push(("negative_elbo", negative_elbo));
        loss
    }

    fn importance_weighted_bound(&self, images: Tensor<B, 2>, step: &StepContext) -> Loss<B> {
        let posterior = self.posterior(images.clone());
        let samples = self.objective.samples;
        let (reconstruction, log_weights) = self.weigh(&posterior, images, step, samples);
        let bound = mean(log_mean_exp(log_weights)).neg();
        let reconstruction = mean(reconstruction).detach();
        let kl = posterior.kl().detach();
        Loss {
            total: bound.clone(),
            terms: vec![
                ("importance_weighted_nats", bound),
                (self.objective.reconstruction_term(), reconstruction.clone()),
                ("kl_nats", kl.clone()),
                ("negative_elbo", reconstruction + kl),
            ],
        }
    }
}

impl<B: Backend> Autoencoder<B> for Variational<B> {
    fn network(&self) -> &Network<B> {
        &self.network
    }

    fn selection(&self) -> Selection {
        Selection::First(self.code)
    }

    fn loss(&self, images: Tensor<B, 2>, step: &StepContext) -> Loss<B> {
        let images = self.binarize(images.clone(), step).unwrap_or(images);
        match self.objective.samples {
            1 => self.evidence_lower_bound(images, step),
            _ => self.importance_weighted_bound(images, step),
        }
    }

    fn jacobian(&self, images: Tensor<B, 2>) -> Option<Tensor<B, 3>> {
        Some(self.network.jacobian(images).narrow(1, 0, self.code))
    }

    fn likelihood(&self) -> Likelihood {
        self.objective.likelihood
    }

    fn binarize(&self, images: Tensor<B, 2>, step: &StepContext) -> Option<Tensor<B, 2>> {
        self.objective.binarize.then(|| {
            let draws = step.uniform(Stream::Binarisation, images.dims(), &images.device());
            images.zeros_like().mask_fill(draws.lower(images), 1.0)
        })
    }

    fn posterior(&self, images: Tensor<B, 2>) -> Option<Posterior<B>> {
        Some(self.posterior(images))
    }

    fn log_importance_weights(
        &self,
        images: Tensor<B, 2>,
        step: &StepContext,
        samples: usize,
    ) -> Option<Tensor<B, 2>> {
        Some(self.log_importance_weights(images, step, samples))
    }

    fn sample_prior(
        &self,
        count: usize,
        step: &StepContext,
        device: &B::Device,
    ) -> Option<Tensor<B, 2>> {
        Some(step.normal(Stream::Prior, [count, self.code], device))
    }
}
