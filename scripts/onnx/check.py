"""Exports a model of every recipe as ONNX, runs it in onnxruntime and compares the test images' codes and
reconstructions with those of Hourglass, as |a - b| <= 1e-5 max(1, |b|).

    python scripts/onnx/check.py target/release/hourglass [RUN...]

Without runs, every recipe is trained for some steps in a temporary directory first.
"""

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

TOLERANCE = 1e-5
BATCH = 500
STEPS = "5"
# What no recipe has: GELU, an activation after the decoder, a stochastic encoder that is convolutional.
VARIANTS = {
    "undercomplete-gelu": ["undercomplete", "--set", "network.activation=gelu"],
    "linear-sigmoid": ["linear", "--set", "network.output_activation=sigmoid"],
    "variational-conv": ["variational", "--set", 'network={kind="conv", channels=[8, 16], code=20}'],
}


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The float32 tensors of a file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[start:end], dtype="<f4").reshape(entry["shape"])
    return tensors


def run_graph(path: Path, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The graph's outputs by name, from batches of another size at the end."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    (given,) = session.get_inputs()
    batches = [session.run(names, {given.name: inputs[i : i + BATCH]}) for i in range(0, len(inputs), BATCH)]
    return {name: np.concatenate(parts) for name, parts in zip(names, zip(*batches))}


def worst(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The largest deviation of each row."""
    assert found.shape == expected.shape, f"expected {expected.shape}, found {found.shape}"
    return (np.abs(found - expected) / np.maximum(1, np.abs(expected))).max(axis=1)


def exchanged(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Rows of a top-k code in which rounding has exchanged the last unit that is kept with the next one."""
    deviates = np.abs(found - expected) > TOLERANCE * np.maximum(1, np.abs(expected))
    kept = np.where(expected != 0, expected, np.inf).min(axis=1, keepdims=True)
    # Where the two differ, one has 0 and the other a value that is as large as the least one kept.
    values = np.where(expected != 0, expected, found)
    is_last = np.abs(values - kept) <= TOLERANCE * np.maximum(1, np.abs(kept))
    is_zero = (found == 0) != (expected == 0)
    return deviates.any(axis=1) & (is_last & is_zero | ~deviates).all(axis=1)


class Checker:
    def __init__(self, hourglass: str, folder: Path):
        self.hourglass = hourglass
        self.folder = folder
        self.passed = True

    def call(self, *arguments: str) -> None:
        done = subprocess.run([self.hourglass, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{arguments}: {done.stderr}")

    def graph(self, run: Path, *options: str) -> Path:
        path = self.folder / "graph.onnx"
        self.call("export", run, "--format", "onnx", "--out", path, "--force", *options)
        return path

    def row(self, name: str, what: str, found: np.ndarray, expected: np.ndarray, skip: np.ndarray | None = None) -> None:
        deviations = worst(found, expected)
        note = ""
        if skip is not None:
            deviations = deviations[~skip]
            note = f"{int(skip.sum())} images with a margin too small for rounding left out" if skip.any() else ""
        passed = bool((deviations <= TOLERANCE).all()) and (skip is None or skip.mean() < 0.01)  # a NaN fails
        self.passed &= passed
        print(f"| {name} | {what} | {deviations.max():.1e} | {'ok' if passed else 'FAILED'} | {note} |", flush=True)

    def check(self, name: str, run: Path) -> None:
        examples = self.folder / "examples.safetensors"
        self.call("export", run, "--out", self.folder / "weights.safetensors", "--force", "--examples", examples)
        dump = read_safetensors(examples)
        images, codes, decoded = dump["images"], dump["codes"], dump["decoded"]
        config = json.loads((run / "config.json").read_text())
        objective = config["model"]["objective"]
        is_bernoulli = objective["likelihood"] == "bernoulli"
        means = 1 / (1 + np.exp(-decoded)) if is_bernoulli else decoded

        found = run_graph(self.graph(run, "--part", "encoder"), images)["codes"]
        skip = exchanged(found, codes) if objective.get("penalty") == "top-k" else None
        self.row(name, "encode", found, codes, skip)
        found = run_graph(self.graph(run, "--part", "decoder", "--logits"), codes)["reconstructions"]
        self.row(name, "decode", found, decoded)
        # Bytes are the stored pixels; dividing by 255 gives the images exactly as Hourglass has them.
        pixels = np.rint(images * 255).astype(np.uint8).reshape(-1, *config["shape"])
        found = run_graph(self.graph(run, "--bytes"), pixels)["reconstructions"]
        self.row(name, "reconstruct, from bytes", found, means, skip)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hourglass", help="the program")
    parser.add_argument("runs", nargs="*", type=Path, help="finished runs, in place of the recipes")
    arguments = parser.parse_args()
    print(f"onnxruntime {onnxruntime.__version__}\n\n| model | what | largest deviation | | |\n|---|---|--:|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(arguments.hourglass, Path(folder))
        for run in arguments.runs:
            checker.check(run.name, run)
        if not arguments.runs:
            recipes = sorted(path.parent.name for path in Path("models").glob("*/recipe.toml"))
            for name, settings in {**{recipe: [recipe] for recipe in recipes}, **VARIANTS}.items():
                run = Path(folder) / name
                sections = (Path("models") / settings[0] / "recipe.toml").read_text()
                steps = [f"{key}.steps={STEPS}" for key in ("pretraining.training", "training", "classifier")
                         if f"[{key}]" in sections]
                short = [argument for step in steps for argument in ("--set", step)]
                checker.call("train", *settings, "--backend", "flex", "--out", run, *short)
                checker.check(name, run)
    return 0 if checker.passed else 1


if __name__ == "__main__":
    sys.exit(main())
