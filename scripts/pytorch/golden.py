"""Writes the golden values for the tests of hourglass-models: inputs, terms and gradients of tiny models in float64.

One file a case, `<case>.safetensors`. Inputs are float32 numbers stored as float64, so both precisions start
from the same values; they are drawn again until no kink (ReLU, ELU, top-k, the threshold of a corruption or a binarisation) is within
MARGIN of them, so that rounding can't change a branch, and until every parameter and term has something to show.
"""

import argparse
import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from reference import ACTIVATIONS, Reference

MARGIN = 1e-3
STEP, TOTAL_STEPS = 1, 4
SHAPES = {"mlp": [1, 3, 4], "conv": [1, 8, 8]}
BATCHES = {"mlp": 5, "conv": 3}
DEFAULT_FOLDER = Path(__file__).parents[2] / "crates/hourglass-models/tests/golden"


def mlp(activation="relu", code_activation="linear", tied=False, hidden=(8, 6), code=4) -> dict:
    return {"kind": "mlp", "hidden": list(hidden), "code": code, "activation": activation,
            "code_activation": code_activation, "tied": tied}


def conv(activation="relu", code_activation="linear") -> dict:
    return {"kind": "conv", "channels": [3, 4], "code": 4, "activation": activation, "code_activation": code_activation}


def cases() -> dict[str, dict]:
    """The model configs by the case's name."""
    gaussian, laplace = {"gaussian": {"sigma": 0.3}}, {"laplace": {"scale": 0.2}}
    found = {}

    def add(name: str, network: dict, likelihood="squared_error", **objective):
        family = name.split("-")[0]
        found[name] = {"family": family, "network": network, "objective": {**objective, "likelihood": likelihood}}

    for name in [*ACTIVATIONS, "linear"]:
        add(f"undercomplete-{name}", mlp(name))
    add("undercomplete-bernoulli", mlp(), "bernoulli")
    add("undercomplete-gaussian", mlp(), gaussian)
    add("undercomplete-laplace", mlp("tanh"), laplace)
    add("undercomplete-huber", mlp("tanh"), {"huber": {"delta": 0.2}})
    add("undercomplete-tied", mlp("tanh", tied=True))
    add("undercomplete-conv", conv("elu"))
    add("undercomplete-output", {**mlp("tanh"), "output_activation": "sigmoid"})
    add("undercomplete-output-conv", {**conv(), "output_activation": "elu"}, gaussian)

    add("sparse-l1", mlp(code_activation="relu", tied=True), penalty="l1", weight=0.1)
    add("sparse-kl", mlp("sigmoid", "sigmoid"), penalty="kl", target=0.05, weight=0.5)
    add("sparse-top-k", mlp(tied=True, code=8), penalty="top-k", k=2, start=4, anneal=0.5, evaluation_k=2)

    add("denoising-masking", mlp("tanh", "tanh", tied=True, hidden=()), "bernoulli", corruption="masking", level=0.3)
    add("denoising-gaussian", mlp(), corruption="gaussian", level=0.3)
    add("denoising-salt-and-pepper", mlp("gelu"), "bernoulli", corruption="salt-and-pepper", level=0.4)

    add("denoising-trimmed", mlp("tanh"), corruption="gaussian", level=0.3, warmup=0.5, warmup_level=0.6, trim=0.4)

    exact = {"weight": 1.0, "jacobian": "exact"}
    add("contractive-closed-form", mlp("sigmoid", "sigmoid", tied=True, hidden=()), "bernoulli", **exact)
    for name in ["tanh", "sigmoid", "elu", "gelu", "relu"]:
        # Three sigmoids in a row have a tiny Jacobian: the weight lets its gradient count beside the error's.
        add(f"contractive-exact-{name}", mlp(name, name), **{**exact, "weight": 100.0 if name == "sigmoid" else 1.0})
    add("contractive-exact-linear-code", mlp("tanh"), **exact)
    add("contractive-estimate-mlp", mlp("tanh", "sigmoid"), weight=1.0, jacobian="estimate", samples=2)
    add("contractive-estimate-conv", conv("tanh", "tanh"), weight=1.0, jacobian="estimate", samples=1)

    add("variational-bernoulli", mlp(), "bernoulli", beta=3.0, warmup=0.5)
    add("variational-gaussian", mlp("tanh"), gaussian, beta=1.0, warmup=0.0)
    add("variational-conv", conv(), "bernoulli", beta=1.0, warmup=0.0)
    add("variational-importance-bernoulli", mlp("tanh"), "bernoulli", beta=1.0, warmup=0.0, samples=3)
    add("variational-importance-gaussian", mlp("elu"), gaussian, beta=1.0, warmup=0.0, samples=3)
    add("variational-importance-laplace", mlp("elu"), laplace, beta=1.0, warmup=0.0, samples=3)
    add("variational-importance-binary", mlp("tanh"), "bernoulli", beta=1.0, warmup=0.0, samples=3, binarize=True)
    add("variational-binary", mlp(), "bernoulli", beta=1.0, warmup=0.0, binarize=True)
    return found


