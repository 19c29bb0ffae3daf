"""Channels: names that point at one version at a time, with their history; and what a rollback leaves behind."""

import dataclasses

from diorama.core.errors import DataError
from diorama.registry.facts import MAKING
from diorama.registry.graph import Graph
from diorama.registry.records import ChannelEntry

_MEASURES = ("evaluation", "claim", "audit", "failure_mode")
_RECORDS = ("build", "attestation", "protocol")


@dataclasses.dataclass(frozen=True)
class Turn:
    """When a channel pointed at a version: from ``since`` to ``until`` [s since 1970, UTC], None if it still does."""

    version: str
    name: str
    reason: str
    author: str
    since: float
    until: float | None


@dataclasses.dataclass(frozen=True)
class History:
    """All turns of a channel, oldest first."""

    channel: str
    turns: tuple[Turn, ...]


@dataclasses.dataclass(frozen=True)
class Debris:
    """Something that stays behind after a rollback. ``role`` and ``via``: how and through which version it came about.

    ``direct`` where that is a version rolled back itself.
    """

    id: str
    kind: str
    name: str
    role: str
    via: str
    direct: bool


@dataclasses.dataclass(frozen=True)
class Rollback:
    """A rollback that has not happened yet: append ``entry`` to the log to do it.

    ``rolled_back`` are the versions that the channel pointed at since it left ``to``. ``debris`` was made with one of
    them, ``measures`` are evaluations, claims, audits and failure modes of one of them or of the debris.
    """

    channel: str
    to: str
    rolled_back: tuple[str, ...]
    debris: tuple[Debris, ...]
    measures: tuple[Debris, ...]
    entry: ChannelEntry


def history(graph: Graph, channel: str) -> History:
    """Where a channel has pointed. Raises `DataError` for an unknown channel."""
    if channel not in graph.channels:
        raise DataError(
            f"There is no channel {channel!r}; the channels are {', '.join(sorted(graph.channels)) or 'none'}."
        )
    events = graph.channels[channel]
    ends = [event.time for event in events[1:]] + [None]
    turns = [
        Turn(e.entry.version, _name(graph, e.entry.version), e.entry.reason, e.author, e.time, end)
        for e, end in zip(events, ends, strict=True)
    ]
    return History(channel, tuple(turns))


def current(graph: Graph, channel: str) -> str:
    """The version that a channel points at. Raises `DataError` for an unknown channel."""
    return history(graph, channel).turns[-1].version


def rollback(graph: Graph, channel: str, to: str | None = None, reason: str = "") -> Rollback:
    """What a rollback does and leaves behind. ``to``: an earlier version of the channel, by default the one before.

    Raises `DataError` where the channel never pointed at ``to``, still does, or has no earlier version.
    """
    past = [turn.version for turn in history(graph, channel).turns]
    to = _before(channel, past) if to is None else to
    if to not in past[:-1] or to == past[-1]:
        raise DataError(f"Channel {channel} has not pointed at {to[:12]} before; choose one of its earlier versions.")
    last = len(past) - 1 - past[::-1].index(to)
    away = tuple(dict.fromkeys(past[last + 1 :]))
    left = _left_behind(graph, away, {to, *graph.upstream([to])})
    debris = tuple(one for one in left if one.kind not in _MEASURES)
    measures = tuple(one for one in left if one.kind in _MEASURES)
    return Rollback(
        channel, to, away, debris, measures, ChannelEntry(channel, to, reason or f"rollback from {away[-1][:12]}")
    )


def _before(channel: str, past: list[str]) -> str:
    earlier = [version for version in past if version != past[-1]]
    if not earlier:
        raise DataError(
            f"Channel {channel} has pointed at one version only; name the version to go to with channel set."
        )
    return earlier[-1]


def _left_behind(graph: Graph, away: tuple[str, ...], kept: set[str]) -> list[Debris]:
    """Everything made with, or measured of, the versions rolled back, except for what the channel goes back to."""
    found: dict[str, Debris] = {}
    for one in graph.downstream(away):
        version = graph.get(one)
        if one in away or one in kept or version.kind in _RECORDS:
            continue
        roles = (*MAKING, "evaluates", "evaluated_in", "judged_by", "supports", "observed_in", "drawn_from")
        edges = [e for e in version.edges if e.role in roles and (e.target in away or e.target in found)]
        edges.sort(key=lambda edge: edge.target not in away)
        if edges:
            first = edges[0]
            found[one] = Debris(one, version.kind, version.name, first.role, first.target, first.target in away)
    return list(found.values())


def _name(graph: Graph, version: str) -> str:
    return graph.versions[version].name if version in graph else ""
