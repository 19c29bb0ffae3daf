"""The registry in memory, brought up to date when it has grown: what every page is made from."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from diorama.registry.graph import Graph
from diorama.registry.records import Event, Version
from diorama.registry.registry import Registry
from diorama.registry.status import Survey

T = TypeVar("T")
RECENT = 16
"""How many large answers about single versions are kept."""


@dataclass(frozen=True)
class Snapshot:
    """The registry at one moment: versions and events, statuses, and the moment as two sequence numbers."""

    graph: Graph
    survey: Survey
    tip: tuple[int, int]
    _derived: dict[str, Any] = field(default_factory=dict)
    _recent: OrderedDict[tuple[str, ...], Any] = field(default_factory=OrderedDict)

    def once(self, name: str, make: Callable[["Snapshot"], T]) -> T:
        """What ``make`` gives for this snapshot, worked out by the first who asks under ``name``."""
        if name not in self._derived:
            self._derived[name] = make(self)
        return self._derived[name]

    def recent(self, key: tuple[str, ...], make: Callable[["Snapshot"], T]) -> T:
        """The same for what there may be one of for each version: the last `RECENT` that were asked for are kept."""
        found = self._recent.pop(key) if key in self._recent else make(self)
        self._recent[key] = found
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        return found

    @property
    def tag(self) -> str:
        """A text that changes when anything is registered or filed."""
        return f"{self.tip[0]}-{self.tip[1]}"


@dataclass
class Snapshots:
    """Gives the newest `Snapshot`; reads from the database only what came since the last one. Safe between threads."""

    registry: Registry
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _versions: list[Version] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _last: Snapshot | None = None

    def current(self) -> Snapshot:
        """The registry now. Raises `DataError` where the database fails."""
        tip = self.registry.tip()
        last = self._last
        if last is not None and last.tip == tip:
            return last
        with self._lock:
            return self._renewed()

    def _renewed(self) -> Snapshot:
        tip = self.registry.tip()
        if self._last is not None and self._last.tip == tip:
            return self._last
        seen = (0, 0) if self._last is None else self._last.tip
        if tip[0] < seen[0] or tip[1] < seen[1]:
            # The database was taken back to an earlier copy.
            self._versions, self._events, seen = [], [], (0, 0)
        versions, events, held = self.registry.since(*seen)
        self._versions += versions
        self._events += events
        graph = Graph(self._versions, self._events, held, time.time())
        reached = (
            self._versions[-1].sequence if self._versions else 0,
            self._events[-1].sequence if self._events else 0,
        )
        self._last = Snapshot(graph, Survey(graph), reached)
        return self._last
