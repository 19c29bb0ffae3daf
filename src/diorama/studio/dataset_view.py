"""A dataset as a table."""

import numpy as np

from diorama.data import Dataset


def feature_rows(dataset: Dataset) -> list[list[str]]:
    """One row for each feature: name, dtype, shape, and the range of its mean, spread and extremes over its entries."""
    rows = []
    for name, feature in dataset.info.features.items():
        stats = dataset.stats.get(name)
        numbers = [_range(stats[key]) for key in ("mean", "std", "min", "max")] if stats else [""] * 4
        rows.append([name, feature.dtype, "x".join(map(str, feature.shape)) or "1", *numbers])
    return rows


def _range(values: np.ndarray) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.3g}" if low == high else f"{low:.3g} .. {high:.3g}"
