"""Hourglass beside PyTorch and onnxruntime, one table over all models.

    python scripts/parity.py [MODEL_DIR...] [--hourglass target/release/hourglass]

By default the models are the folders of models/ that have weights. All programs compute in float32, with the same stored
weights, for all test images: encode and reconstruct of the images, decode of the codes that Hourglass gave. Hourglass
passes where |a - b| <= 1e-5 max(1, |b|) against both of the others. Beside that stands how far each of the three is from
PyTorch in float64: what float32 costs, whoever computes.

Two more tables have the losses, and what it costs to store the weights in float16.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.torch import load_file
from torch import Tensor

for folder in ("pytorch", "onnx"):
    sys.path.append(str(Path(__file__).resolve().parent / folder))
from check_export import clear_selection, load  # noqa: E402
from comparison import TOLERANCE, deviations, within  # noqa: E402
from graphs import Program, graph_outputs, hourglass_outputs  # noqa: E402
from reference import Reference  # noqa: E402

OTHERS = ("PyTorch", "onnxruntime")
EVALUATION_BATCH = 500  # of Hourglass: the mean activations of sparse-kl are those of a batch
PARITY_HEAD = (
    "| model | what | images | Hourglass - PyTorch | Hourglass - onnxruntime | "
    "| Hourglass - float64 | PyTorch - float64 | onnxruntime - float64 |\n|---|---|--:|--:|--:|---|--:|--:|--:|"
)
STORAGE_HEAD = (
    "| model | stored as | largest change of a code | largest code | squared error | in float16 | change "
    "| negative ELBO | in float16 | change |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def torch_outputs(model: Reference, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a model makes of the images and codes, in the precision of its weights."""
    precision = next(model.parameters()).dtype
    images, codes = (torch.from_numpy(given[name]).to(precision) for name in ("images", "encode"))
    encoded = model.encode(images)
    outputs = {"encode": encoded, "decode": model.decode(codes), "reconstruct": model.mean_images(model.decode(encoded))}
    return {what: values.numpy() for what, values in outputs.items()}


def altered(program: Program, run: Path) -> list[str]:
    """The weights that are others once Hourglass has read and written them: some, as those of the log-variances and of units
    that are always off, change none of the outputs that are compared.
    """
    stored, exported = load_file(run / "model.safetensors"), load_file(program.weights(run))
    same = {name for name in stored if name in exported and torch.equal(stored[name].float(), exported[name])}
    return [f"weights: {name} is not exported as it is stored" for name in sorted((stored.keys() | exported.keys()) - same)]


def parity(program: Program, run: Path, given: dict[str, np.ndarray]) -> list[dict]:
    """A row for each of encode, decode and reconstruct."""
    precise = load(run).double()
    truth = torch_outputs(precise, given)
    graphs, complaints = graph_outputs(program, run, given)
    complaints = [*altered(program, run), *(f"onnx.checker: {complaint}" for complaint in complaints)]
    computed = {"Hourglass": given, "PyTorch": torch_outputs(load(run), given), "onnxruntime": graphs}
    clear = np.ones(len(given["images"]), dtype=bool)
    if precise.objective.get("penalty") == "top-k":
        clear = clear_selection(precise, torch.from_numpy(given["images"]).double()).numpy()
    rows = []
    for what, expected in truth.items():
        kept = np.ones_like(clear) if what == "decode" else clear
        others = {name: deviations(given[what], computed[name][what])[kept] for name in OTHERS}
        float64 = {name: deviations(outputs[what], expected)[kept] for name, outputs in computed.items()}
        rows.append({
            "model": run.name,
            "what": what,
            "images": int(kept.sum()),
            "left_out": np.flatnonzero(~kept).tolist(),
            "hourglass_against": {name: float(found.max(initial=0)) for name, found in others.items()},
            "against_float64": {name: float(found.max(initial=0)) for name, found in float64.items()},
            "complaints": complaints,
            "passed": not complaints and all(map(within, others.values())),
        })
    return rows


def loss(program: Program, run: Path, images: Tensor) -> dict | None:
    """What `evaluate` says of the loss, and what PyTorch computes; nothing where the loss draws noise or needs a gradient itself."""
    model = load(run)
    if model.family in ("variational", "contractive") or "corruption" in model.objective:
        return None
    found = json.loads(program.call("evaluate", run, "--json", "--backend", "flex", "--measures", "robustness"))["loss"]
    batches = images.split(EVALUATION_BATCH)
    totals = [model.loss(batch, {}, progress=1.0, training=False)["total"].item() * len(batch) for batch in batches]
    expected = sum(totals) / len(images)
    return {"model": run.name, "hourglass": found, "pytorch": expected, "passed": abs(found - expected) <= TOLERANCE * abs(expected)}


def negative_elbo(model: Reference, images: Tensor) -> float:
    """Of one sample per image, with noise that is the same at every call."""
    model.objective = {**model.objective, "samples": 1}
    generator = torch.Generator().manual_seed(0)
    total = 0.0
    for batch in images.split(100):  # small ones, whose sum in float32 has digits left for a small change
        noise = {
            "binarisation": torch.rand(batch.shape, generator=generator),
            "epsilon": torch.randn(len(batch), model.network["code"], generator=generator),
        }
        total += len(batch) * float(model.loss(batch, noise, progress=1.0, training=False)["negative_elbo"])
    return total / len(images)