def draw(config: dict, seed: int) -> tuple[Reference, Tensor, dict[str, Tensor]]:
    """Model, images and noise for a seed, all of them float32 numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    kind, objective = config["network"]["kind"], config["objective"]
    batch, code = BATCHES[kind], config["network"]["code"]
    model = Reference(config, SHAPES[kind])
    for parameter in model.parameters():
        scale = 0.3 if parameter.dim() == 1 else 1.2 / math.sqrt(parameter[0].numel())
        parameter.data = scale * torch.randn(parameter.shape, generator=generator)
    # Stretched and clamped, so that some pixels are exactly 0 or 1.
    images = (1.2 * torch.rand(batch, math.prod(SHAPES[kind]), generator=generator) - 0.1).clamp(0, 1)
    noise = {}
    if config["family"] == "denoising":
        fill = torch.randn if objective["corruption"] == "gaussian" else torch.rand
        noise["corruption"] = fill(images.shape, generator=generator)
    if objective.get("jacobian") == "estimate":
        bits = torch.randint(2, (batch * objective["samples"], code), generator=generator)
        noise["rademacher"] = 2.0 * bits - 1.0
    if config["family"] == "variational":
        noise["epsilon"] = torch.randn(batch * objective.get("samples", 1), code, generator=generator)
    if objective.get("binarize"):
        noise["binarisation"] = torch.rand(images.shape, generator=generator)
    return model.double(), images.double(), {name: tensor.double() for name, tensor in noise.items()}


def evaluate(model: Reference, images: Tensor, noise: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every computed value of a case by its name in the file."""
    terms = model.loss(images, noise, STEP / TOTAL_STEPS)
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad(terms["total"], list(parameters.values()))
    codes = model.encode(images)
    return {
        **{f"gradient.{name}": gradient for name, gradient in zip(parameters, gradients)},
        **{f"term.{name}": value for name, value in terms.items()},
        "codes": codes,
        "decoded": model.decode(codes),
    }


def smallest_margin(model: Reference, images: Tensor, noise: dict[str, Tensor]) -> float:
    """How near the case comes to a value where a branch changes."""
    margins = []
    kinked = [layer for layer in model.modules() if isinstance(layer, (nn.ReLU, nn.ELU))]
    handles = [layer.register_forward_pre_hook(lambda _, inputs: margins.append(inputs[0].abs().min())) for layer in kinked]
    evaluate(model, images, noise)
    for handle in handles:
        handle.remove()
    objective = model.objective
    if objective.get("penalty") == "top-k":
        ordered = model.encoder(images).sort(dim=1, descending=True).values
        for k in (model.training_k(STEP / TOTAL_STEPS), objective["evaluation_k"]):
            margins.append((ordered[:, k - 1] - ordered[:, k]).min())
    if objective.get("corruption") in ("masking", "salt-and-pepper"):
        margins += [(noise["corruption"] - limit).abs().min() for limit in (objective["level"], objective["level"] / 2)]
    likelihood = objective["likelihood"]
    if "laplace" in likelihood or "huber" in likelihood:
        distances = (images - model.decode(model.encode(images))).abs()
        margins.append(distances.min() if "laplace" in likelihood else (distances - likelihood["huber"]["delta"]).abs().min())
    if objective.get("binarize"):
        margins.append((noise["binarisation"] - images).abs().min())
    return min((margin.item() for margin in margins), default=math.inf)


def is_telling(values: dict[str, Tensor]) -> bool:
    """No term vanishes, and at least half of every gradient's entries are not zero (dead units prove nothing)."""
    gradients = [value for name, value in values.items() if name.startswith("gradient.")]
    terms = [value for name, value in values.items() if name.startswith("term.")]
    return all(value.abs() > MARGIN for value in terms) and all((value != 0).double().mean() >= 0.5 for value in gradients)


def write(folder: Path, name: str, config: dict) -> None:
    for seed in range(10_000):
        model, images, noise = draw(config, seed)
        values = evaluate(model, images, noise)
        if is_telling(values) and smallest_margin(model, images, noise) > MARGIN:
            break
    else:
        raise RuntimeError(f"{name}: no seed keeps its distance from every kink")
    tensors = {
        **{f"parameter.{key}": value for key, value in model.named_parameters()},
        **{f"noise.{key}": value for key, value in noise.items()},
        "images": images,
        **values,
    }
    case = {"config": config, "shape": SHAPES[config["network"]["kind"]], "step": STEP, "total_steps": TOTAL_STEPS,
            "progress": STEP / TOTAL_STEPS, "seed": seed}
    tensors = {key: value.detach().clone(memory_format=torch.contiguous_format) for key, value in tensors.items()}
    save_file(tensors, folder / f"{name}.safetensors", metadata={"case": json.dumps(case)})
    terms = "  ".join(f"{key[5:]} {value:.4f}" for key, value in tensors.items() if key.startswith("term."))
    print(f"{name:32} seed {seed:3}  {terms}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=DEFAULT_FOLDER, help="folder of the golden files")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, config in cases().items():
        write(arguments.out, name, config)


if __name__ == "__main__":
    main()
