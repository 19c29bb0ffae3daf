"""What differs between two versions: fields path by path, blobs, what they rest on, metrics, and single episodes."""

import dataclasses
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from diorama.core.errors import DataError
from diorama.registry.graph import Graph
from diorama.registry.records import Version

EPISODES = "episodes.json"
"""The blob of an evaluation with one row per episode: an object of columns, one of them ``seed``."""
TABLE = "episodes.parquet"
"""The same as a Parquet table: ``seed``, and each score in a column ``metric.NAME``."""
_METRIC = "metric."
_SETTING = ("evaluated_in", "drawn_from", "judged_by")
_ABSENT = None


@dataclasses.dataclass(frozen=True)
class Change:
    """One place that differs. ``path`` as in ``config.layers[2]``; None on the side where it is missing."""

    path: str
    before: Any
    after: Any


@dataclasses.dataclass(frozen=True)
class EdgeChange:
    """An edge that only one of the two has: ``where`` is ``before`` or ``after``."""

    where: str
    role: str
    target: str
    name: str


@dataclasses.dataclass(frozen=True)
class Flip:
    """An episode with the same seed and setting: its value ``before`` and ``after``."""

    seed: int | str
    before: float
    after: float


@dataclasses.dataclass(frozen=True)
class Paired:
    """Two evaluations in the same setting, compared on one metric over the seeds that both have.

    ``estimates`` are what they report. ``negative`` were at or above the threshold before and are below it after;
    ``positive`` the other way round. ``seeds`` counts the pairs.
    """

    metric: str
    before: str
    after: str
    estimates: tuple[float | None, float | None]
    seeds: int
    threshold: float
    negative: tuple[Flip, ...]
    positive: tuple[Flip, ...]


@dataclasses.dataclass(frozen=True)
class Difference:
    """From version ``before`` to version ``after``; everything empty means equal content."""

    before: str
    after: str
    names: tuple[str, str]
    fields: tuple[Change, ...]
    blobs: tuple[Change, ...]
    edges: tuple[EdgeChange, ...]
    paired: tuple[Paired, ...]


def difference(
    graph: Graph, before: str, after: str, read: Callable[[str], bytes] | None = None, threshold: float = 0.5
) -> Difference:
    """What differs. ``read`` returns a blob by its digest (`Registry.read_blob`); without it no episode is compared.

    ``threshold``: a score at or above it is a success. Raises `DataError` for unknown ids and damaged tables.
    """
    a, b = graph.get(before), graph.get(after)
    pairs = _evaluations(graph, a, b)
    paired = tuple(found for pair in pairs for found in _compare(*pair, read, threshold))
    return Difference(
        before,
        after,
        (a.name, b.name),
        tuple(changes(a.fields, b.fields)),
        tuple(changes(a.manifest.blobs, b.manifest.blobs, flat=True)),
        tuple(_edge_changes(graph, a, b)),
        paired,
    )


def changes(before: Any, after: Any, path: str = "", flat: bool = False) -> Iterator[Change]:
    """Where two JSON values differ, leaf by leaf; ``flat``: keys are taken as they are, not as a path."""
    waiting = [(path, before, after)]
    while waiting:
        at, a, b = waiting.pop()
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            keys = sorted({*a, *b}, reverse=True)
            waiting += [(key if flat or not at else f"{at}.{key}", a.get(key), b.get(key)) for key in keys]
        elif isinstance(a, list | tuple) and isinstance(b, list | tuple):
            length = max(len(a), len(b))
            waiting += [(f"{at}[{i}]", _item(a, i), _item(b, i)) for i in reversed(range(length))]
        elif a != b or type(a) is not type(b):
            yield Change(at, a, b)


def _item(values: Any, i: int) -> Any:
    return values[i] if i < len(values) else _ABSENT


def _edge_changes(graph: Graph, a: Version, b: Version) -> Iterator[EdgeChange]:
    ours, theirs = ({(e.role, e.target) for e in version.edges} for version in (a, b))
    for where, only in (("before", ours - theirs), ("after", theirs - ours)):
        for role, target in sorted(only):
            name = graph.get(target).name if target in graph else ""
            yield EdgeChange(where, role, target, name)


