"""Times PyTorch's training steps of a variational autoencoder 784-h-20-h-784 on the CPU.

ReLU, Bernoulli on random images in [0, 1], losses summed over features and averaged over the batch, Adam.
Prints a JSON line a round: the median milliseconds of its steps and the last loss.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "pytorch"))
from reference import Reference  # noqa: E402

SIZES = {(400, 128): 100, (1024, 512): 20}  # (hidden, batch): steps a round
WARM_UP_STEPS = 5
CODE = 20


def training(hidden: int, batch: int, compiled: bool, fused: bool) -> Iterator[float]:
    """Makes one training step each time it is advanced and yields the loss."""
    torch.manual_seed(0)
    model = Reference({
        "family": "variational",
        "network": {"kind": "mlp", "hidden": [hidden], "code": CODE, "activation": "relu", "code_activation": "linear",
                    "tied": False},
        "objective": {"beta": 1.0, "warmup": 0.0, "likelihood": "bernoulli"},
    }, [1, 28, 28])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-8, fused=fused)
    images = torch.rand(batch, 28 * 28)

    def total(epsilon):
        return model.loss(images, {"epsilon": epsilon}, progress=1.0)["total"]

    total = torch.compile(total) if compiled else total
    while True:
        loss = total(torch.randn(batch, CODE))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def time_round(steps: Iterator[float], count: int) -> dict[str, float]:
    """Median milliseconds a step and the last loss."""
    milliseconds = []
    for _ in range(count):
        start = time.perf_counter()
        loss = next(steps)
        milliseconds.append(1e3 * (time.perf_counter() - start))
    return {"step_ms": statistics.median(milliseconds), "loss": loss}


def modes() -> dict[str, dict]:
    """Eager with PyTorch's default Adam and with its fused one, and compiled."""
    return {
        "eager": {"compiled": False, "fused": False},
        "eager, fused Adam": {"compiled": False, "fused": True},
        "compile, fused Adam": {"compiled": True, "fused": True},
    }


def prepare(hidden: int, batch: int) -> dict[str, Iterator[float]]:
    """The warmed-up trainings of every mode that runs on this machine."""
    ready = {}
    for mode, options in modes().items():
        steps = training(hidden, batch, **options)
        try:
            for _ in range(WARM_UP_STEPS):
                next(steps)
        except Exception as error:  # torch.compile needs a C++ compiler, and fails in many ways without
            print(f"{mode}: not available ({type(error).__name__}: {error})", file=sys.stderr)
            continue
        ready[mode] = steps
    return ready


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for (hidden, batch), count in SIZES.items():
        trainings = prepare(hidden, batch)
        for _ in range(arguments.rounds):
            for mode, steps in trainings.items():
                result = {"hidden": hidden, "batch": batch, "mode": mode, **time_round(steps, count)}
                print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
