"""Times a training on a machine that others use as well: beside programs that keep a core busy, beside another training, and with
more threads than there are cores.

    python scripts/bench/contention.py [--hourglass target/release/hourglass] [--rounds 3] [--steps 1500] [--recipe variational]

Prints the median seconds of each, and how many times that of the training alone it is.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUSY = [sys.executable, "-c", "while True: pass"]


@contextlib.contextmanager
def busy(count: int):
    """So many programs beside, each of which keeps a core busy."""
    programs = [subprocess.Popen(BUSY) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def seconds(command: list[str], folder: Path, threads: int, at_once: int) -> float:
    """Wall time of so many trainings, begun together, until the last one ends."""
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "HOURGLASS_DATA": str(folder / "data")}
    with tempfile.TemporaryDirectory(dir=folder) as runs:
        start = time.perf_counter()
        trainings = [
            subprocess.Popen([*command, "--out", f"{runs}/{number}"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for number in range(at_once)
        ]
        codes = [training.wait() for training in trainings]
        elapsed = time.perf_counter() - start
    if any(codes):
        sys.exit(f"{command} ended with {codes}")
    return elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hourglass", type=Path, default=Path("target/release/hourglass"))
    parser.add_argument("--recipe", default="variational")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    command = [str(arguments.hourglass.resolve()), "train", arguments.recipe, "--set", f"training.steps={arguments.steps}"]
    threads = arguments.threads
    # What, programs beside, threads, trainings at once.
    cases = [
        ("alone", 0, threads, 1),
        ("beside one busy program", 1, threads, 1),
        ("beside two", 2, threads, 1),
        ("two trainings at once", 0, threads, 2),
        ("8 threads", 0, 8, 1),
        ("32 threads", 0, 32, 1),
    ]
    times = {case: [] for case, *_ in cases}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds(command, folder, threads, 1)  # fills the caches
        for _ in range(arguments.rounds):
            for case, programs, asked, at_once in cases:
                with busy(programs):
                    times[case].append(seconds(command, folder, asked, at_once))
    alone = statistics.median(times["alone"])
    print(f"| `train {arguments.recipe}`, {arguments.steps} steps, {threads} cores | median s | min–max of {arguments.rounds} | times alone |\n|---|--:|--:|--:|")
    for case, found in times.items():
        median = statistics.median(found)
        print(f"| {case} | {median:.1f} | {min(found):.1f}–{max(found):.1f} | {median / alone:.2f} |")


if __name__ == "__main__":
    main()
