"""The five families in plain PyTorch, straight from the formulas: what the Rust models are checked against.

`Reference(config, shape)` takes the "model" part of a config.json and the image shape [channels, height, width].
Losses are sums over features and means over the batch. All noise comes in as tensors, nothing is drawn here.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Laplace, Normal

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "elu": nn.ELU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def activation(name: str) -> list[nn.Module]:
    """The layer of an activation; `linear` adds none."""
    return [] if name == "linear" else [ACTIVATIONS[name]()]


def output_activation(network: dict) -> list[nn.Module]:
    """The layer that the decoder ends in, if any."""
    return activation(network.get("output_activation", "linear"))


class TiedLinear(nn.Module):
    """A linear layer on the transposed weight of another one, with a bias of its own."""

    def __init__(self, mirror: nn.Linear):
        super().__init__()
        self.mirror = (mirror,)  # in a tuple, so that the weight is not registered a second time
        self.bias = nn.Parameter(torch.zeros(mirror.in_features))

    def forward(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.mirror[0].weight.t(), self.bias)


def mlp(network: dict, features: int, code_outputs: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Encoder and decoder of linear layers; the decoder mirrors the encoder's widths."""

    def stack(linears: list[nn.Module]) -> list[nn.Module]:
        layers = []
        for linear in linears:
            layers += [linear, *activation(network["activation"])]
        return layers[: layers.index(linears[-1]) + 1]  # the last one is linear

    widths = [features, *network["hidden"], network["code"]]
    outputs = [*network["hidden"], code_outputs]
    down = [nn.Linear(i, o) for i, o in zip(widths, outputs)]
    if network["tied"]:
        if code_outputs != network["code"]:
            raise ValueError("tied weights need an encoder with as many outputs as the code")
        up = [TiedLinear(linear) for linear in reversed(down)]
    else:
        up = [nn.Linear(i, o) for i, o in zip(widths[:0:-1], widths[-2::-1])]
    encoder = nn.Sequential(*stack(down), *activation(network["code_activation"]))
    return encoder, nn.Sequential(*stack(up), *output_activation(network))


