"""The columns that windows are cut from: contiguous arrays over all rows of a dataset, loaded once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from diorama.core.errors import DataError
from diorama.data.features import parse_features
from diorama.data.frame_cache import FrameCache
from diorama.data.source import EpisodeSource

PREFIX = "observation."


@dataclass(frozen=True)
class Columns:
    """Which columns are the action, the reward, the end and the truncation; only the action must exist."""

    action: str = "action"
    reward: str = "next.reward"
    done: str = "next.done"
    truncated: str = "next.truncated"


@dataclass(frozen=True)
class Tables:
    """All rows of a dataset.

    ``observation``: by name ``[N, ...]``, of which ``cameras`` are memory-mapped pictures; ``action``: float32
    ``[N, A]``; ``reward``: float32 ``[N]``; ``end``: bool ``[N]``.
    """

    observation: Mapping[str, np.ndarray]
    action: np.ndarray
    reward: np.ndarray
    end: np.ndarray
    cameras: frozenset[str]


def load_tables(
    dataset: EpisodeSource,
    observation: Sequence[str] | Mapping[str, str] | None,
    columns: Columns,
    frames: FrameCache,
) -> Tables:
    """The columns in memory (floats as float32), camera frames memory-mapped. Arguments as for `Windows`."""
    named = _named(dataset, observation)
    if columns.action not in dataset.features:
        known = sorted(dataset.features)
        raise DataError(f"No column {columns.action!r}; name the action with Columns(action=...), one of {known}.")
    action = _numbers(dataset, columns.action)
    done, truncated = (_scalars(dataset, key).astype(bool) for key in (columns.done, columns.truncated))
    return Tables(
        {name: _table(dataset, key, frames) for name, key in named.items()},
        action.reshape(len(action), -1).astype(np.float32, copy=False),
        _scalars(dataset, columns.reward).astype(np.float32, copy=False),
        done & ~truncated,
        frozenset(name for name, key in named.items() if key in dataset.camera_keys),
    )


def _named(dataset: EpisodeSource, observation: Sequence[str] | Mapping[str, str] | None) -> dict[str, str]:
    """Name in the window -> column of the dataset."""
    features = parse_features(dataset.features)
    if isinstance(observation, Mapping):
        named = dict(observation)
    elif observation is None:
        keys = (key for key in features if key.startswith(PREFIX) and features[key].dtype != "string")
        named = {key.removeprefix(PREFIX): key for key in keys}
    else:
        wanted = [observation] if isinstance(observation, str) else observation
        named = {key.removeprefix(PREFIX): key if key in features else PREFIX + key for key in wanted}
    if unknown := sorted(set(named.values()) - set(features)):
        raise DataError(f"No columns {unknown} in this dataset; choose from {sorted(features)}.")
    if not named:
        raise DataError(f"No observation columns; name some with observation={{name: column}} from {sorted(features)}.")
    return named


def _table(dataset: EpisodeSource, key: str, frames: FrameCache) -> np.ndarray:
    if key in dataset.camera_keys:
        return frames.open(dataset, key).view(np.ndarray)
    return _numbers(dataset, key)


def _scalars(dataset: EpisodeSource, key: str) -> np.ndarray:
    """One number for each row; zeros where the column does not exist."""
    count = int(np.sum(dataset.lengths))
    if key not in dataset.features:
        return np.zeros(count, np.float32)
    values = _numbers(dataset, key)
    if values.size != count:
        raise DataError(f"Column {key} has shape {values.shape}; one number for each of {count} rows is needed.")
    return values.reshape(count)


def _numbers(dataset: EpisodeSource, key: str) -> np.ndarray:
    values = np.asarray(dataset.column(key))
    if values.dtype.kind not in "biuf":
        raise DataError(f"Column {key} holds {values.dtype}, not numbers; leave it out of the observation.")
    if values.dtype.kind == "f":
        values = values.astype(np.float32, copy=False)
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise DataError(f"Column {key} holds NaN or infinity in row {row}; repair or leave out that episode.")
    return np.ascontiguousarray(values)
