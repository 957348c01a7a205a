"""Compares the training steps of PyTorch and Hourglass on this machine, in rounds that take turns.

The command given by --hourglass gets `--hidden H --batch B --backend NAME --steps N` and prints one JSON line
{"step_ms": .., "loss": ..}. Prints a Markdown table. A PyTorch training goes on from round to round, while Hourglass
starts each round afresh: the losses shown are those of the first round, after the same number of steps.
"""

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

import torch

from step_times import SIZES, WARM_UP_STEPS, prepare, time_round


def hourglass_round(command: list[str], hidden: int, batch: int, backend: str, steps: int, threads: int) -> dict:
    """One run of the Hourglass program; the last line on its standard output is the result."""
    options = {"hidden": hidden, "batch": batch, "backend": backend, "steps": steps}
    call = [*command, *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
    limited = {**os.environ, "RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(call, env=limited, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0 or not done.stdout.strip():
        sys.exit(f"{shlex.join(call)}: expected exit code 0 and a JSON line, found {done.returncode} and {done.stdout!r}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace, hidden: int, batch: int, steps: int) -> dict[str, list[dict]]:
    """Every round's result by the contestant's name."""
    trainings = prepare(hidden, batch)
    command = shlex.split(arguments.hourglass)
    results = {}
    for number in range(arguments.rounds):
        for mode, training in trainings.items():
            results.setdefault(f"PyTorch {mode}", []).append(time_round(training, steps))
        for backend in arguments.backends.split(","):
            found = hourglass_round(command, hidden, batch, backend, steps, arguments.threads)
            results.setdefault(f"Hourglass {backend}", []).append(found)
        print(f"h={hidden} b={batch}: round {number + 1} of {arguments.rounds}", file=sys.stderr)
    return results


def rows(hidden: int, batch: int, results: dict[str, list[dict]]) -> list[str]:
    """The table's rows of a size; the ratio is the fastest PyTorch mode's median by the contestant's."""
    medians = {name: statistics.median(found["step_ms"] for found in rounds) for name, rounds in results.items()}
    fastest = min(median for name, median in medians.items() if name.startswith("PyTorch"))
    lines = []
    for name, rounds in results.items():
        times = [found["step_ms"] for found in rounds]
        lines.append(f"| {hidden} | {batch} | {name} | {medians[name]:.2f} | {min(times):.2f}–{max(times):.2f} "
                     f"| {fastest / medians[name]:.2f} | {rounds[0]['loss']:.2f} |")
    return lines


def processor() -> str:
    """The processor's name, as Linux tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hourglass", required=True, metavar="COMMAND", help="for example 'cargo bench -q --workspace --bench step --'")
    parser.add_argument("--backends", default="flex,ndarray", help="comma-separated (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    table = [line for (hidden, batch), steps in SIZES.items()
             for line in rows(hidden, batch, measure(arguments, hidden, batch, steps))]
    print("| hidden | batch | who | median ms a step | min–max of the rounds | fastest PyTorch / this | loss |")
    print("|--:|--:|---|--:|--:|--:|--:|")
    print("\n".join(table))
    print(f"\n{arguments.rounds} rounds that take turns, {arguments.threads} threads each, {processor()}, {platform.system()}; "
          f"PyTorch {torch.__version__}, Python {platform.python_version()}. "
          f"Loss: after the first round's {list(SIZES.values())} steps, for PyTorch and {WARM_UP_STEPS} of warm-up.")


if __name__ == "__main__":
    main()
