"""The registry in memory: versions by id, edges both ways, and what the log says. Everything else here asks a `Graph`.

Built from plain records, so that it needs no database. It may hold a part of a registry: what is asked of a version
needs its upstream closure, the versions that patch or supersede one of that closure, and for costs their builds.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from diorama.core.errors import DataError
from diorama.registry.records import (
    Advisory,
    BudgetEntry,
    ChannelEntry,
    Edge,
    Event,
    Replay,
    Revocation,
    Version,
)
from diorama.registry.visits import Overlap


class Graph:
    """A snapshot of versions and events; it never changes.

    ``versions`` are in the order of their sequence. ``advisories`` holds the newest entry of each id, ``revocations``
    the reason by version, ``channels`` and ``budgets`` their events by name, oldest first.

    ``held``: id of a dataset to the ids of episodes that it holds; each that is a version here becomes an edge
    ``holds``. ``now``: the time of the snapshot [s since 1970, UTC]; by then what has an end is over.
    """

    def __init__(
        self,
        versions: Iterable[Version],
        events: Iterable[Event] = (),
        held: Mapping[str, Collection[str]] = {},
        now: float = 0.0,
    ) -> None:
        self.now = now
        # Worked out when it is asked for, and kept: several surveys of one graph ask the same.
        self.shares: dict[tuple[str, str], Overlap] = {}
        found = {v.id: v for v in sorted(versions, key=lambda v: (v.sequence, v.id))}
        self.versions = {i: _holding(v, [e for e in held.get(i, ()) if e in found]) for i, v in found.items()}
        self._users: dict[str, list[tuple[str, Edge]]] = {}
        self._families: dict[tuple[str, str], list[Version]] = {}
        for version in self.versions.values():
            self._families.setdefault((version.kind, version.name), []).append(version)
            for edge in version.edges:
                self._users.setdefault(edge.target, []).append((version.id, edge))
        self.advisories: dict[str, Advisory] = {}
        self.revocations: dict[str, str] = {}
        self.channels: dict[str, list[Event]] = {}
        self.budgets: dict[str, list[Event]] = {}
        self._replays: dict[tuple[str, str], list[Replay]] = {}
        for event in sorted(events, key=lambda event: event.sequence):
            self._read(event)
        self._advised: dict[str, list[Advisory]] = {}
        for advisory in self.advisories.values():
            for target in dict.fromkeys(advisory.affects):
                self._advised.setdefault(target, []).append(advisory)

    def __contains__(self, version: str) -> bool:
        return version in self.versions

    def __len__(self) -> int:
        return len(self.versions)

    def get(self, version: str) -> Version:
        """The version with this id. Raises `DataError` where it is not part of this graph."""
        if version not in self.versions:
            raise DataError(f"Version {version[:12]} is not in this graph; register it or load more of the registry.")
        return self.versions[version]

    def family(self, kind: str, name: str) -> list[Version]:
        """The versions of one kind and name, oldest first."""
        return self._families.get((kind, name), [])

    def users(self, target: str, *roles: str) -> list[tuple[str, Edge]]:
        """Who rests on ``target``: pairs of the resting version and its edge; of these ``roles`` only, if given."""
        found = self._users.get(target, [])
        return [(source, edge) for source, edge in found if edge.role in roles] if roles else list(found)

    def targets(self, source: str, *roles: str) -> list[str]:
        """The ids on which ``source`` rests in one of ``roles`` (any, if none is given), each once."""
        edges = self.get(source).edges
        return list(dict.fromkeys(edge.target for edge in edges if not roles or edge.role in roles))

    def upstream(self, ids: Iterable[str], roles: Collection[str] = ()) -> list[str]:
        """Everything that ``ids`` rest on, themselves included, what is rested on first."""
        return self.order(self._closure(ids, self._above, roles))

    def downstream(self, ids: Iterable[str], roles: Collection[str] = ()) -> list[str]:
        """Everything that rests on ``ids``, themselves included, what is rested on first."""
        return self.order(self._closure(ids, self._below, roles))

    def order(self, ids: Iterable[str]) -> list[str]:
        """``ids`` so that each stands behind what it rests on; among equals by sequence (Kahn's order).

        Raises `DataError` for a cycle, which ids that are digests cannot form.
        """
        chosen = set(ids)
        by_sequence = sorted(chosen, key=lambda one: self.get(one).sequence)
        if self._is_in_order(by_sequence):
            return by_sequence
        waiting = {i: len({t for t in self.targets(i) if t in chosen}) for i in chosen}
        ready = [(self.versions[i].sequence, i) for i, count in waiting.items() if count == 0]
        heapq.heapify(ready)
        ordered = []
        while ready:
            _, done = heapq.heappop(ready)
            ordered.append(done)
            for user in {source for source, _ in self._users.get(done, ()) if source in chosen}:
                waiting[user] -= 1
                if waiting[user] == 0:
                    heapq.heappush(ready, (self.versions[user].sequence, user))
        if len(ordered) < len(chosen):
            raise DataError("The edges of this graph form a cycle, so their ids are no digests; restore the registry.")
        return ordered

    def _is_in_order(self, ids: Sequence[str]) -> bool:
        """Whether each stands behind what it rests on; it nearly always does where things were registered as made."""
        place = {one: k for k, one in enumerate(ids)}
        return all(place.get(edge.target, -1) < k for one, k in place.items() for edge in self.versions[one].edges)

    def advised(self, version: str) -> list[Advisory]:
        """The advisories that name this version as affected."""
        return self._advised.get(version, [])

    def patches(self, version: str) -> list[str]:
        """The versions that say they are a patch of this one."""
        derived = self.users(version, "derived_from")
        return list(dict.fromkeys(source for source, edge in derived if edge.attributes.get("relation") == "patch"))

    def successors(self, version: str) -> list[str]:
        """The versions that patch this one or say that they supersede it."""
        return list(dict.fromkeys([*self.patches(version), *(s for s, _ in self.users(version, "supersedes"))]))

    def replay(self, advisory: str, version: str) -> Replay | None:
        """The newest valid replay of an advisory's regression scenarios on a version.

        Not valid: one of no scenarios, one in a world that has the defect itself, and one that is older than a change
        of the advisory's region, regression scenarios or affected versions.
        """
        affected = self.advisories[advisory].affects if advisory in self.advisories else ()
        valid = [r for r in self._replays.get((advisory, version), ()) if r.total > 0 and r.world not in affected]
        return valid[-1] if valid else None

    def replays(self) -> Iterator[Replay]:
        """All replays, those of one advisory and version oldest first."""
        for replays in self._replays.values():
            yield from replays

    def builds(self, output: str) -> list[Version]:
        """The builds that made a version, oldest first."""
        return [self.versions[source] for source, _ in self.users(output, "output")]

    def _above(self, version: str) -> Iterator[tuple[str, str]]:
        return ((edge.target, edge.role) for edge in self.versions[version].edges)

    def _below(self, version: str) -> Iterator[tuple[str, str]]:
        return ((source, edge.role) for source, edge in self._users.get(version, ()))

    def _closure(self, ids: Iterable[str], step, roles: Collection[str]) -> set[str]:
        found = {self.get(version).id for version in ids}
        waiting = list(found)
        while waiting:
            for other, role in step(waiting.pop()):
                if other in self.versions and other not in found and (not roles or role in roles):
                    found.add(other)
                    waiting.append(other)
        return found

    def _read(self, event: Event) -> None:
        entry = event.entry
        if isinstance(entry, Advisory):
            self._read_advisory(entry)
        elif isinstance(entry, Replay):
            self._replays.setdefault((entry.advisory, entry.policy), []).append(entry)
        elif isinstance(entry, Revocation):
            self.revocations[entry.version] = entry.reason
        elif isinstance(entry, ChannelEntry):
            self.channels.setdefault(entry.channel, []).append(event)
        elif isinstance(entry, BudgetEntry):
            self.budgets.setdefault(entry.budget, []).append(event)

    def _read_advisory(self, entry: Advisory) -> None:
        before = self.advisories.get(entry.id)
        if before is not None and _extent(before) != _extent(entry):
            # What was replayed answered another question.
            self._replays = {key: found for key, found in self._replays.items() if key[0] != entry.id}
        self.advisories[entry.id] = entry


def _holding(version: Version, episodes: Collection[str]) -> Version:
    """The version with an edge to each of the episodes."""
    if not episodes:
        return version
    edges = (*version.edges, *(Edge("holds", one) for one in episodes))
    return replace(version, manifest=replace(version.manifest, edges=edges))


def _extent(advisory: Advisory) -> tuple[Mapping, frozenset[str], frozenset[str]]:
    return advisory.region, frozenset(advisory.regressions), frozenset(advisory.affects)