def measure(model: Reference, images: Tensor) -> tuple[Tensor, dict[str, float]]:
    """The codes, and the errors that the two precisions of the weights are compared by."""
    codes = model.encode(images)
    shown = model.mean_images(model.decode(codes))
    errors = {"squared_error": float((images - shown).double().square().sum(dim=1).mean())}
    if model.family == "variational":
        errors["negative_elbo"] = negative_elbo(model, images)
    return codes, errors


def storage(program: Program, run: Path, images: Tensor) -> dict:
    """What float16 weights cost, computed with in float32."""
    precisions = {str(weight.dtype).removeprefix("torch.") for weight in load_file(run / "model.safetensors").values()}
    model = load(run)
    codes, errors = measure(model, images)
    half_codes, half_errors = measure(load(run, program.weights(run, "--precision", "float16")), images)
    other_units = ((half_codes == 0) != (codes == 0)).any(dim=1)
    return {
        "model": run.name,
        "stored_as": "/".join(sorted(precisions)),
        "code_change": float((half_codes - codes).abs().max()),
        "largest_code": float(codes.abs().max()),
        "other_units": int(other_units.sum()) if model.objective.get("penalty") == "top-k" else 0,
        "errors": errors,
        "float16_errors": half_errors,
    }


def parity_line(row: dict) -> str:
    others, float64 = ([f"{found:.1e}" for found in row[name].values()] for name in ("hourglass_against", "against_float64"))
    cells = [row["model"], row["what"], f"{row['images']:,}", *others, "ok" if row["passed"] else "FAILED", *float64]
    return f"| {' | '.join(cells)} |"


def storage_line(row: dict) -> str:
    cells = [row["model"], row["stored_as"], f"{row['code_change']:.1e}", f"{row['largest_code']:.1f}"]
    for term, digits in (("squared_error", 4), ("negative_elbo", 3)):
        found = [row[name].get(term) for name in ("errors", "float16_errors")]
        if None in found:
            cells += [""] * 3
        else:
            cells += [*(f"{value:.{digits}f}" for value in found), f"{found[1] - found[0]:+.1e}"]
    return f"| {' | '.join(cells)} |"


def parity_notes(rows: list[dict]) -> list[str]:
    """What the table has no room for."""
    notes = []
    for row in rows:
        if row["what"] == "encode" and row["left_out"]:
            notes.append(
                f"{row['model']}: {len(row['left_out'])} images whose last unit that is kept is less than {TOLERANCE:.0e} above "
                f"the next one are left out of encode and reconstruct: {', '.join(map(str, row['left_out']))}"
            )
        if row["what"] == "encode":
            notes += [f"{row['model']}: FAILED: {complaint}" for complaint in row["complaints"]]
    return notes


def storage_notes(costs: list[dict]) -> list[str]:
    """Why a code changes by so much where the largest units are kept."""
    notes = []
    for row in costs:
        if row["other_units"]:
            notes.append(f"{row['model']}: {row['other_units']:,} images keep another unit, "
                         "and the whole of its value is a change of their code")
    return notes


@torch.no_grad()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL_DIR", help="config.json and model.safetensors")
    parser.add_argument("--hourglass", default="target/release/hourglass")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the numbers there, unrounded")
    arguments = parser.parse_args()
    models = arguments.models or sorted(path.parent for path in Path("models").glob("*/model.safetensors"))
    if not models:
        sys.exit("models: expected folders with model.safetensors, found none")
    rows, costs, losses = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        program = Program(arguments.hourglass, Path(folder))
        print(f"{program.call('--version').strip()}, torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, "
              f"onnx {onnx.__version__}\n\nLargest |a - b| / max(1, |b|) of all test images; limit {TOLERANCE:.0e}, "
              f"for Hourglass against the others:\n\n{PARITY_HEAD}")
        for run in models:
            given = hourglass_outputs(program, run)
            rows += parity(program, run, given)
            print(*map(parity_line, rows[-3:]), sep="\n", flush=True)
            images = torch.from_numpy(given["images"])
            costs.append(storage(program, run, images))
            losses += filter(None, [loss(program, run, images)])
    for note in parity_notes(rows):
        print(f"\n{note}")
    print("\nLosses of the test images, where they draw no noise:\n\n| model | Hourglass | PyTorch | |\n|---|--:|--:|---|")
    for row in losses:
        print(f"| {row['model']} | {row['hourglass']:.5f} | {row['pytorch']:.5f} | {'ok' if row['passed'] else 'FAILED'} |")
    print("\nWeights stored in float16, computed with in float32:\n", STORAGE_HEAD, *map(storage_line, costs), sep="\n")
    for note in storage_notes(costs):
        print(f"\n{note}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"parity": rows, "losses": losses, "float16": costs}, indent=1))
    failed = sum(not row["passed"] for row in [*rows, *losses])
    print(f"\n{len(models)} models, {len(rows) + len(losses)} comparisons, {failed} FAILED")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