def conv(network: dict, shape: list[int], code_outputs: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Convolutions that halve height and width, then a linear layer; the decoder mirrors them."""
    channels = [shape[0], *network["channels"]]
    scale = 2 ** len(network["channels"])
    inner = (channels[-1], shape[1] // scale, shape[2] // scale)

    down = [nn.Unflatten(1, tuple(shape))]
    for i, o in zip(channels, channels[1:]):
        down += [nn.Conv2d(i, o, 4, stride=2, padding=1), *activation(network["activation"])]
    down += [nn.Flatten(1), nn.Linear(math.prod(inner), code_outputs), *activation(network["code_activation"])]

    up = [nn.Linear(network["code"], math.prod(inner)), *activation(network["activation"]), nn.Unflatten(1, inner)]
    for i, o in zip(channels[:0:-1], channels[-2::-1]):
        up += [nn.ConvTranspose2d(i, o, 4, stride=2, padding=1), *activation(network["activation"])]
    up = up[: 1 + max(n for n, layer in enumerate(up) if isinstance(layer, nn.ConvTranspose2d))]
    return nn.Sequential(*down), nn.Sequential(*up, *output_activation(network), nn.Flatten(1))


def reconstruction(likelihood: str | dict, images: Tensor, decoded: Tensor) -> tuple[str, Tensor]:
    """Name and value of the reconstruction term, given the parameters of p(x|h)."""
    batch, features = images.shape
    if likelihood == "bernoulli":
        return "cross_entropy", F.binary_cross_entropy_with_logits(decoded, images, reduction="sum") / batch
    squared_error = (images - decoded).square().sum() / batch
    if likelihood == "squared_error":
        return "squared_error", squared_error
    if "laplace" in likelihood:
        return "reconstruction_nats", -Laplace(decoded, likelihood["laplace"]["scale"]).log_prob(images).sum() / batch
    if "huber" in likelihood:
        return "huber", F.huber_loss(decoded, images, reduction="sum", delta=likelihood["huber"]["delta"]) / batch
    variance = likelihood["gaussian"]["sigma"] ** 2
    return "reconstruction_nats", squared_error / (2 * variance) + features / 2 * math.log(2 * math.pi * variance)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)), summed over the code and averaged over the batch."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1).mean()


def corrupt(kind: str, level: float, images: Tensor, noise: Tensor) -> Tensor:
    """The corrupted images; `noise` is standard normal for gaussian, else uniform on [0, 1)."""
    if kind == "gaussian":
        return images + level * noise
    if kind == "masking":
        return torch.where(noise >= level, images, 0.0)
    salted = torch.where(noise < level, 1.0, images)
    return torch.where(noise < level / 2, 0.0, salted)


def keep_largest(codes: Tensor, k: int) -> Tensor:
    """All but the k largest entries of each row set to 0; of equal ones the lower index is kept."""
    kept = codes.sort(dim=1, descending=True, stable=True).indices[:, :k]
    return torch.zeros_like(codes).scatter(1, kept, codes.gather(1, kept))


class Reference(nn.Module):
    """One model: `encoder` and `decoder` are plain Sequentials, the rest is the family's objective."""

    def __init__(self, config: dict, shape: list[int]):
        super().__init__()
        self.family, self.network, self.objective = config["family"], config["network"], config["objective"]
        code_outputs = self.network["code"] * (2 if self.family == "variational" else 1)
        if self.network["kind"] == "conv":
            self.encoder, self.decoder = conv(self.network, shape, code_outputs)
        else:
            self.encoder, self.decoder = mlp(self.network, math.prod(shape), code_outputs)

    def encode(self, images: Tensor) -> Tensor:
        """[batch, features] -> [batch, code]"""
        outputs = self.encoder(images)
        if self.family == "variational":
            return outputs.chunk(2, dim=1)[0]
        if self.objective.get("penalty") == "top-k":
            return keep_largest(outputs, self.objective.get("evaluation_k", self.objective["k"]))
        return outputs

    def decode(self, codes: Tensor) -> Tensor:
        """[batch, code] -> [batch, features], the parameters of p(x|h)"""
        return self.decoder(codes)

    def mean_images(self, decoded: Tensor) -> Tensor:
        """The mean of p(x|h): what a reconstruction shows."""
        return decoded.sigmoid() if self.objective["likelihood"] == "bernoulli" else decoded

    def loss(self, images: Tensor, noise: dict[str, Tensor], progress: float, training: bool = True) -> dict[str, Tensor]:
        """The terms by name; `total` is the one to differentiate. `progress` is step / total_steps."""
        return getattr(self, f"_{self.family}")(images, noise, progress, training)

    def _reconstruction(self, images: Tensor, codes: Tensor) -> tuple[str, Tensor]:
        return reconstruction(self.objective["likelihood"], images, self.decode(codes))

    def _undercomplete(self, images, noise, progress, training):
        name, value = self._reconstruction(images, self.encode(images))
        return {name: value, "total": value}

    def _denoising(self, images, noise, progress, training):
        level = self.objective["level"]
        if training and progress < self.objective.get("warmup", 0.0):
            level = self.objective.get("warmup_level", level)
        corrupted = corrupt(self.objective["corruption"], level, images, noise["corruption"])
        name, value = self._reconstruction(images, self.encode(corrupted))
        trim = self.objective.get("trim", 0.0)
        if not training or trim == 0:
            return {name: value, "total": value}
        codes = self.encode(corrupted)
        each = torch.stack([self._reconstruction(images[row : row + 1], codes[row : row + 1])[1] for row in range(len(images))])
        kept = len(images) - math.floor(trim * len(images))
        return {name: value, "total": each.sort().values[:kept].mean()}

    def _sparse(self, images, noise, progress, training):
        penalty = self.objective["penalty"]
        codes = self.encoder(images)
        if penalty == "top-k":
            codes = keep_largest(codes, self.training_k(progress) if training else self.objective.get("evaluation_k", self.objective["k"]))
            name, value = self._reconstruction(images, codes)
            return {name: value, "total": value}
        name, value = self._reconstruction(images, codes)
        if penalty == "l1":
            penalty_name, extra = "l1_norm", codes.abs().sum(dim=1).mean()
        else:
            penalty_name, target = "sparsity_kl_nats", self.objective["target"]
            rho = codes.mean(dim=0).clamp(1e-6, 1 - 1e-6)
            extra = (target * (target / rho).log() + (1 - target) * ((1 - target) / (1 - rho)).log()).sum()
        return {name: value, penalty_name: extra, "total": value + self.objective["weight"] * extra}

    def training_k(self, progress: float) -> int:
        """From `start` to `k`, linearly over the first `anneal` share of the steps."""
        k, anneal = self.objective["k"], self.objective["anneal"]
        start = self.objective.get("start", k)
        share = min(1.0, progress / anneal) if anneal > 0 else 1.0
        return math.floor(start + (k - start) * share + 0.5)

    def _contractive(self, images, noise, progress, training):
        if self.objective["jacobian"] == "exact":
            images = images.detach().requires_grad_()
            codes = self.encode(images)
            squares = sum(self._pulled_back(images, column).square().sum() for column in codes.unbind(dim=1))
        else:
            codes, samples = self.encode(images), self.objective["samples"]
            repeated = images.detach().repeat_interleave(samples, dim=0).requires_grad_()
            products = (self.encode(repeated) * noise["rademacher"]).sum(dim=1)
            squares = self._pulled_back(repeated, products).square().sum() / samples
        name, value = self._reconstruction(images, codes)
        extra = squares / len(images)
        return {name: value, "jacobian_squared": extra, "total": value + self.objective["weight"] * extra}

    @staticmethod
    def _pulled_back(images: Tensor, values: Tensor) -> Tensor:
        """The gradient of each image's value by that image, itself differentiable."""
        return torch.autograd.grad(values.sum(), images, create_graph=True)[0]

    def _variational(self, images, noise, progress, training):
        if self.objective.get("binarize", False):
            images = (noise["binarisation"] < images).to(images.dtype)
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        log_variance = log_variance.clamp(-20.0, 20.0)
        if self.objective.get("samples", 1) > 1:
            return self._importance_weighted(images, noise["epsilon"], mean, log_variance)
        latents = mean + (log_variance / 2).exp() * noise["epsilon"]
        name, value = self._reconstruction(images, latents)
        name = "reconstruction_nats" if self.objective.get("binarize", False) else name
        kl = gaussian_kl(mean, log_variance)
        warmup = self.objective["warmup"]
        beta = self.objective["beta"] * (min(1.0, progress / warmup) if warmup > 0 else 1.0)
        return {name: value, "kl_nats": kl, "negative_elbo": value + kl, "total": value + beta * kl}

    def _importance_weighted(self, images: Tensor, epsilon: Tensor, mean: Tensor, log_variance: Tensor) -> dict[str, Tensor]:
        """The bound of Burda et al. 2016, from the densities; row b * samples + i of the noise is sample i of image b."""
        posterior, prior = Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean))
        log_likelihoods, log_weights = [], []
        for sample in epsilon.unflatten(0, (len(images), -1)).unbind(dim=1):  # [batch, code] each
            latents = posterior.loc + posterior.scale * sample
            log_likelihoods.append(self._log_density(images, latents))
            log_weights.append(log_likelihoods[-1] + (prior.log_prob(latents) - posterior.log_prob(latents)).sum(dim=1))
        bound = -(torch.stack(log_weights).logsumexp(dim=0) - math.log(len(log_weights))).mean()
        grey = self.objective["likelihood"] == "bernoulli" and not self.objective.get("binarize", False)
        value, kl = -torch.stack(log_likelihoods).mean(), gaussian_kl(mean, log_variance)
        name = "cross_entropy" if grey else "reconstruction_nats"
        return {"importance_weighted_nats": bound, name: value, "kl_nats": kl, "negative_elbo": value + kl, "total": bound}

    def _log_density(self, images: Tensor, latents: Tensor) -> Tensor:
        """log p(x|z) of each image, in nats: [batch]"""
        decoded, likelihood = self.decode(latents), self.objective["likelihood"]
        if likelihood == "bernoulli":
            density = Bernoulli(logits=decoded, validate_args=False)  # pixels may be grey
        elif "laplace" in likelihood:
            density = Laplace(decoded, likelihood["laplace"]["scale"])
        else:
            density = Normal(decoded, likelihood["gaussian"]["sigma"])
        return density.log_prob(images).sum(dim=1)
