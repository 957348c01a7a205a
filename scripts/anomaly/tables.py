#!/usr/bin/env python3
"""Measures the recipe `tabular` on tables whose anomalies are known: the AUROC on held-out rows, beside PyOD's detectors.

Usage: tables.py HOURGLASS DIRECTORY [SET ...] [--seeds N] [--set KEY=VALUE ...]

DIRECTORY holds a CSV file for each set, whose last column `label` is 1 for anomalies, or ADBench's .npz files with the arrays
X and y, such as `18_Ionosphere.npz` (https://github.com/Minqi824/ADBench, adbench/datasets/Classical). Three times, 60 % of
the rows, anomalies among them, are trained on without their labels, and the others are scored. PyOD's numbers are for the
same three splits. Needs NumPy, pandas and scikit-learn.
"""

import argparse
import json
import math
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

# PyOD's PCA, KNN, AutoEncoder and VAE with their defaults but for 10 epochs, standardised by the training rows.
PYOD = {
    "breastw": (0.948, 0.978, 0.974, 0.951),
    "wdbc": (0.991, 0.980, 0.978, 0.991),
    "wine": (0.833, 0.589, 0.792, 0.785),
    "thyroid": (0.963, 0.968, 0.921, 0.947),
    "annthyroid": (0.650, 0.774, 0.718, 0.649),
    "mammography": (0.896, 0.854, 0.873, 0.848),
    "shuttle": (0.989, 0.671, 0.968, 0.992),
    "satimage-2": (0.963, 0.951, 0.935, 0.993),
    "ionosphere": (0.768, 0.920, 0.838, 0.762),
    "pageblocks": (0.910, 0.877, 0.902, 0.925),
    "waveform": (0.650, 0.716, 0.617, 0.734),
    "spambase": (0.553, 0.538, 0.544, 0.554),
    "letter": (0.528, 0.855, 0.795, 0.542),
}


def read(directory: Path, name: str) -> pd.DataFrame:
    """The table of a set, `label` last."""
    path = directory / f"{name}.csv"
    if path.exists():
        return pd.read_csv(path)
    for path in sorted(directory.glob("*.npz")):
        if path.stem.split("_", 1)[-1].lower() == name:
            arrays = np.load(path)
            table = pd.DataFrame(arrays["X"], columns=[f"x{column}" for column in range(arrays["X"].shape[1])])
            return table.assign(label=arrays["y"].astype(int))
    raise SystemExit(f"{directory}: expected {name}.csv or an ADBench file of it, found neither")


def hourglass(program: str, *arguments: str) -> dict:
    found = subprocess.run([program, *arguments, "--json"], check=False, capture_output=True, text=True)
    if found.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)}:\n{found.stderr}")
    return json.loads(found.stdout)


def measure(arguments: argparse.Namespace, name: str, scratch: Path) -> tuple[float, float]:
    """The mean AUROC over splits and seeds, and PCA's with as many components as the code could use."""
    table = read(arguments.directory, name)
    found, pca = [], []
    for split in range(3):
        parts = train_test_split(table, test_size=0.4, random_state=split, stratify=table["label"])
        train, test = [scratch / f"{name}-{split}-{part}.csv" for part in ("train", "test")]
        for path, part in zip((train, test), parts, strict=True):
            part.to_csv(path, index=False)
        for seed in range(arguments.seeds):
            run = str(scratch / f"{name}-{split}-{seed}")
            settings = [f"--set={setting}" for setting in arguments.set]
            hourglass(arguments.hourglass, "train", "tabular", "--data", str(train), "--label", "label", "--seed", str(seed), "--out", run,
                      "--no-measure", "--data-dir", str(scratch / "data"), *settings)
            scores = hourglass(arguments.hourglass, "detect", run, str(test), "--label", "label", "--normal", "0",
                               "--data-dir", str(scratch / "data"))
            found.append(scores["auroc"])
            pca.append(scores["pca"].get("auroc", math.nan))
    return float(np.mean(found)), float(np.mean(pca))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hourglass")
    parser.add_argument("directory", type=Path)
    parser.add_argument("sets", nargs="*", default=list(PYOD))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="a setting of the recipe")
    arguments = parser.parse_args()
    rows = []
    print("| set | PyOD PCA | PyOD KNN | PyOD AutoEncoder | PyOD VAE | `tabular` | its PCA |\n|---|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as scratch:
        for name in arguments.sets:
            rows.append([*PYOD[name], *measure(arguments, name, Path(scratch))])
            print(f"| {name} | {' | '.join(f'{value:.3f}' for value in rows[-1])} |", flush=True)
    table = np.array(rows)
    print(f"| mean | {' | '.join(f'{value:.3f}' for value in np.nanmean(table, axis=0))} |")
    if len(rows) > 1:
        for place, other in enumerate(["PCA", "KNN", "AutoEncoder", "VAE"]):
            difference = table[:, 4] - table[:, place]
            error = difference.std(ddof=1) / math.sqrt(len(rows))
            print(f"\n`tabular` less PyOD's {other}: {difference.mean():+.3f}, paired standard error {error:.3f}, "
                  f"better on {(difference > 0).sum()} of {len(rows)} sets")


if __name__ == "__main__":
    main()