def _evaluations(graph: Graph, a: Version, b: Version) -> list[tuple[Version, Version]]:
    """The newest evaluations in the same world, scenarios and judge, in pairs; or the two versions themselves."""
    if a.kind == b.kind == "evaluation":
        return [(a, b)]
    ours, theirs = _by_setting(graph, a), _by_setting(graph, b)
    return [(ours[setting], theirs[setting]) for setting in ours if setting in theirs]


def _by_setting(graph: Graph, version: Version) -> dict[tuple, Version]:
    found = {}
    for user, _ in graph.users(version.id, "evaluates", "evaluated_in"):
        evaluation = graph.get(user)
        if evaluation.kind == "evaluation":
            others = (e for e in evaluation.edges if e.role in (*_SETTING, "evaluates") and e.target != version.id)
            found[tuple(sorted((e.role, e.target) for e in others))] = evaluation
    return found


def _compare(a: Version, b: Version, read: Callable[[str], bytes] | None, threshold: float) -> Iterator[Paired]:
    ours, theirs = episodes_of(a, read), episodes_of(b, read)
    reported = _estimates(a), _estimates(b)
    metrics = sorted(({*ours} & {*theirs} | {*reported[0]} & {*reported[1]}) - {"seed"})
    for metric in metrics:
        pairs = [Flip(seed, *values) for seed, values in _by_seed(ours, theirs, metric).items()]
        negative = tuple(pair for pair in pairs if pair.before >= threshold > pair.after)
        positive = tuple(pair for pair in pairs if pair.before < threshold <= pair.after)
        estimates = reported[0].get(metric), reported[1].get(metric)
        yield Paired(metric, a.id, b.id, estimates, len(pairs), threshold, negative, positive)


def _by_seed(ours: Mapping[str, list], theirs: Mapping[str, list], metric: str) -> dict[Any, tuple[float, float]]:
    if metric not in ours or metric not in theirs:
        return {}
    first = dict(zip(ours["seed"], ours[metric], strict=True))
    second = dict(zip(theirs["seed"], theirs[metric], strict=True))
    return {seed: (float(first[seed]), float(second[seed])) for seed in first if seed in second}


def episodes_of(evaluation: Version, read: Callable[[str], bytes] | None) -> Mapping[str, list]:
    """The seeds and scores of an evaluation's episodes, by column, from its Parquet table where it has one.

    Empty where it has none, or where nothing can be ``read``. Raises `DataError` for a damaged one.
    """
    blobs = evaluation.manifest.blobs
    if read is None or not {EPISODES, TABLE} & set(blobs):
        return {}
    try:
        columns = _columns(read(blobs[TABLE])) if TABLE in blobs else _rows(read(blobs[EPISODES]))
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise DataError(f"The episodes of evaluation {evaluation.id[:12]} cannot be read: {error}") from error
    if len({len(column) for column in columns.values()}) > 1 or "seed" not in columns:
        raise DataError(f"The episodes of evaluation {evaluation.id[:12]} need one seed and value in each row.")
    return columns


def _rows(content: bytes) -> dict[str, list]:
    return {str(name): list(column) for name, column in json.loads(content).items()}


def _columns(content: bytes) -> dict[str, list]:
    """Seeds and scores of a Parquet table; its other columns say how an episode went, not how well."""
    import pyarrow.parquet as parquet  # most questions to a registry do without it

    table = parquet.read_table(io.BytesIO(content))
    wanted = [name for name in table.column_names if name == "seed" or name.startswith(_METRIC)]
    return {name.removeprefix(_METRIC): table.column(name).to_pylist() for name in wanted}


def _estimates(evaluation: Version) -> dict[str, float]:
    """Metric to value, as ``estimates`` (or ``metrics``) of the evaluation's fields report it."""
    given = evaluation.fields.get("estimates") or evaluation.fields.get("metrics") or {}
    values = {name: e.get("value") if isinstance(e, Mapping) else e for name, e in given.items()}
    return {name: float(v) for name, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}
