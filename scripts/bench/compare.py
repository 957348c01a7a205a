"""Compares training steps of PyTorch and Hourglass on this machine, in rounds that take turns, and prints a Markdown table.

    cargo build --release
    python scripts/bench/compare.py --data DIRECTORY_OF_IDX_FILES [W1 W4 ...]
    python scripts/bench/compare.py --data DIRECTORY_OF_IDX_FILES --device cuda --backends wgpu

Both begin with the same weights and get the same images of MNIST in the same order. A PyTorch training goes on from round to
round, while Hourglass starts each round afresh: the losses shown are those of the first round, after the same number of steps.
"""

import argparse
import json
import math
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from floor import bandwidth, floor_milliseconds, peak_flops
from workloads import SHAPE, WORKLOADS, Workload, steps, write_model
from check_export import read_images  # of scripts/pytorch, which workloads has made known

WARM_UP_STEPS = 5
GROUP_MILLISECONDS = 20
IMAGES = 10_000
MODES = {
    "eager": {"compile_mode": None, "fused": False},
    "eager, fused Adam": {"compile_mode": None, "fused": True},
    "compile, fused Adam": {"compile_mode": "default", "fused": True},
}
# CUDA graphs of loss and gradients; the ratio is to the modes without TF32, so that both sides compute in float32.
CUDA_MODES = MODES | {
    "compile with CUDA graphs, fused Adam": {"compile_mode": "reduce-overhead", "fused": True},
    "compile with CUDA graphs, fused Adam, TF32": {"compile_mode": "reduce-overhead", "fused": True, "tf32": True},
}


def time_group(work: Iterator[Tensor], count: int) -> tuple[float, Tensor]:
    """Milliseconds of a step, and what the last one gave."""
    start = time.perf_counter()
    for _ in range(count):
        last = next(work)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start) / count, last


def time_round(work: Iterator[Tensor], count: int, group: int) -> dict[str, float]:
    """Median milliseconds a step over groups of steps, as `hourglass bench` has them, and the last loss."""
    milliseconds = []
    for done in range(0, count, group):
        step, last = time_group(work, min(group, count - done))
        milliseconds.append(step)
    return {"step_ms": statistics.median(milliseconds), "loss": last.mean().item()}


def prepare(workload: Workload, folder: Path, images: Tensor, device: str) -> dict[str, tuple[Iterator[Tensor], int]]:
    """The warmed-up trainings of every mode that runs on this machine, each with the steps that are timed together."""
    ready = {}
    torch._dynamo.reset()  # what one workload has made it generalise is nothing to the next
    for mode, options in (CUDA_MODES if device == "cuda" else MODES).items():
        if workload.encodes and options["fused"] and options["compile_mode"] is None:
            continue  # without an optimiser it is the mode before
        torch.manual_seed(0)
        work = steps(workload, folder, images, device, **options)
        try:
            time_group(work, WARM_UP_STEPS - 1)
            one, _ = time_group(work, 1)
        except Exception as error:  # torch.compile needs a C++ compiler, and fails in many ways without
            print(f"{workload.name} {mode}: not available ({type(error).__name__}: {error})", file=sys.stderr)
            continue
        ready[mode] = work, math.ceil(GROUP_MILLISECONDS / one)
    return ready


def hourglass_round(command: list[str], workload: Workload, folder: Path, backend: str, threads: int) -> dict:
    """One run of `hourglass bench`."""
    work = "encoding" if workload.encodes else "training"
    options = {"data": folder / "images.npy", "batch": workload.batch, "backend": backend, "steps": workload.steps, "work": work}
    call = [*command, "bench", str(folder), "--json"]
    call += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    limited = {**os.environ, "RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(call, env=limited, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0 or not done.stdout.strip():
        sys.exit(f"{shlex.join(call)}: expected exit code 0 and JSON, found {done.returncode} and {done.stdout!r}")
    return json.loads(done.stdout)["backends"][0][work]


def measure(arguments: argparse.Namespace, workload: Workload, images: Tensor) -> dict[str, list[dict]]:
    """Every round's result by the contestant's name."""
    command = shlex.split(arguments.hourglass)
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(workload, folder)
        pixels = (images * 255).round().to(torch.uint8).numpy()
        np.save(folder / "images.npy", pixels.reshape(-1, *SHAPE[1:]))
        whole = images[: len(images) // workload.batch * workload.batch]
        trainings = prepare(workload, folder, whole, arguments.device)
        for number in range(arguments.rounds):
            for mode, (work, group) in trainings.items():
                results.setdefault(f"PyTorch {mode}", []).append(time_round(work, workload.steps, group))
            for backend in arguments.backends.split(","):
                found = hourglass_round(command, workload, folder, backend, arguments.threads)
                results.setdefault(f"Hourglass {backend}", []).append(found)
            print(f"{workload.name}: round {number + 1} of {arguments.rounds}", file=sys.stderr)
    return results


def rows(workload: Workload, results: dict[str, list[dict]]) -> list[str]:
    """The table's rows of a workload; the ratio is the fastest PyTorch mode's median by the contestant's."""
    medians = {name: statistics.median(found["step_ms"] for found in rounds) for name, rounds in results.items()}
    fastest = min(median for name, median in medians.items() if name.startswith("PyTorch") and "TF32" not in name)
    lines = []
    for name, rounds in results.items():
        times = [found["step_ms"] for found in rounds]
        loss = "" if workload.encodes else f"{rounds[0]['loss']:.3f}"
        lines.append(f"| {workload.name} | {name} | {medians[name]:.2f} | {min(times):.2f}–{max(times):.2f} "
                     f"| {fastest / medians[name]:.2f} | {loss} |")
    return lines


def processor() -> str:
    """The processor's name, as Linux tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", metavar="W", help="W1 to W8 (default: all)")
    parser.add_argument("--hourglass", default="target/release/hourglass", metavar="COMMAND", help="(default: %(default)s)")
    parser.add_argument("--data", type=Path, required=True, help="folder with t10k-images-idx3-ubyte, plain or .gz")
    parser.add_argument("--backends", default="flex,ndarray", help="comma-separated (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="of PyTorch: cpu or cuda (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch._dynamo.config.fail_on_recompile_limit_hit = True  # in place of going on uncompiled, silently
    images = read_images(arguments.data)[:IMAGES]
    chosen = [workload for workload in WORKLOADS if workload.name in (arguments.workloads or workload.name)]
    table, floors = [], []
    for workload in chosen:
        table += rows(workload, measure(arguments, workload, images))
        products, optimiser = floor_milliseconds(workload, peak_flops(arguments.device), bandwidth(arguments.device))
        floors.append(f"| {workload.name} | {workload.what} | {workload.batch} | {products:.2f} | {optimiser:.2f} |")
    print("| | who | median ms a step | min–max of the rounds | fastest PyTorch / this | loss |")
    print("|---|---|--:|--:|--:|--:|")
    print("\n".join(table))
    print("\n| | what | batch | floor of the matrix products, ms | of the optimiser's memory, ms |\n|---|---|--:|--:|--:|")
    print("\n".join(floors))
    where = torch.cuda.get_device_name() if arguments.device == "cuda" else processor()
    print(f"\n{arguments.rounds} rounds that take turns, {arguments.threads} threads each, {where}, {platform.system()}; "
          f"PyTorch {torch.__version__}, Python {platform.python_version()}. Losses: of the first round's last step.")


if __name__ == "__main__":
    main()
