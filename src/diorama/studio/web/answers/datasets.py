"""Datasets: episodes with their digests, near-duplicates, signals, and where their files lie."""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diorama.core.errors import DataError
from diorama.data import Dataset
from diorama.data.identity import EpisodeIdentity, near_duplicates
from diorama.recipes.book import Book
from diorama.registry.records import Version
from diorama.studio.web.answers.fields import whole, words
from diorama.studio.web.answers.versions import Row, newest, row
from diorama.studio.web.answers.worlds import facts
from diorama.studio.web.errors import MissingError
from diorama.studio.web.snapshot import Snapshot

EPISODES = "episodes.json"
_KEPT, _LARGEST, _MOST_PAIRED = 8, 256 * 2**20, 2000
_PLAIN = ("action", "next.reward")


@dataclass(frozen=True)
class DatasetRow:
    """A dataset in the list: episodes, rows, and who acted."""

    row: Row
    episodes: int
    frames: int
    world: str
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Episode:
    """One episode: its number, digests, who acted, and rows (0 where the files are not here)."""

    number: int
    exact: str
    operator: str
    rows: int


@dataclass(frozen=True)
class DatasetPage:
    """Everything about one dataset; ``here``: whether its files lie in a known place; ``cameras`` by name."""

    row: Row
    facts: tuple[tuple[str, str], ...]
    episodes: tuple[Episode, ...]
    duplicates: tuple[tuple[int, int, float], ...]
    compared: bool
    here: bool
    cameras: tuple[str, ...]
    used_by: tuple[Row, ...]
    rests_on: tuple[tuple[str, Row], ...]


@dataclass(frozen=True)
class Signal:
    """One column of an episode over time [s], entry by entry."""

    name: str
    unit: str
    times: tuple[float, ...]
    entries: tuple[tuple[str, tuple[float, ...]], ...]


@dataclass
class Datasets:
    """Opens the datasets whose files lie here, and keeps the last ones open."""

    book: Book
    _open: OrderedDict[str, Dataset | None] = field(default_factory=OrderedDict)
    _pages: OrderedDict[str, Any] = field(default_factory=OrderedDict)

    def open(self, found: Version) -> Dataset | None:
        """The dataset that holds these episodes, or more after them; None where no known folder has it."""
        if found.id not in self._open:
            self._open[found.id] = self._find(found)
            while len(self._open) > _KEPT:
                self._open.popitem(last=False)
        return self._open.get(found.id)

    def identities(self, found: Version) -> list[EpisodeIdentity]:
        """The identities of the episodes, from the registered list; empty where it cannot be read."""
        digest = found.manifest.blobs.get(EPISODES)
        size = None if digest is None else self.book.registry.blobs.size(digest)
        if digest is None or size is None or size > _LARGEST:
            return []
        try:
            return [EpisodeIdentity(**one) for one in json.loads(self.book.registry.read_blob(digest))]
        except (DataError, ValueError, TypeError):
            return []

    def duplicates(self, found: Version) -> tuple[tuple[int, int, float], ...] | None:
        """Pairs of episodes that look alike, most alike first; None where there are too many to compare."""
        if found.id not in self._pages:
            identities = self.identities(found)
            pairs = near_duplicates(identities) if len(identities) <= _MOST_PAIRED else None
            self._pages[found.id] = None if pairs is None else tuple(sorted(pairs, key=lambda pair: -pair[2]))
            while len(self._pages) > 64:
                self._pages.popitem(last=False)
        return self._pages.get(found.id)

    def _find(self, found: Version) -> Dataset | None:
        for place in self.book.places.find(found.id):
            try:
                opened = Dataset.open(place, merge=False)
            except (DataError, OSError):
                continue
            if opened.num_episodes >= whole(found.fields.get("episodes")):
                return opened
        return None


def dataset_rows(snapshot: Snapshot) -> list[DatasetRow]:
    """Every dataset, the newest first."""
    return snapshot.once("dataset rows", lambda one: [_row(one, found) for found in newest(one, "dataset")])


def dataset_page(snapshot: Snapshot, datasets: Datasets, found: Version) -> DatasetPage:
    """One dataset."""
    identities, opened, pairs = datasets.identities(found), datasets.open(found), datasets.duplicates(found)
    lengths = opened.lengths if opened is not None else np.zeros(len(identities), int)
    episodes = tuple(
        Episode(number, one.exact, str(one.ids.get("operator", "unknown")), int(lengths[number]))
        for number, one in enumerate(identities)
        if number < len(lengths)
    )
    users = dict.fromkeys(s for s, e in snapshot.graph.users(found.id) if e.role in ("trained_on", "derived_from"))
    return DatasetPage(
        row=row(snapshot, found),
        facts=facts(found),
        episodes=episodes,
        duplicates=pairs or (),
        compared=pairs is not None,
        here=opened is not None,
        cameras=tuple(opened.camera_keys) if opened is not None else (),
        used_by=tuple(row(snapshot, snapshot.graph.get(one)) for one in users),
        rests_on=tuple(
            (edge.role, row(snapshot, snapshot.graph.get(edge.target)))
            for edge in found.edges
            if edge.target in snapshot.graph
        ),
    )


def opened(datasets: Datasets, found: Version) -> Dataset:
    """The dataset of a version. Raises `MissingError` where its files are not here."""
    dataset = datasets.open(found)
    if dataset is None:
        raise MissingError(f"No known folder holds the files of {found.name}; bring them back to where they were.")
    return dataset


def checked_episode(found: Version, number: int) -> int:
    """The number of an episode of this version. Raises `MissingError` for another one."""
    count = whole(found.fields.get("episodes"))
    if not 0 <= number < count:
        raise MissingError(f"{found.name} has the episodes 0 to {count - 1}, not {number}.")
    return number


def signals(dataset: Dataset, number: int) -> list[Signal]:
    """Every numeric column of an episode that changes over time."""
    columns = dataset.episode(number)
    chosen = [key for key in columns if _shown(dataset, key)]
    found = []
    for key in chosen:
        values = np.asarray(columns[key], np.float64)
        flat = values.reshape(len(values), -1)
        names = _entries(dataset.features[key], flat.shape[1])
        times = tuple(float(t) for t in np.arange(len(flat)) / dataset.fps)
        entries = tuple((name, tuple(float(v) for v in flat[:, place])) for place, name in enumerate(names))
        found.append(Signal(key, str(dataset.features[key].get("unit", "")), times, entries))
    return found


def _shown(dataset: Dataset, key: str) -> bool:
    plain = key.startswith("observation.") or key in _PLAIN
    return plain and key not in dataset.camera_keys and dataset.features[key]["dtype"] not in ("string", "bool")


def _entries(feature: Mapping[str, Any], count: int) -> Sequence[str]:
    names = feature.get("names")
    flat = [str(name) for name in names] if isinstance(names, list) else []
    return flat if len(flat) == count else [str(place) for place in range(count)]


def _row(snapshot: Snapshot, found: Version) -> DatasetRow:
    fields = found.fields
    return DatasetRow(
        row(snapshot, found),
        whole(fields.get("episodes")),
        whole(fields.get("frames")),
        str(fields.get("world", "unknown")),
        words(fields.get("operators")),
    )
