"""How time and memory of a training step grow with batch, width, depth and code, and those of an epoch with the images.

    cargo build --release
    python scripts/bench/scaling.py --out docs/scaling.svg

Prints a Markdown table: each exponent is the slope of the upper half of its line, in logarithms, next to the one that the number of
multiplications, or of values to be kept, leads to expect. Memory is the most that the process held, less that of the smallest network.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402


@dataclass(frozen=True)
class Point:
    """A network 784-hidden-code, and what it is trained on."""

    hidden: tuple[int, ...] = (512,)
    code: int = 32
    batch: int = 128
    family: str = "undercomplete"
    images: int | None = None  # an epoch of so many, in place of steps


@dataclass(frozen=True)
class Line:
    """What is changed, from point to point."""

    what: str
    values: tuple[int, ...]
    point: Callable[[int], Point]
    time: float  # the exponents expected
    memory: float


MOST_BATCH = 2048
LINES = [
    Line("batch", (128, 256, 512, 1024, MOST_BATCH), lambda n: Point(batch=n), 1, 1),
    Line("width", (256, 512, 1024, 2048, 4096), lambda n: Point(hidden=(n,)), 1, 1),
    Line("depth, of width 512", (1, 2, 4, 8, 16), lambda n: Point(hidden=(512,) * n), 1, 1),
    Line("code", (128, 256, 512, 1024, 2048), lambda n: Point(code=n), 1, 1),
    Line("code, contractive", (8, 16, 32, 64, 128), lambda n: Point(code=n, family="contractive"), 1, 1),
    Line("width, contractive", (128, 256, 512, 1024), lambda n: Point(hidden=(n,), family="contractive"), 2, 1),
    Line("images", (8_000, 16_000, 32_000, 64_000), lambda n: Point(images=n), 1, 0),
]
SMALLEST = Point(hidden=(1,), code=1, batch=1)


def recipe(point: Point) -> str:
    objective = "jacobian = \"exact\"\n" if point.family == "contractive" else ""
    return (
        f"family = \"{point.family}\"\n[network]\nkind = \"mlp\"\nhidden = {list(point.hidden)}\ncode = {point.code}\n"
        f"activation = \"tanh\"\n[objective]\n{objective}likelihood = \"bernoulli\"\n"
        f"[training]\nepochs = 1\nbatch_size = {point.batch}\n"
    )


def run(command: list, folder: Path) -> tuple[str, int]:
    """What a program prints, and the most bytes that it held."""
    with (folder / "out").open("w+") as out:
        process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=subprocess.PIPE)
        error = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"{command}: expected exit code 0, found {os.waitstatus_to_exitcode(status)}: {error.decode()}")
        out.seek(0)
        return out.read(), usage.ru_maxrss * 1024


def measure(hourglass: str, point: Point, folder: Path) -> tuple[float, float]:
    """Milliseconds of a step, or of an epoch, and bytes."""
    file = folder / "recipe.toml"
    file.write_text(recipe(point))
    # Noise of MNIST's size: what the images show takes no time.
    pixels = np.random.default_rng(0).integers(0, 256, (point.images or MOST_BATCH, 28, 28), dtype=np.uint8)
    np.save(folder / "images.npy", pixels)
    data = ["--data", folder / "images.npy", "--backend", "flex", "--json"]
    if point.images is None:
        command = [hourglass, "bench", file, *data, "--work", "training", "--seconds", "1.5"]
        out, peak = run(command, folder)
        return json.loads(out)["backends"][0]["training"]["step_ms"], peak
    command = [hourglass, "train", file, *data, "--out", folder / "run"]
    out, peak = run([*command, "--set", "data.validation=0.0"], folder)
    seconds = json.loads(out)["seconds"]
    shutil.rmtree(folder / "run")
    return 1e3 * seconds, peak


def exponent(values: tuple[int, ...], measured: list[float]) -> float:
    """The slope of the upper half of the line, in logarithms."""
    half = len(values) // 2
    return float(np.polyfit(np.log(values[half:]), np.log(measured[half:]), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hourglass", default="target/release/hourglass", help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True, help="the plot, an SVG")
    arguments = parser.parse_args()
    figure, axes = plt.subplots(2, len(LINES), figsize=(3 * len(LINES), 6), layout="constrained")
    print("| | from | to | ms | exponent of time | expected | MB | exponent of memory | expected |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as name:
        for line, (upper, lower) in zip(LINES, axes.T):
            images = line.point(line.values[0]).images
            _, base = measure(arguments.hourglass, replace(SMALLEST, images=images and 100), Path(name))
            rounds = [[measure(arguments.hourglass, line.point(value), Path(name)) for value in line.values]
                      for _ in range(arguments.rounds)]
            times = [statistics.median(found[i][0] for found in rounds) for i in range(len(line.values))]
            memory = [max(statistics.median(found[i][1] for found in rounds) - base, 1e5) / 1e6 for i in range(len(line.values))]
            print(f"| {line.what} | {line.values[0]} | {line.values[-1]} | {times[0]:.3g}–{times[-1]:.3g} "
                  f"| {exponent(line.values, times):.2f} | {line.time:g} | {memory[0]:.3g}–{memory[-1]:.3g} "
                  f"| {exponent(line.values, memory):.2f} | {line.memory:g} |", flush=True)
            for axis, measured, expected, unit in [(upper, times, line.time, "ms"), (lower, memory, line.memory, "MB")]:
                axis.loglog(line.values, measured, "o-", color="C0")
                guide = [measured[-1] * (value / line.values[-1]) ** expected for value in line.values]
                axis.loglog(line.values, guide, "--", color="gray", label=f"exponent {expected:g}")
                axis.set_xlabel(line.what)
                axis.set_ylabel(unit)
                axis.legend(frameon=False)
    figure.savefig(arguments.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
