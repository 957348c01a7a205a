"""Writes what PyTorch computes with the models of every format: crates/hourglass-store/tests/formats/*/*/expected.json.

The sample has (37 i mod 256) / 255 as its i-th feature.
"""

import json
from pathlib import Path

import torch

from check_export import load
from comparison import shape_of  # of scripts/, which check_export has made known

FORMATS = Path(__file__).parents[2] / "crates/hourglass-store/tests/formats"


@torch.no_grad()
def main() -> None:
    for folder in sorted(path.parent for path in FORMATS.glob("*/*/config.json")):
        model = load(folder).double()
        shape = shape_of(json.loads((folder / "config.json").read_text()))
        pixels = torch.arange(shape[0] * shape[1] * shape[2]) * 37 % 256
        codes = model.encode((pixels.float() / 255).double()[None])
        decoded = model.decode(codes)
        expected = {"codes": codes[0].tolist(), "decoded": decoded[0].tolist()}
        (folder / "expected.json").write_text(json.dumps(expected) + "\n")
        print(folder, codes)


if __name__ == "__main__":
    main()
