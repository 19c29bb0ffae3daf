"""Episodes: each one is found by its exact digest, with what holds it and where it came from.

A dataset names its episodes in one blob, `EPISODES`; when it is registered, their digests are entered in an index, as
runs of consecutive numbers, so that a dataset that grew by some episodes takes a few rows and not a version for each.
An episode becomes a version of its own when something is said of it: it is revoked, or a failure was observed in it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from diorama.core.errors import DataError
from diorama.registry import queries, tables
from diorama.registry.facts import origin, recorded_at
from diorama.registry.manifest import is_digest, manifest_id
from diorama.registry.records import Edge, Manifest, Version

EPISODES = "episodes.json"
"""The blob of a dataset that lists its episodes: ``exact``, ``motion``, ``percept`` and ``ids`` of each."""
OPERATOR = "operator"
"""Who acted in an episode, among its ``ids``; and the attribute of a dataset's edge to that policy."""
_episode, _held, _version = tables.episode, tables.held, tables.version


@dataclass(frozen=True)
class Episode:
    """An episode. ``exact`` is its digest, ``motion`` and ``percept`` its sketches, ``ids`` what is known of it.

    ``datasets``: the ids of those that hold it, oldest first, of which the first holds it at ``position``.
    ``origin``: ``real``, ``physics``, ``learned``, ``hybrid`` or "" where unknown, with the ids of the ``simulator``
    and ``policy`` that it came from ("" where unknown). ``recorded_at`` [s since 1970, UTC]: as its first dataset
    says, None where that does not. ``family``: the name of that dataset.
    """

    exact: str
    motion: str
    percept: Mapping[str, Any]
    ids: Mapping[str, str]
    embodiment: str
    datasets: tuple[str, ...]
    position: int
    origin: str
    simulator: str
    policy: str
    recorded_at: float | None
    family: str

    @property
    def manifest(self) -> Manifest:
        """The version of this episode, once something is said of it."""
        fields = {
            "exact": self.exact,
            "motion": self.motion,
            "percept": dict(self.percept),
            "ids": dict(self.ids),
            "embodiment": self.embodiment,
            "recorded_at": self.recorded_at,
            "origin": {"kind": self.origin, "simulator": self.simulator, "policy": self.policy},
        }
        edges = (Edge("data_from", one) for one in (self.simulator, self.policy) if one)
        return Manifest("episode", f"{self.family[:190]}/episode", fields, {}, tuple(edges))


def read_episodes(content: bytes) -> list[dict[str, Any]]:
    """The list of a dataset's episodes. Raises `DataError` where it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{EPISODES} is not JSON ({error}); write it with diorama.recipes.describing.") from error
    if not isinstance(found, list) or not all(isinstance(e, dict) and is_digest(e.get("exact")) for e in found):
        raise DataError(f"{EPISODES} must list an object with the digest `exact` for each episode.")
    return found


def enter(connection: sa.Connection, source: int, digests: Sequence[str]) -> None:
    """Enter the episodes of the dataset with this sequence number in the index."""
    numbers = _numbers(connection, digests)
    free = queries.next_number(connection, _episode.c.number)
    new = [digest for digest in dict.fromkeys(digests) if digest not in numbers]
    numbers |= {digest: free + k for k, digest in enumerate(new)}
    if new:
        connection.execute(sa.insert(_episode), [{"number": numbers[d], "digest": d} for d in new])
    rows = [
        {"source": source, "position": position, "first": first, "count": count}
        for position, first, count in _runs([numbers[digest] for digest in digests])
    ]
    if rows:
        connection.execute(sa.insert(_held), rows)


def note_version(connection: sa.Connection, digest: str, version: int) -> None:
    """That an episode is now a version of its own, with this sequence number."""
    connection.execute(sa.update(_episode).where(_episode.c.digest == digest).values(version=version))


def digests_of(connection: sa.Connection, source: int) -> list[str]:
    """The digests of a dataset's episodes, as the index has them, in their order."""
    runs = connection.execute(sa.select(_held).where(_held.c.source == source).order_by(_held.c.position)).all()
    found: list[str] = []
    for run in runs:
        within = _episode.c.number.between(run.first, run.first + run.count - 1)
        found += connection.execute(sa.select(_episode.c.digest).where(within).order_by(_episode.c.number)).scalars()
    return found


def holders(connection: sa.Connection, digest: str) -> list[tuple[Version, int]]:
    """The datasets that hold an episode, oldest first, and at which position."""
    at = (_held.c.position + _episode.c.number - _held.c.first).label("at")
    question = sa.select(_version, at).join(_held, _held.c.source == _version.c.sequence).join(_episode, _within())
    rows = connection.execute(question.where(_episode.c.digest == digest).order_by(_version.c.sequence, at)).all()
    first = {row.sequence: row for row in reversed(rows)}
    return [(queries.read_version(row), row.at) for _, row in sorted(first.items())]


