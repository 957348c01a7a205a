"""Times whole programs, from their start to the last byte of what they write, in rounds that take turns.

    python scripts/bench/program.py --data DIRECTORY_OF_IDX_FILES [--hourglass target/release/hourglass] [--epochs 10]

W9: `hourglass train variational` on the full MNIST, measuring and pictures included, against PyTorch's own example with its
DataLoader. W10: the start of the binary, and the first pictures of a published model.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RAW = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def seconds(command: list, folder: Path, threads: int) -> tuple[float, str]:
    """Wall time of a command, and what it printed."""
    limited = {**os.environ, "RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    start = time.perf_counter()
    done = subprocess.run([str(word) for word in command], cwd=folder, env=limited, capture_output=True, text=True)
    elapsed = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{command}: {done.stderr}")
    return elapsed, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the four IDX files, unpacked")
    parser.add_argument("--hourglass", type=Path, default=Path("target/release/hourglass"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    hourglass, data = arguments.hourglass.resolve(), arguments.data.resolve()
    example = Path(__file__).parent / "vae_example.py"
    times, found = {}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = folder / "torch/MNIST/raw"
        raw.mkdir(parents=True)
        for file in RAW:
            (raw / file).symlink_to(data / file)
        for number in range(arguments.rounds):
            run = folder / f"run-{number}"
            ours = [hourglass, "train", "variational", "--data", data, "--epochs", arguments.epochs, "--out", run, "--backend", "flex",
                    "--set", "training.batch_size=128"]
            theirs = [sys.executable, example, folder / "torch", "--epochs", arguments.epochs, "--threads", arguments.threads,
                      "--out", folder / "weights.pt"]
            for who, command in (("Hourglass", ours), ("PyTorch's example", theirs)):
                elapsed, printed = seconds(command, folder, arguments.threads)
                times.setdefault(who, []).append(elapsed)
                found[who] = printed
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
            loss = json.loads((run / "summary.json").read_text())["test"]["negative_elbo"]
        starts = [seconds([hourglass, "--version"], folder, arguments.threads)[0] for _ in range(10)]
        draws = [seconds([hourglass, "sample", "variational", "--out", f"{n}.png"], folder, arguments.threads)[0] for n in range(10)]
    theirs = found["PyTorch's example"].splitlines()[-1]
    medians = {who: statistics.median(values) for who, values in times.items()}
    print(f"| | who | median s | min–max of {arguments.rounds} rounds | negative ELBO of the test images |\n|---|---|--:|--:|--:|")
    for who, values in times.items():
        elbo = f"{loss:.2f}" if who == "Hourglass" else theirs.split("test ")[1]
        print(f"| W9, {arguments.epochs} epochs | {who} | {medians[who]:.1f} | {min(values):.1f}–{max(values):.1f} | {elbo} |")
    ratio = medians["PyTorch's example"] / medians["Hourglass"]
    print(f"\nHourglass is {ratio:.2f} times as fast.")
    print(f"W10: start {1e3 * statistics.median(starts):.0f} ms, `sample variational` {1e3 * statistics.median(draws):.0f} ms.")


if __name__ == "__main__":
    main()
