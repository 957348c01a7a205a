"""How far what two programs compute may be apart: what every script that compares Hourglass with another program goes by."""

import numpy as np

TOLERANCE = 1e-5


def deviations(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """|found - expected| / max(1, |expected|), the largest of each row."""
    if found.shape != expected.shape:
        raise ValueError(f"expected shape {expected.shape}, found {found.shape}")
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    return (np.abs(found - expected) / np.maximum(1, np.abs(expected))).max(axis=1)


def within(rows: np.ndarray) -> bool:
    """Whether these deviations are within the tolerance; a NaN is not, and neither are none at all."""
    return rows.size > 0 and bool((rows <= TOLERANCE).all())
