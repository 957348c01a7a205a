#!/usr/bin/env python3
"""Makes breast-cancer: UCI's Breast Cancer Wisconsin (Diagnostic) as a table with a header, `diagnosis` as its last column.

Usage: make-breast-cancer.py [OUTPUT]

Takes the copy of the data that scikit-learn has. The same copy gives the same bytes out, on every machine with the same
zlib: no time stamp and no file name goes into the gzip header.
"""

import gzip
import hashlib
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer


def main() -> None:
    default = Path(__file__).resolve().parent.parent / "crates/hourglass-data/data/breast-cancer/breast-cancer.csv.gz"
    output = Path(sys.argv[1]) if len(sys.argv) == 2 else default
    data = load_breast_cancer()
    names = [name.replace(" ", "_") for name in data.feature_names]
    lines = [",".join([*names, "diagnosis"])]
    for row, target in zip(data.data, data.target, strict=True):
        lines.append(",".join([*(f"{value:.6g}" for value in row), data.target_names[target]]))
    text = ("\n".join(lines) + "\n").encode()
    output.write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{output}: {len(lines) - 1} rows, {len(text)} bytes, SHA-256 {hashlib.sha256(text).hexdigest()}")


if __name__ == "__main__":
    main()
