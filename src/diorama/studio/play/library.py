"""The recorded episodes that play can begin from."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from diorama.core.errors import ConfigError
from diorama.data import Dataset

_OPEN = 4


@dataclass(frozen=True)
class Shelved:
    """A dataset: what a player asks for it by, its title, its arena, how many episodes it has, and its folder."""

    id: str
    title: str
    arena: str
    episodes: int
    folder: Path


@final
class Library:
    """The datasets there are, as ``listed()`` says now. ``dataset`` may be called from several threads."""

    def __init__(self, listed: Callable[[], Sequence[Shelved]]) -> None:
        self._listed = listed
        self._open: OrderedDict[Path, Dataset] = OrderedDict()
        self._lock = threading.Lock()

    def shelves(self) -> Sequence[Shelved]:
        """Every dataset."""
        return self._listed()

    def find(self, wanted: str) -> Shelved:
        """The dataset of this id. Raises `ConfigError` where there is none."""
        for shelved in self._listed():
            if shelved.id == wanted:
                return shelved
        raise ConfigError("There is no such dataset to begin from; choose one of the list.")

    def dataset(self, shelved: Shelved) -> Dataset:
        """The dataset itself, kept open for a while. Raises `DataError` where it is damaged."""
        with self._lock:
            held = self._open.pop(shelved.folder, None)
            if held is None or held.num_episodes < shelved.episodes:
                held = Dataset.open(shelved.folder)
            self._open[shelved.folder] = held
            while len(self._open) > _OPEN:
                self._open.popitem(last=False)
            return held
