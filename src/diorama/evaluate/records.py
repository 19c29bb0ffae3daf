"""Per-episode results of an evaluation: one row for each episode, as Parquet. JAX-free.

The blob `EPISODES` of a registered evaluation, and every finished work item of a running one, is such a table.
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from diorama.core.errors import DataError
from diorama.core.files import write_atomically

EPISODES = "episodes.parquet"
"""Name of the table among the blobs of an evaluation."""
METRIC, FACTOR = "metric.", "factor."
_NOTES = b"diorama"
_TEXTS, _COUNTS, _COSTS = ("item", "policy", "world", "cause"), ("seed", "steps"), ("wall_s", "device_s", "joules")
_REQUIRED = {*_TEXTS, *_COUNTS, *_COSTS, "success", "trust"}


@dataclass(frozen=True, eq=False)
class Episodes:
    """N episodes, column by column.

    ``item``: digest of the work item that ran the episode. ``policy``, ``world``: names, or ids where registered.
    ``seed``, ``steps``: int64 [N]. ``success``: bool [N], all False where the task says no success (``judged`` False).
    ``cause``: why the episode ended: ``success``, ``ended`` (the world ended without) or ``time`` (no steps left).
    ``metrics``, ``factors``: name to float64 [N]; an entry of a vector factor is ``NAME.0``. ``trust``: float64 [N] in
    [0, 1], 1 is trusted, NaN unknown. ``wall_s``, ``device_s`` [s] and ``joules`` (NaN where unknown): the episode's
    share of what its batch took. ``rates``: names of the metrics whose values are booleans. ``energy_source``: what
    counted the joules (`diorama.registry.energy`), or ``none``. ``trust_basis``: by the name of the world what
    the trust rests on, or why it is unknown.
    """

    item: np.ndarray
    policy: np.ndarray
    world: np.ndarray
    seed: np.ndarray
    steps: np.ndarray
    success: np.ndarray
    cause: np.ndarray
    metrics: Mapping[str, np.ndarray]
    factors: Mapping[str, np.ndarray] = field(default_factory=dict)
    trust: np.ndarray | None = None
    wall_s: np.ndarray | None = None
    device_s: np.ndarray | None = None
    joules: np.ndarray | None = None
    rates: tuple[str, ...] = ()
    judged: bool = True
    energy_source: str = "none"
    trust_basis: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.seed)
        for name in ("trust", *_COSTS):
            given = getattr(self, name)
            unknown = np.full(count, 0.0 if name in ("wall_s", "device_s") else np.nan)
            object.__setattr__(self, name, unknown if given is None else np.asarray(given, np.float64))
        lengths = {name: len(array) for name, array in self._columns().items()}
        if wrong := sorted(name for name, length in lengths.items() if length != count):
            raise DataError(f"There are {count} seeds, but another number of rows in {wrong}; give one row an episode.")

    def __len__(self) -> int:
        return len(self.seed)

    def take(self, rows: np.ndarray) -> "Episodes":
        """Some of the rows, by number or by mask."""
        fixed = {name: getattr(self, name)[rows] for name in self._fixed()}
        metrics = {name: values[rows] for name, values in self.metrics.items()}
        return replace(self, **fixed, metrics=metrics, factors={n: v[rows] for n, v in self.factors.items()})

    def of(self, policy: str | None = None, world: str | None = None) -> "Episodes":
        """The episodes of a policy, of a world, or of both."""
        rows = np.ones(len(self), bool)
        for column, wanted in ((self.policy, policy), (self.world, world)):
            if wanted is not None:
                rows &= column == wanted
        basis = {name: said for name, said in self.trust_basis.items() if world in (None, name)}
        return replace(self.take(rows), trust_basis=basis)

    def score(self, metric: str) -> np.ndarray:
        """A metric [N], as booleans where it is a rate. Raises `DataError` where there is none of this name."""
        if metric not in self.metrics:
            raise DataError(f"There is no metric {metric!r}; there are {sorted(self.metrics)}.")
        values = self.metrics[metric]
        return values > 0.5 if metric in self.rates else values

    def _fixed(self) -> tuple[str, ...]:
        return (*_TEXTS, *_COUNTS, "success", "trust", *_COSTS)

    def _columns(self) -> dict[str, np.ndarray]:
        named = {METRIC + name: values for name, values in self.metrics.items()}
        named |= {FACTOR + name: values for name, values in self.factors.items()}
        return {name: getattr(self, name) for name in self._fixed()} | named


def join(parts: Iterable[Episodes]) -> Episodes:
    """The rows of several tables of one kind, in their order. Raises `DataError` where their columns differ."""
    parts = list(parts)
    if not parts:
        raise DataError("There are no episodes to join.")
    first = parts[0]
    for part in parts[1:]:
        alike = (part.metrics.keys(), part.factors.keys(), part.rates, part.judged)
        if alike != (first.metrics.keys(), first.factors.keys(), first.rates, first.judged):
            raise DataError("These tables have other metrics or factors; join episodes of one protocol.")
    fixed = {name: np.concatenate([getattr(part, name) for part in parts]) for name in first._fixed()}
    named = {
        kind: {name: np.concatenate([getattr(part, kind)[name] for part in parts]) for name in getattr(first, kind)}
        for kind in ("metrics", "factors")
    }
    basis = {world: said for part in parts for world, said in part.trust_basis.items()}
    return replace(first, **fixed, **named, trust_basis=basis)


def to_parquet(episodes: Episodes) -> bytes:
    """The table as the bytes of a Parquet file."""
    arrays = {name: _arrow(name, values) for name, values in episodes._columns().items()}
    if not episodes.judged:
        arrays["success"] = pa.nulls(len(episodes), pa.bool_())
    notes = {"rates": sorted(episodes.rates), "judged": episodes.judged, "energy_source": episodes.energy_source}
    notes |= {"trust_basis": dict(episodes.trust_basis)} if episodes.trust_basis else {}
    table = pa.table(arrays).replace_schema_metadata({_NOTES: json.dumps(notes).encode()})
    held = io.BytesIO()
    pq.write_table(table, held, compression="zstd")
    return held.getvalue()


def write_episodes(path: Path, episodes: Episodes) -> None:
    """Write the table so that a reader sees all of it or nothing."""
    write_atomically(path, to_parquet(episodes))


def read_episodes(source: Path | bytes) -> Episodes:
    """Read what `to_parquet` made, from a file or from its bytes. Raises `DataError` for anything else."""
    where = "These bytes" if isinstance(source, bytes) else str(source)
    try:
        table = pq.read_table(io.BytesIO(source) if isinstance(source, bytes) else source)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{where} is no table of episodes ({error}); run the evaluation again.") from error
    if lacking := sorted(_REQUIRED - set(table.column_names)):
        raise DataError(f"{where} lacks the columns {lacking}; it is no table of episodes.")
    notes = json.loads((table.schema.metadata or {}).get(_NOTES, b"{}"))
    columns = {name: _numpy(table, name) for name in table.column_names}
    named = {
        kind: {name.removeprefix(prefix): columns[name] for name in table.column_names if name.startswith(prefix)}
        for kind, prefix in (("metrics", METRIC), ("factors", FACTOR))
    }
    fixed = {name: columns[name] for name in _REQUIRED}
    rates, source = tuple(notes.get("rates", ())), notes.get("energy_source", "none")
    judged, basis = notes.get("judged", True), notes.get("trust_basis", {})
    return Episodes(**fixed, **named, rates=rates, judged=judged, energy_source=source, trust_basis=basis)


def texts(values: Sequence[str] | str, count: int) -> np.ndarray:
    """A column of texts [N]: those given, or one for all."""
    return np.full(count, values, object) if isinstance(values, str) else np.asarray(values, object)


def _arrow(name: str, values: np.ndarray) -> pa.Array:
    if name in _TEXTS:
        return pa.array([str(value) for value in values], pa.string())
    if name in _COUNTS:
        return pa.array(np.asarray(values, np.int64))
    if name == "success":
        return pa.array(np.asarray(values, bool))
    values = np.asarray(values, np.float64)
    return pa.array(values, mask=np.isnan(values) if name in ("trust", "joules") else None)


def _numpy(table: pa.Table, name: str) -> Any:
    column = table.column(name).combine_chunks()
    if name in _TEXTS:
        return np.asarray(column.to_pylist(), object)
    if name == "success":
        return np.asarray(column.fill_null(False))
    if name in ("trust", "joules"):
        return np.asarray(column.fill_null(np.nan), np.float64)
    return np.asarray(column)
