"""Two evaluations on the same seeds: the paired difference, and which episodes flipped."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diorama.core.errors import DataError
from diorama.evaluate import intervals
from diorama.evaluate.records import EPISODES as PARQUET
from diorama.evaluate.records import Episodes, read_episodes
from diorama.registry.difference import EPISODES as JSON
from diorama.registry.records import Version
from diorama.registry.registry import Registry

_KEPT, _LARGEST = 256, 64 * 2**20


@dataclass(frozen=True)
class Paired:
    """``a`` minus ``b`` in ``metric`` over the ``n`` seeds that both were run on, with its 95 % interval.

    Of a rate: ``both``, ``only_a``, ``only_b`` and ``neither`` count the seeds by who succeeded. ``seeds``,
    ``a_values`` and ``b_values`` are the episodes themselves.
    """

    a: str
    b: str
    metric: str
    n: int
    value: float | int
    low: float | int
    high: float | int
    rate: bool
    both: int
    only_a: int
    only_b: int
    neither: int
    seeds: tuple[int, ...]
    a_values: tuple[float, ...]
    b_values: tuple[float, ...]

    @property
    def verdict(self) -> str:
        """In words, for ``a``."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "not shown to differ"


@dataclass(frozen=True, eq=False)
class Table:
    """The episodes of one evaluation: seeds, metrics by name, and (where they were recorded) the whole records."""

    seeds: np.ndarray
    metrics: Mapping[str, np.ndarray]
    records: Episodes | None = None


@dataclass
class Tables:
    """Reads tables of episodes from blobs, and keeps the last ones; also the pairs that were worked out."""

    registry: Registry
    _tables: OrderedDict[str, Table | None] = field(default_factory=OrderedDict)
    _pairs: OrderedDict[tuple[str, str, str], Paired | None] = field(default_factory=OrderedDict)

    def of(self, evaluation: Version) -> Table | None:
        """The episodes of an evaluation; None where it has none that can be read."""
        return _kept(self._tables, evaluation.id, lambda: self._read(evaluation))

    def paired(self, a: Version, b: Version, metric: str) -> Paired | None:
        """The paired comparison; None where fewer than two seeds are shared or the metric lacks."""
        return _kept(self._pairs, (a.id, b.id, metric), lambda: _paired(a.id, b.id, self.of(a), self.of(b), metric))

    def _read(self, evaluation: Version) -> Table | None:
        blobs = evaluation.manifest.blobs
        try:
            if PARQUET in blobs and self._small(blobs[PARQUET]):
                found = read_episodes(self.registry.read_blob(blobs[PARQUET]))
                return Table(found.seed, {name: found.score(name) for name in found.metrics}, found)
            if JSON in blobs and self._small(blobs[JSON]):
                return _from_json(json.loads(self.registry.read_blob(blobs[JSON])))
        except (DataError, ValueError, TypeError):
            return None
        return None

    def _small(self, digest: str) -> bool:
        size = self.registry.blobs.size(digest)
        return size is not None and size <= _LARGEST


def _kept(store: OrderedDict, key: Any, make: Any) -> Any:
    """What was made for this key before, or now; the oldest of many goes."""
    if key not in store:
        store[key] = make()
        while len(store) > _KEPT:
            store.popitem(last=False)
    return store.get(key)


def _from_json(data: Any) -> Table | None:
    if not isinstance(data, dict) or not isinstance(data.get("seed"), list):
        return None
    seeds = np.asarray(data["seed"], np.int64)
    columns = {name: np.asarray(values) for name, values in data.items() if name != "seed"}
    usable = {n: v for n, v in columns.items() if v.shape == seeds.shape and v.dtype.kind in "bif"}
    return Table(seeds, usable)


def _paired(a_id: str, b_id: str, a: Table | None, b: Table | None, metric: str) -> Paired | None:
    if a is None or b is None or metric not in a.metrics or metric not in b.metrics:
        return None
    shared, in_a, in_b = np.intersect1d(a.seeds, b.seeds, return_indices=True)
    if len(shared) < 2 or len(np.unique(a.seeds)) < len(a.seeds) or len(np.unique(b.seeds)) < len(b.seeds):
        return None
    ours, theirs = a.metrics[metric][in_a], b.metrics[metric][in_b]
    rate = ours.dtype == bool and theirs.dtype == bool
    difference = intervals.paired_difference(ours, theirs)
    won, lost = (ours > 0.5, theirs > 0.5) if rate else (np.zeros(len(shared), bool), np.zeros(len(shared), bool))
    return Paired(
        a=a_id,
        b=b_id,
        metric=metric,
        n=len(shared),
        value=difference.value,
        low=difference.low,
        high=difference.high,
        rate=rate,
        both=int((won & lost).sum()),
        only_a=int((won & ~lost).sum()),
        only_b=int((~won & lost).sum()),
        neither=int((~won & ~lost).sum()),
        seeds=tuple(int(seed) for seed in shared),
        a_values=tuple(float(value) for value in ours),
        b_values=tuple(float(value) for value in theirs),
    )
