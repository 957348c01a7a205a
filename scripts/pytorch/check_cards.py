"""Runs the Python of every model card in models/ on the first test images, as a reader of the card would.

The mean squared error per image must be the one in metrics.json, within a thousandth. Not compared: denoising, which is measured
on corrupted images.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path

from check_export import read_images

MODELS = Path(__file__).resolve().parents[2] / "models"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with t10k-images-idx3-ubyte, plain or .gz")
    images = read_images(parser.parse_args().data)
    passed = True
    for card in sorted(MODELS.glob("*/README.md")):
        os.chdir(card.parent)
        (code,) = re.findall(r"```python\n(.*?)```", card.read_text(), re.DOTALL)
        scope = {"images": images}
        exec(code, scope)  # noqa: S102: our own card
        metrics = json.loads(Path("metrics.json").read_text())
        error = (images - scope["reconstructions"]).square().sum(dim=1).mean().item()
        expected = metrics["reconstruction"]["model"]["squared_error"]["value"]
        if "corrupted_squared_error" in metrics:
            print(f"{card.parent.name:14} squared error {error:.3f} of clean images")
            continue
        passed &= abs(error - expected) < 1e-3 * expected
        print(f"{card.parent.name:14} squared error {error:.3f}, in metrics.json {expected:.3f}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
