"""What a training and what comes after it cost on images of several sizes: time and memory of each, apart.

    cargo build --release
    python scripts/bench/sizes.py

Prints a Markdown table. The images are noise summed over octaves, whose spectrum falls as that of photographs does. A training ends when
`model.safetensors` is there; what comes after is the measuring and drawing. Memory is the most that the process held of its own, files that it
maps not counted. The exponents are the slopes between the smallest and the largest images.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CHANNELS = 3


def make_images(path: Path, count: int, side: int) -> None:
    """A .npy file of `count` images, `[count, 3, side, side]`."""
    generator = np.random.default_rng(0)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, CHANNELS, side, side))
    for image in out:
        total = np.zeros((CHANNELS, side, side), np.float32)
        size = 2
        while size <= side:
            octave = generator.normal(size=(CHANNELS, size, size)).astype(np.float32) / size
            total += np.kron(octave, np.ones((1, side // size, side // size), np.float32))
            size *= 2
        image[:] = np.clip(128 + 160 * total, 0, 255)
    out.flush()


def own_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


def measure(program: Path, recipe: str, images: Path, folder: Path) -> dict:
    run = folder / "run"
    command = [program, "train", recipe, "--epochs", "1", "--backend", "flex", "--data", images, "--out", run]
    began = time.monotonic()
    environment = {"HOURGLASS_DATA": str(folder / "data"), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    weights = run / "model.safetensors"
    ended = None
    memory = {"training": 0, "after": 0, "end": 0}
    while process.poll() is None:
        if ended is None and weights.exists():
            ended = time.monotonic()
            memory["end"] = own_bytes(process.pid)
        part = "training" if ended is None else "after"
        memory[part] = max(memory[part], own_bytes(process.pid))
        time.sleep(0.02)
    stopped = time.monotonic()
    if process.returncode != 0:
        sys.exit(f"{command}: expected exit code 0, found {process.returncode}: {process.stderr.read().decode()}")
    summary = json.loads((run / "summary.json").read_text())
    split = next(name for name in ("test", "validation", "train") if name in summary)
    return {
        "training": (ended or stopped) - began,
        "after": stopped - (ended or stopped),
        "memory": memory,
        "fitted_to": summary[split]["pca"].get("fitted_to"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=Path("target/release/hourglass"))
    parser.add_argument("--recipes", nargs="+", default=["conv", "undercomplete"])
    parser.add_argument("--counts", nargs="+", type=int, default=[500, 5000])
    parser.add_argument("--sides", nargs="+", type=int, default=[32, 64, 128, 256])
    arguments = parser.parse_args()
    program = arguments.program.resolve()
    print("| recipe | images | of | training, s | after it, s | training, MB | after it, MB | PCA fitted to |")
    print("|---|--:|---|--:|--:|--:|--:|--:|")
    for recipe in arguments.recipes:
        for count in arguments.counts:
            found = []
            for side in arguments.sides:
                with tempfile.TemporaryDirectory() as folder:
                    images = Path(folder) / "images.npy"
                    make_images(images, count, side)
                    result = measure(program, recipe, images, Path(folder))
                found.append(result)
                memory = {part: value / 1e6 for part, value in result["memory"].items()}
                print(
                    f"| `{recipe}` | {count} | 3x{side}x{side} | {result['training']:.1f} | {result['after']:.1f} "
                    f"| {memory['training']:.0f} | {memory['after']:.0f} | {result['fitted_to'] or 'all'} |",
                    flush=True,
                )
            growth = 2 * math.log(arguments.sides[-1] / arguments.sides[0])
            if len(found) > 1:
                slopes = [math.log(found[-1][part] / found[0][part]) / growth for part in ("training", "after")]
                print(f"| | {count} | exponents | {slopes[0]:.2f} | {slopes[1]:.2f} | | | |", flush=True)


if __name__ == "__main__":
    main()
