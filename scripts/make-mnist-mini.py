#!/usr/bin/env python3
"""Makes mnist-mini: the first 5,000 training and 1,000 test images of MNIST, with their labels.

Usage: make-mnist-mini.py DIRECTORY [OUTPUT]

DIRECTORY holds the four official MNIST files, unpacked. The same input gives the same bytes out, on every machine with
the same zlib: no time stamp and no file name goes into the gzip headers. Needs nothing beyond Python's standard library.
"""

import gzip
import hashlib
import struct
import sys
from pathlib import Path

# File name -> SHA-256 of the official file, number of dimensions, number of items to keep.
FILES = {
    "train-images-idx3-ubyte": ("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 3, 5000),
    "train-labels-idx1-ubyte": ("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 1, 5000),
    "t10k-images-idx3-ubyte": ("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 3, 1000),
    "t10k-labels-idx1-ubyte": ("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 1, 1000),
}


def first_items(idx: bytes, dimensions: int, keep: int) -> bytes:
    """Returns the IDX file of the first `keep` items of `idx`."""
    header = struct.unpack_from(f">{1 + dimensions}I", idx)
    item_bytes = 1
    for size in header[2:]:
        item_bytes *= size
    start = 4 * len(header)
    return struct.pack(f">{len(header)}I", header[0], keep, *header[2:]) + idx[start : start + keep * item_bytes]


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    source = Path(sys.argv[1])
    default = Path(__file__).resolve().parent.parent / "crates/hourglass-data/data/mnist-mini"
    output = Path(sys.argv[2]) if len(sys.argv) == 3 else default
    output.mkdir(parents=True, exist_ok=True)
    for name, (sha256, dimensions, keep) in FILES.items():
        official = (source / name).read_bytes()
        found = hashlib.sha256(official).hexdigest()
        if found != sha256:
            sys.exit(f"{source / name}: expected SHA-256 {sha256}, found {found}")
        small = first_items(official, dimensions, keep)
        packed = gzip.compress(small, compresslevel=9, mtime=0)
        (output / f"{name}.gz").write_bytes(packed)
        print(f"{name}: {len(small)} bytes, {len(packed)} packed, SHA-256 {hashlib.sha256(small).hexdigest()}")


if __name__ == "__main__":
    main()
