"""What every script that compares Hourglass with another program goes by: how far what they compute may be apart, and the shape of
what a model takes."""

import numpy as np

TOLERANCE = 1e-5


def shape_of(config: dict) -> list[int]:
    """The shape of what the network gets, as config.json has it: of format 1, which knew only images, or of a later one."""
    taken = config.get("input", {"kind": "image", "shape": config.get("shape")})
    if taken["kind"] == "image":
        return taken["shape"]
    if taken["kind"] == "vectors":
        return [1, 1, taken["width"]]
    widths = [len(column.get("values", [])) if column["type"] == "categorical" else 1 for column in taken["columns"]]
    return [1, 1, sum(widths) + sum(column.get("indicator", False) for column in taken["columns"])]


def deviations(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """|found - expected| / max(1, |expected|), the largest of each row."""
    if found.shape != expected.shape:
        raise ValueError(f"expected shape {expected.shape}, found {found.shape}")
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    return (np.abs(found - expected) / np.maximum(1, np.abs(expected))).max(axis=1)


def within(rows: np.ndarray) -> bool:
    """Whether these deviations are within the tolerance; a NaN is not, and neither are none at all."""
    return rows.size > 0 and bool((rows <= TOLERANCE).all())