def holding(connection: sa.Connection) -> dict[str, list[str]]:
    """Id of a dataset to the ids of the versions of episodes that it holds."""
    pairs = holdings(connection)
    ids = {one.sequence: one.id for one in _named(connection, {number for pair in pairs for number in pair})}
    found: dict[str, list[str]] = {}
    for dataset, one in sorted(pairs, key=lambda pair: pair[1]):
        found.setdefault(ids[dataset], []).append(ids[one])
    return found


def holdings(connection: sa.Connection, sources: Iterable[int] | None = None) -> list[tuple[int, int]]:
    """A dataset (of ``sources`` only, if given) and an episode of it that is a version, both by sequence number."""
    spoken = sa.select(_episode.c.number).where(_episode.c.version.is_not(None)).limit(1)
    if connection.execute(spoken).first() is None:
        return []
    question = sa.select(_held.c.source, _episode.c.version).distinct()
    question = question.join(_episode, _within()).where(_episode.c.version.is_not(None))
    if sources is None:
        return [(row[0], row[1]) for row in connection.execute(question)]
    found: list[tuple[int, int]] = []
    for some in queries.batches(sources):
        found += [(row[0], row[1]) for row in connection.execute(question.where(_held.c.source.in_(some)))]
    return found


def unregistered(episode: Episode) -> Version:
    """An episode as a version that is not registered."""
    manifest = episode.manifest
    return Version(manifest_id(manifest), manifest, episode.recorded_at or 0.0, 0)


def with_one(
    held: Mapping[str, Sequence[str]], episode: Episode | None, versions: Sequence[Version]
) -> dict[str, list[str]]:
    """``held`` (see `holding`) with an episode that is not registered, as ``versions`` has it, in its datasets."""
    found = {dataset: list(known) for dataset, known in held.items()}
    for dataset in episode.datasets if episode is not None else ():
        found[dataset] = [*found.get(dataset, []), *(version.id for version in versions)]
    return found


def digests_like(connection: sa.Connection, prefix: str, limit: int = 6) -> list[str]:
    """The first digests of episodes that begin with these hexadecimal digits."""
    within = (_episode.c.digest >= prefix, _episode.c.digest < prefix + "g")
    question = sa.select(_episode.c.digest).where(*within).order_by(_episode.c.digest)
    return list(connection.execute(question.limit(limit)).scalars())


def describe(held: Sequence[tuple[Version, int]], row: Mapping[str, Any], sources: Sequence[Version]) -> Episode:
    """An episode from its row in the list of its first dataset, and from what that dataset's data came from."""
    (first, position), datasets = held[0], tuple(version.id for version, _ in held)
    ids = {str(name): str(value) for name, value in dict(row.get("ids") or {}).items()}
    worlds = [one for one in sources if one.kind == "simulator"]
    world = worlds[0] if len(worlds) == 1 else None
    return Episode(
        exact=row["exact"],
        motion=str(row.get("motion", "")),
        percept=row.get("percept") or {},
        ids=ids,
        embodiment=ids.get("robot") or str(first.fields.get("world", "")),
        datasets=datasets,
        position=position,
        origin=(origin(world) if world else origin(first)),
        simulator=world.id if world else "",
        policy=_actor(first, ids.get(OPERATOR, ""), sources),
        recorded_at=recorded_at(first) if first.fields.get("recorded_at") is not None else None,
        family=first.name,
    )


def _actor(dataset: Version, operator: str, sources: Sequence[Version]) -> str:
    """The policy that acted under this name, or the only one there is."""
    policies = {one.id for one in sources if one.kind == "policy"}
    edges = [edge for edge in dataset.edges if edge.role == "data_from" and edge.target in policies]
    named = [edge.target for edge in edges if operator in _names(edge)]
    return named[0] if named else next(iter(policies)) if len(policies) == 1 else ""


def _names(edge: Edge) -> list[str]:
    names = edge.attributes.get(OPERATOR, [])
    return [names] if isinstance(names, str) else list(names)


def _named(connection: sa.Connection, numbers: Iterable[int]) -> list[Any]:
    rows: list[Any] = []
    for some in queries.batches(numbers):
        question = sa.select(_version.c.sequence, _version.c.id).where(_version.c.sequence.in_(some))
        rows += connection.execute(question)
    return rows


def _numbers(connection: sa.Connection, digests: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in queries.batches(set(digests)):
        rows = connection.execute(sa.select(_episode.c.digest, _episode.c.number).where(_episode.c.digest.in_(some)))
        found.update((row.digest, row.number) for row in rows)
    return found


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Stretches of consecutive numbers: position, first number, count."""
    start = 0
    for k in range(1, len(numbers) + 1):
        if k == len(numbers) or numbers[k] != numbers[k - 1] + 1:
            yield start, numbers[start], k - start
            start = k


def _within() -> sa.ColumnElement[bool]:
    return _episode.c.number.between(_held.c.first, _held.c.first + _held.c["count"] - 1)
