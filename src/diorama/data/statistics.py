"""Statistics of columns: min, max, mean, std, count and quantiles, per episode and merged.

Means and variances merge exactly (Chan, Golub and LeVeque, 1983, "Algorithms for computing the sample variance").
Merged quantiles are averages weighted by count, which is LeRobot's convention and an approximation.
Pictures are counted in [0, 1] over sampled frames, with shape (C, 1, 1). A column with several axes is counted over all
of them but the last, as LeRobot 0.4.4 does, which reads no dataset whose episodes differ in that.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from diorama.data.features import Feature

Stats = dict[str, np.ndarray]
QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
NAMES = ("min", "max", "mean", "std", "count", *QUANTILES)
_SIDE = 128
"""Longest side of a picture that is looked at whole [px]; larger ones are thinned."""


def sampled_frames(length: int) -> np.ndarray:
    """Indices of the frames that picture statistics look at: all of 100, then growing as length ** 0.75."""
    count = min(length, max(100, int(length**0.75)), 2000)
    return np.unique(np.round(np.linspace(0, length - 1, count)).astype(np.int64))


def column_stats(feature: Feature, values: np.ndarray) -> Stats:
    """Statistics of one episode's column [T, *shape]; float64 of `stats_shape`."""
    if feature.is_camera:
        return _picture_stats(values)
    shape = stats_shape(feature)
    return _stats(values.astype(np.float64).reshape(-1, *shape), 0, len(values), shape)


def stats_shape(feature: Feature) -> tuple[int, ...]:
    """The shape of a feature's statistics: (1,) for a scalar, (C, 1, 1) for a camera, else its last axis."""
    return (feature.frame_shape[2], 1, 1) if feature.is_camera else feature.disk_shape[-1:]


def _picture_stats(frames: np.ndarray) -> Stats:
    chosen = frames[sampled_frames(len(frames))]
    stride = max(1, -(-max(chosen.shape[1:3]) // _SIDE))
    pixels = chosen[:, ::stride, ::stride]
    channels = pixels.shape[-1]
    return _stats(pixels.reshape(-1, channels) / 255.0, 0, len(chosen), (channels, 1, 1))


def _stats(values: np.ndarray, axis: int, count: int, shape: tuple[int, ...]) -> Stats:
    quantiles = np.quantile(values, list(QUANTILES.values()), axis=axis)
    found = {
        "min": values.min(axis=axis),
        "max": values.max(axis=axis),
        "mean": values.mean(axis=axis),
        "std": values.std(axis=axis),
    } | dict(zip(QUANTILES, quantiles, strict=True))
    return {name: np.reshape(value, shape) for name, value in found.items()} | {"count": np.array([count], np.int64)}


def merge(parts: Sequence[Mapping[str, np.ndarray]]) -> Stats:
    """The statistics of the union of disjoint parts; the running merge of a total and one new episode also works."""
    counts = np.array([int(np.asarray(part["count"]).reshape(-1)[0]) for part in parts], np.float64)
    shared = [name for name in NAMES if name != "count" and all(name in part for part in parts)]
    stack = {name: np.stack([np.asarray(part[name], np.float64) for part in parts]) for name in shared}
    weight = (counts / counts.sum()).reshape(-1, *[1] * (stack["mean"].ndim - 1))
    mean = (weight * stack["mean"]).sum(0)
    variance = (weight * (stack["std"] ** 2 + (stack["mean"] - mean) ** 2)).sum(0)
    merged = {
        "min": stack["min"].min(0),
        "max": stack["max"].max(0),
        "mean": mean,
        "std": np.sqrt(variance),
        "count": np.array([int(counts.sum())], np.int64),
    }
    return merged | {name: (weight * stack[name]).sum(0) for name in QUANTILES if name in stack}


def merge_all(total: Mapping[str, Stats], part: Mapping[str, Stats]) -> dict[str, Stats]:
    """Merge one more episode's statistics, feature by feature, into a running total (which may be empty)."""
    return {key: merge([total[key], stats]) if key in total else dict(stats) for key, stats in part.items()}


def to_lists(stats: Mapping[str, Stats]) -> dict[str, dict[str, list]]:
    """Statistics as nested lists, as in ``stats.json``."""
    return {key: {name: value.tolist() for name, value in entry.items()} for key, entry in stats.items()}


def from_lists(stats: Mapping[str, Mapping[str, list]]) -> dict[str, Stats]:
    """Statistics from nested lists; names that are not in `NAMES` are left out.

    Raises `ValueError` or `TypeError` for what is not made of numbers.
    """
    if not all(isinstance(entry, Mapping) for entry in (stats, *stats.values())):
        raise TypeError("statistics of a feature must be named")
    return {
        key: {
            name: np.asarray(value, np.int64 if name == "count" else np.float64)
            for name, value in entry.items()
            if name in NAMES
        }
        for key, entry in stats.items()
    }
