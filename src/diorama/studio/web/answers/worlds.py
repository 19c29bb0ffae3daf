"""Worlds: their cards, what their exams found, their versions, and who was trained or tested in them."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diorama.core.errors import DataError
from diorama.registry.facts import origin
from diorama.registry.records import Version
from diorama.registry.registry import Registry
from diorama.studio.web.answers.fields import finite, mapping, whole, words
from diorama.studio.web.answers.scores import Score, in_world
from diorama.studio.web.answers.versions import Row, newest, row
from diorama.studio.web.snapshot import Snapshot

EXAM = "exam.json"
_KEPT, _LARGEST = 64, 16 * 2**20


@dataclass(frozen=True)
class Card:
    """A family of worlds by its newest version.

    ``origin``: real, physics, learned, hybrid or unknown. ``tags`` tell its structure. ``error``, ``low``, ``high`` and
    ``copying``: the open-loop error at ``horizon`` steps and that of repeating the first observation, in standard
    deviations of the data; None without an exam. ``versions`` of the family; ``trained`` policies in any of them, and
    ``tested`` policies in any of them.
    """

    row: Row
    origin: str
    tags: tuple[str, ...]
    horizon: int | None
    error: float | int | None
    low: float | int | None
    high: float | int | None
    copying: float | int | None
    versions: int
    trained: int
    tested: int


@dataclass(frozen=True)
class WorldPage:
    """Everything about one version of a world. ``facts``: label to value; ``spec``: its declared inputs and outputs."""

    card: Card
    facts: tuple[tuple[str, str], ...]
    spec: tuple[tuple[str, str, str, str], ...]
    family: tuple[Row, ...]
    policies: tuple[Row, ...]
    scores: tuple[Score, ...]
    channels: tuple[tuple[str, float | int, float | int | None, str], ...]


def cards(snapshot: Snapshot) -> list[Card]:
    """Every family of worlds, reality first, then the newest."""
    return snapshot.once("world cards", _cards)


def world_page(snapshot: Snapshot, found: Version) -> WorldPage:
    """One version of a world."""
    family = snapshot.graph.family("simulator", found.name)[::-1]
    policies = [source for source, _ in snapshot.graph.users(found.id, "trained_in")]
    turns = [
        (name, event.time, later.time if later else None, event.entry.reason)
        for name, events in sorted(snapshot.graph.channels.items())
        for event, later in zip(events, [*events[1:], None], strict=True)
        if event.entry.version == found.id
    ]
    return WorldPage(
        card=_card(snapshot, found),
        facts=facts(found),
        spec=spec_rows(found),
        family=tuple(row(snapshot, one) for one in family),
        policies=tuple(row(snapshot, snapshot.graph.get(one)) for one in dict.fromkeys(policies)),
        scores=tuple(in_world(snapshot, found.id)),
        channels=tuple(turns),
    )


def facts(found: Version) -> tuple[tuple[str, str], ...]:
    """The plain fields of a version as label and value; what is large is left to the manifest."""
    plain = [(key, value) for key, value in sorted(found.fields.items()) if isinstance(value, str | int | float)]
    config = found.fields.get("config")
    if isinstance(config, Mapping):
        plain += [(f"config {key}", v) for key, v in sorted(config.items()) if isinstance(v, str | int | float)]
    return tuple((key.replace("_", " "), str(value)) for key, value in plain)


def spec_rows(found: Version) -> tuple[tuple[str, str, str, str], ...]:
    """The contract: (role, name, shape, unit) of each array that goes in or out."""
    contract = found.fields.get("contract")
    if not isinstance(contract, Mapping):
        return ()
    rows = [("observation", name, array) for name, array in mapping(contract.get("observation")).items()]
    rows.append(("action", "action", mapping(contract.get("action"))))
    return tuple((role, name, _shape(array), str(mapping(array).get("unit", ""))) for role, name, array in rows)


@dataclass
class Exams:
    """Reads exams from blobs and keeps the last ones."""

    registry: Registry
    _kept: OrderedDict[str, Mapping[str, Any] | None] = field(default_factory=OrderedDict)

    def of(self, found: Version) -> Mapping[str, Any] | None:
        """The whole exam of a world; None where it has none that can be read."""
        digest = found.manifest.blobs.get(EXAM)
        if digest is None:
            return None
        if digest not in self._kept:
            self._kept[digest] = self._read(digest)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept.get(digest)

    def _read(self, digest: str) -> Mapping[str, Any] | None:
        size = self.registry.blobs.size(digest)
        if size is None or size > _LARGEST:
            return None
        try:
            read = json.loads(self.registry.read_blob(digest))
        except (DataError, ValueError):
            return None
        return read if isinstance(read, dict) and "horizon" in read and "model" in read else None


def _cards(snapshot: Snapshot) -> list[Card]:
    first: dict[str, Version] = {}
    for one in newest(snapshot, "simulator"):
        first.setdefault(one.name, one)
    found = [_card(snapshot, one) for one in first.values()]
    return sorted(found, key=lambda card: (card.origin != "real", -card.row.created))


def _card(snapshot: Snapshot, found: Version) -> Card:
    family = snapshot.graph.family("simulator", found.name)
    exam = mapping(found.fields.get("exam"))
    model = mapping(exam.get("model"))
    trained = {source for one in family for source, _ in snapshot.graph.users(one.id, "trained_in")}
    tested = {score.policy for one in family for score in in_world(snapshot, one.id)}
    return Card(
        row=row(snapshot, found),
        origin=origin(found) or "unknown",
        tags=words(found.fields.get("family")),
        horizon=whole(exam.get("horizon")) or None,
        error=finite(model.get("mean")),
        low=finite(model.get("low")),
        high=finite(model.get("high")),
        copying=finite(mapping(exam.get("copy_last")).get("mean")),
        versions=len(family),
        trained=len(trained),
        tested=len(tested),
    )


def _shape(array: Any) -> str:
    shape = mapping(array).get("shape", ())
    return " x ".join(str(size) for size in shape) or "1" if isinstance(shape, list | tuple) else ""
