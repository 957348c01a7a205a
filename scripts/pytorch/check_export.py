"""Loads an exported model into plain torch modules and compares it with what Hourglass computed.

MODEL_DIR holds config.json and model.safetensors. The file given by --dump holds `images`, `codes` (of these
images) and `decoded` (of these codes), as Hourglass computed them. Without it the error on the t10k images is printed.
"""

import argparse
import gzip
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from reference import Reference

sys.path.append(str(Path(__file__).resolve().parents[1]))
from comparison import TOLERANCE, deviations, shape_of, within  # noqa: E402


def load(folder: Path, path: Path | None = None) -> Reference:
    """The model, strictly loaded, its weights from `path` if one is given.

    A tied decoder has no weights of its own, though a file may have them written out.
    """
    path = path or folder / "model.safetensors"
    stored = json.loads((folder / "config.json").read_text())
    model = Reference(stored["model"], shape_of(stored))
    weights = load_file(path)
    strays = [name for name in weights if name.split(".")[0] not in ("encoder", "decoder")]
    if strays:
        raise RuntimeError(f"{path}: expected only encoder.* and decoder.*, found {strays}")
    for part in ("encoder", "decoder"):
        prefix = f"{part}."
        state = {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
        module = getattr(model, part)
        if stored["model"]["network"].get("tied", False) and part == "decoder":
            state = {name: weight for name, weight in state.items() if name in module.state_dict()}
        module.load_state_dict(state, strict=True)
    return model.eval()


def read_images(folder: Path, split: str = "t10k") -> Tensor:
    """The t10k or train images of a folder of IDX files, plain or gzip: [images, features] in [0, 1]."""
    path = folder / f"{split}-images-idx3-ubyte"
    data = path.read_bytes() if path.exists() else gzip.decompress(path.with_suffix(".gz").read_bytes())
    count = int.from_bytes(data[4:8], "big")
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=16).view(count, -1) / 255


def compare(name: str, found: Tensor, expected: Tensor) -> bool:
    """Prints the largest deviation relative to max(1, |expected|); true if it is within the tolerance."""
    if found.shape != expected.shape:
        print(f"{name:8} FAILED  expected shape {list(expected.shape)}, found {list(found.shape)}")
        return False
    rows = deviations(found.numpy(), expected.numpy())
    passed = within(rows)
    verdict = "ok" if passed else "FAILED"
    print(f"{name:8} {verdict}  {list(found.shape)}  max deviation {rows.max(initial=0):.2e} (limit {TOLERANCE:.0e})")
    return passed


def clear_selection(model: Reference, images: Tensor) -> Tensor:
    """Which images have a k-th largest pre-activation that rounding can't exchange with the next one."""
    k = model.objective.get("evaluation_k", model.objective["k"])
    if k >= model.network["code"]:
        return torch.ones(len(images), dtype=torch.bool)
    ordered = model.encoder(images).sort(dim=1, descending=True).values
    return ordered[:, k - 1] - ordered[:, k] >= TOLERANCE


@torch.no_grad()
def check(model: Reference, dump: dict[str, Tensor]) -> bool:
    """Compares every tensor of the dump with what torch computes."""
    images, codes, expected = dump["images"], dump["codes"], model.encode(dump["images"])
    if model.objective.get("penalty") == "top-k" and codes.shape == expected.shape:
        clear = clear_selection(model, images)
        close = f"{int((~clear).sum())} of {len(images)} images have a margin under {TOLERANCE:.0e}"
        print(f"top-k    {close}: their codes are not compared")
        codes, expected = codes[clear], expected[clear]
    results = [compare("codes", codes, expected), compare("decoded", dump["decoded"], model.decode(dump["codes"]))]
    return all(results)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, metavar="MODEL_DIR")
    parser.add_argument("--data", type=Path, help="folder with t10k-images-idx3-ubyte, plain or .gz")
    parser.add_argument("--dump", type=Path, help="safetensors file that Hourglass wrote")
    arguments = parser.parse_args()
    model = load(arguments.model)
    print(f"loaded   {arguments.model}\n  encoder {model.encoder}\n  decoder {model.decoder}")
    if arguments.dump:
        return 0 if check(model, load_file(arguments.dump)) else 1
    if arguments.data:
        images = read_images(arguments.data)
        with torch.no_grad():
            shown = model.mean_images(model.decode(model.encode(images)))
        squared_error = (images - shown).square().sum(dim=1).mean()
        print(f"squared_error {squared_error:.6f} (sum over pixels, mean over {len(images)} images)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
