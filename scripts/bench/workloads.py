"""The training steps that are compared, and PyTorch's way to do them.

Images, batch order and first weights are the same for all. Losses are summed over the features and averaged over the batch.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "pytorch"))
from reference import Reference  # noqa: E402

SHAPE = [1, 28, 28]
LEARNING_RATE = 1e-3


def mlp(hidden: list[int], code: int, activation: str = "relu", code_activation: str = "linear", tied: bool = False) -> dict:
    return {"kind": "mlp", "hidden": hidden, "code": code, "activation": activation,
            "code_activation": code_activation, "output_activation": "linear", "tied": tied}


@dataclass(frozen=True)
class Workload:
    name: str
    what: str
    model: dict
    batch: int
    steps: int  # a round
    encodes: bool = False


VARIATIONAL = {"beta": 1.0, "warmup": 0.0, "samples": 1, "likelihood": "bernoulli", "binarize": False}
WORKLOADS = [
    Workload("W1", "VAE 784-400-20", {"family": "variational", "network": mlp([400], 20), "objective": VARIATIONAL}, 128, 100),
    Workload("W2", "VAE 784-1024-20", {"family": "variational", "network": mlp([1024], 20), "objective": VARIATIONAL}, 512, 20),
    Workload("W3", "deep 784-1000-500-250-30",
             {"family": "undercomplete", "network": mlp([1000, 500, 250], 30), "objective": {"likelihood": "bernoulli"}}, 1000, 10),
    Workload("W4", "denoising 784-1000 tied tanh",
             {"family": "denoising", "network": mlp([], 1000, code_activation="tanh", tied=True),
              "objective": {"corruption": "masking", "level": 0.3, "likelihood": "bernoulli"}}, 100, 50),
    Workload("W5", "k-sparse 784-1000, k = 25",
             {"family": "sparse", "network": mlp([], 1000, tied=True),
              "objective": {"penalty": "top-k", "k": 25, "start": 25, "anneal": 0.0, "likelihood": "squared_error"}}, 100, 50),
    Workload("W6", "contractive, exact, 784-512-64",
             {"family": "contractive", "network": mlp([512], 64, activation="tanh", code_activation="sigmoid"),
              "objective": {"weight": 0.1, "jacobian": "exact", "likelihood": "bernoulli"}}, 128, 5),
    Workload("W7", "convolutional 784-16-32-32",
             {"family": "undercomplete",
              "network": {"kind": "conv", "channels": [16, 32], "code": 32, "activation": "relu", "code_activation": "linear",
                          "output_activation": "linear"},
              "objective": {"likelihood": "squared_error"}}, 128, 10),
    Workload("W8", "encoding by VAE 784-400-20", {"family": "variational", "network": mlp([400], 20), "objective": VARIATIONAL},
             1000, 60, encodes=True),
]


class Model(Reference):
    """As someone who knows PyTorch writes it for speed, where the reference is written to be read."""

    def _sparse(self, images, noise, progress, training):
        values, units = self.encoder(images).topk(self.objective["k"], dim=1)
        codes = torch.zeros(len(images), self.network["code"]).scatter(1, units, values)
        name, value = self._reconstruction(images, codes)
        return {name: value, "total": value}

    def _contractive(self, images, noise, progress, training):
        """||dh/dx||^2 = sum over c of |r_c W1|^2 s2[c]^2 with r_c = W2[c] s1, by W1's Gram matrix, which is less work."""
        first, tanh, second, sigmoid = self.encoder
        hidden = tanh(first(images))
        codes = sigmoid(second(hidden))
        rows = (second.weight * (1 - hidden.square())[:, None]).flatten(0, 1)  # [batch * code, hidden]
        norms = SymmetricNorms.apply(rows, first.weight).view(len(images), -1)
        extra = (norms * (codes * (1 - codes)).square()).sum(dim=1).mean()
        name, value = self._reconstruction(images, codes)
        return {name: value, "jacobian_squared": extra, "total": value + self.objective["weight"] * extra}


def write_model(workload: Workload, folder: Path) -> None:
    """Random first weights, as a model directory of Hourglass."""
    torch.manual_seed(0)
    model = Reference(workload.model, SHAPE)
    weights = {name: weight.detach().contiguous() for name, weight in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    data = {"name": "mnist", "sha256": ""}
    description = {"format": 1, "model": workload.model, "shape": SHAPE, "data_range": [0.0, 1.0], "units": "", "data": data}
    (folder / "config.json").write_text(json.dumps(description))


def noise(workload: Workload, batch: Tensor) -> dict[str, Tensor]:
    """What the losses draw."""
    if workload.model["family"] == "variational":
        return {"epsilon": torch.randn(len(batch), workload.model["network"]["code"], device=batch.device)}
    if workload.model["family"] == "denoising":
        return {"corruption": torch.rand_like(batch)}
    return {}


def load(workload: Workload, folder: Path) -> Model:
    model = Model(workload.model, SHAPE)
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    return model


class SymmetricNorms(torch.autograd.Function):
    """r G r^T of each row with G = W W^T: its gradients need two products, where those of the factors one by one need three."""

    @staticmethod
    def forward(context, rows, weight):
        products = rows @ (weight @ weight.T)
        context.save_for_backward(rows, weight, products)
        return (products * rows).sum(dim=1)

    @staticmethod
    def backward(context, outer):
        rows, weight, products = context.saved_tensors
        doubled = 2 * outer[:, None]
        return products * doubled, (rows.T @ (rows * doubled)) @ weight


def steps(
    workload: Workload, folder: Path, images: Tensor, device: str, compile_mode: str | None, fused: bool, tf32: bool = False
) -> Iterator[Tensor]:
    """Makes one step each time it is advanced, with a batch from the computer's memory, and yields the loss, or the codes."""
    model = load(workload, folder).to(device)
    batches = [batch.pin_memory() if device == "cuda" else batch for batch in images.split(workload.batch)]
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, eps=1e-8, fused=fused)

    def total(batch, drawn):
        return model.loss(batch, drawn, progress=1.0)["total"]

    def encode(batch):
        with torch.no_grad():
            return model.encode(batch)

    if compile_mode is not None:
        total, encode = (torch.compile(work, mode=compile_mode, dynamic=False) for work in (total, encode))
    while True:
        for batch in batches:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
            batch = batch.to(device, non_blocking=True)
            if workload.encodes:
                yield encode(batch).cpu()
                continue
            loss = total(batch, noise(workload, batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.detach()
