"""Trains an exported model on for an epoch in PyTorch, imports the weights, and compares the errors on the test images.

    python scripts/pytorch/round_trip.py RUN --data DIRECTORY_OF_IDX_FILES --hourglass target/release/hourglass

The weights go Hourglass -> PyTorch -> Hourglass; the squared error that PyTorch measures after its epoch must be the one that
`hourglass evaluate` prints of the imported model.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from check_export import load, read_images
from comparison import TOLERANCE  # of scripts/, which check_export has made known
from reference import Reference

BATCH = 128
LEARNING_RATE = 1e-4


def draw_noise(model: Reference, images: Tensor) -> dict[str, Tensor]:
    """What the losses of the families draw."""
    samples = model.objective.get("samples", 1)
    return {"epsilon": torch.randn(len(images) * samples, model.network["code"])}


def refuse(model: dict) -> None:
    """Models whose loss or evaluation this script does not have."""
    objective = model["objective"]
    reasons = {
        "corrupted images": "corruption" in objective,
        "binary images": objective.get("binarize", False),
        "an estimated Jacobian": objective.get("jacobian") == "estimate",
    }
    for reason, applies in reasons.items():
        if applies:
            sys.exit(f"expected a model without {reason}")


def train_epoch(model: Reference, images: Tensor) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    for batch in images[torch.randperm(len(images))].split(BATCH):
        optimizer.zero_grad()
        model.loss(batch, draw_noise(model, batch), progress=1.0)["total"].backward()
        optimizer.step()


@torch.no_grad()
def squared_error(model: Reference, images: Tensor) -> float:
    shown = model.mean_images(model.decode(model.encode(images)))
    return float((images - shown).double().square().sum(dim=1).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="of a family without corruption")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the images that it was trained on")
    parser.add_argument("--hourglass", default="target/release/hourglass")
    arguments = parser.parse_args()
    refuse(json.loads((arguments.run / "config.json").read_text())["model"])
    torch.manual_seed(0)
    model = load(arguments.run)
    test = read_images(arguments.data, "t10k")
    print(f"before the epoch  {squared_error(model, test):.6f}")
    train_epoch(model.train(), read_images(arguments.data, "train"))
    expected = squared_error(model.eval(), test)
    with tempfile.TemporaryDirectory() as folder:
        weights, imported = Path(folder) / "weights.safetensors", Path(folder) / "imported"
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, weights)
        config = arguments.run / "config.json"
        subprocess.run([arguments.hourglass, "import", weights, "--config", config, "--out", imported], check=True)
        command = [arguments.hourglass, "evaluate", imported, "--json", "--measures", "reconstruction", "--backend", "flex"]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["squared_error"]
    passed = abs(found - expected) <= TOLERANCE * expected
    print(f"after, in PyTorch {expected:.6f}\nimported          {found:.6f}  {'ok' if passed else 'FAILED'}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
