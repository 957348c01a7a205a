"""Checks the ONNX graphs of a model of every recipe against Hourglass.

    python scripts/onnx/check.py target/release/hourglass [RUN...]

The format's own checker goes over each graph, and what onnxruntime makes of the test images is compared with the codes and
reconstructions of Hourglass, as |a - b| <= 1e-5 max(1, |b|).
Without runs, every recipe is trained for some steps in a temporary directory first.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from graphs import Program, graph_outputs, hourglass_outputs

sys.path.append(str(Path(__file__).resolve().parents[1]))
from comparison import TOLERANCE, deviations, within  # noqa: E402

STEPS = "5"
# The samples that are compared are those to test on, which a table has only if they are asked for.
TESTS = {"tabular": ["--test-fraction", "0.4"]}
# What no recipe has: GELU, an activation after the decoder, a stochastic encoder that is convolutional.
VARIANTS = {
    "undercomplete-gelu": ["undercomplete", "--set", "network.activation=gelu"],
    "linear-sigmoid": ["linear", "--set", "network.output_activation=sigmoid"],
    "variational-conv": ["variational", "--set", 'network={kind="conv", channels=[8, 16], code=20}'],
}


def exchanged(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Rows of a top-k code in which rounding has exchanged the last unit that is kept with the next one."""
    deviates = np.abs(found - expected) > TOLERANCE * np.maximum(1, np.abs(expected))
    kept = np.where(expected != 0, expected, np.inf).min(axis=1, keepdims=True)
    # Where the two differ, one has 0 and the other a value that is as large as the least one kept.
    values = np.where(expected != 0, expected, found)
    is_last = np.abs(values - kept) <= TOLERANCE * np.maximum(1, np.abs(kept))
    is_zero = (found == 0) != (expected == 0)
    return deviates.any(axis=1) & (is_last & is_zero | ~deviates).all(axis=1)


class Table:
    def __init__(self, program: Program):
        self.program = program
        self.passed = True
        print("| model | what | largest deviation | | |\n|---|---|--:|---|---|")

    def row(self, name: str, what: str, deviation: str, passed: bool, note: str = "") -> None:
        self.passed &= passed
        print(f"| {name} | {what} | {deviation} | {'ok' if passed else 'FAILED'} | {note} |", flush=True)

    def check(self, name: str, run: Path) -> None:
        expected = hourglass_outputs(self.program, run)
        found, complaints = graph_outputs(self.program, run, expected)
        self.row(name, "onnx.checker", "", not complaints, "; ".join(complaints))
        objective = json.loads((run / "config.json").read_text())["model"]["objective"]
        for what, values in found.items():
            skip = np.zeros(len(values), dtype=bool)
            if objective.get("penalty") == "top-k" and what != "decode":
                skip = exchanged(found["encode"], expected["encode"])
            note = f"{skip.sum()} images with a margin too small for rounding left out" if skip.any() else ""
            kept = deviations(values, expected[what])[~skip]
            passed = within(kept) and skip.mean() < 0.01
            self.row(name, what, f"{kept.max(initial=0):.1e}", passed, note)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hourglass", help="the program")
    parser.add_argument("runs", nargs="*", type=Path, help="finished runs, in place of the recipes")
    arguments = parser.parse_args()
    print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}\n")
    with tempfile.TemporaryDirectory() as folder:
        table = Table(Program(arguments.hourglass, Path(folder)))
        for run in arguments.runs:
            table.check(run.name, run)
        if not arguments.runs:
            recipes = sorted(path.parent.name for path in Path("models").glob("*/recipe.toml"))
            settings_of = {recipe: [recipe, *TESTS.get(recipe, [])] for recipe in recipes}
            for name, settings in {**settings_of, **VARIANTS}.items():
                run = Path(folder) / name
                sections = (Path("models") / settings[0] / "recipe.toml").read_text()
                steps = [f"{key}.steps={STEPS}" for key in ("pretraining.training", "training", "classifier")
                         if f"[{key}]" in sections]
                short = [argument for step in steps for argument in ("--set", step)]
                table.program.call("train", *settings, "--backend", "flex", "--out", run, *short)
                table.check(name, run)
    return 0 if table.passed else 1


if __name__ == "__main__":
    sys.exit(main())
