"""The registry that work is written into, with what is the same for all work of one process. JAX-free.

Which one: see `diorama.recipes.where`. ``DIORAMA_DATABASE`` and ``DIORAMA_BLOBS`` are URLs of a database and of a blob
store in place of those in the folder. ``DIORAMA_TRUSTED_KEYS`` names files of public keys, parted as in PATH: then only
worlds and policies that one of them signed are taken out of the registry to be run.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from diorama.core.errors import DataError
from diorama.core.files import write_atomically
from diorama.recipes.where import OFF, Where
from diorama.registry.actions import Action, code_digest, lock_digest
from diorama.registry.energy import Counter, open_counter
from diorama.registry.keys import read_public_key
from diorama.registry.recording import Recorder
from diorama.registry.records import Version
from diorama.registry.registry import Registry
from diorama.registry.resources import Stopwatch
from diorama.registry.signatures import TrustPolicy, require

DATABASE, BLOBS, TRUSTED = "DIORAMA_DATABASE", "DIORAMA_BLOBS", "DIORAMA_TRUSTED_KEYS"
_PLACES = "places.json"


class Book:
    """A registry that work is written into. Use as a context manager.

    ``device``, ``devices``: what does the work, in words, and how many accelerators. ``trust``: which versions must be
    signed before they are run.
    """

    def __init__(
        self,
        registry: Registry,
        places: "Places",
        *,
        watts: float | None = None,
        device: str = "cpu",
        devices: int = 0,
        trust: TrustPolicy | None = None,
    ) -> None:
        self.registry, self.places, self._trust = registry, places, trust
        self._watts, self._device, self._devices = watts, device, devices

    def __enter__(self) -> "Book":
        return self

    def __exit__(self, *error: object) -> None:
        self.registry.__exit__(*error)

    def runnable(self, version: str) -> Version:
        """The version, if it may be run. Raises `DataError` where it must be signed and is not."""
        return self.registry.get(version) if self._trust is None else require(self.registry, version, self._trust)

    @cached_property
    def code(self) -> str:
        """The digest of the installed Diorama."""
        return code_digest()

    @cached_property
    def lock(self) -> str:
        """The digest of the installed packages."""
        return lock_digest()

    @cached_property
    def _counter(self) -> Counter | None:
        return open_counter(self._watts)

    def action(
        self, command: Mapping[str, Any], inputs: Mapping[str, Sequence[str]], seeds: Sequence[int] = ()
    ) -> Action:
        """This work, done by the installed code. Empty roles are left out."""
        given = {role: tuple(ids) for role, ids in inputs.items() if ids}
        return Action(command, given, tuple(seeds), self.code, self.lock)

    def stopwatch(self) -> Stopwatch:
        """A running one."""
        return Stopwatch(self._counter, device=self._device, devices=self._devices)

    def recorder(self, action: Action) -> Recorder:
        """A stage of work."""
        return Recorder(self.registry, action, self.stopwatch())


class Places:
    """Where on this machine a version's files lie: hints beside the registry, checked by whoever follows them."""

    def __init__(self, folder: Path) -> None:
        self._path = Path(folder) / _PLACES

    def note(self, version: str, path: Path) -> None:
        """Remember that a version's files are in this folder."""
        known, place = self._read(), str(path.resolve())
        before = known.pop(version, [])
        if before[:1] == [place] and self.version_at(path) == version:
            return
        # The version that was noted last stands last: a dataset that grew has two versions in one folder.
        known[version] = [place, *(other for other in before if other != place)]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, json.dumps(known, indent=1))

    def find(self, version: str) -> list[Path]:
        """The folders that are still there, the newest first."""
        return [Path(place) for place in self._read().get(version, []) if Path(place).is_dir()]

    def everything(self) -> Mapping[str, Sequence[str]]:
        """Version to the folders that were noted for it, the newest first, whether they are still there or not."""
        return self._read()

    def version_at(self, path: Path) -> str | None:
        """The version that was last noted for a folder."""
        wanted = str(Path(path).resolve())
        return next((version for version, places in reversed(self._read().items()) if wanted in places[:1]), None)

    def _read(self) -> dict[str, list[str]]:
        try:
            return json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise DataError(f"{self._path} is not JSON ({error}); remove it: it holds hints only.") from error


def open_book(where: Where, *, device: str = "cpu", devices: int = 0) -> Book | None:
    """The book of a request, or None where registering is switched off."""
    if where.place == OFF:
        return None
    registry = Registry.open(where.place, **other_urls())
    places, trust = Places(Path(where.place)), trusted()
    return Book(registry, places, watts=where.watts, device=device, devices=devices, trust=trust)


def trusted() -> TrustPolicy | None:
    """What `TRUSTED` asks for; None where it is not set. Raises `DataError` for files that hold no public key."""
    files = [file for file in os.environ.get(TRUSTED, "").split(os.pathsep) if file]
    return TrustPolicy(tuple(read_public_key(file) for file in files)) if files else None


def other_urls() -> dict[str, str | None]:
    """Database and blob store in place of those in the folder, as `Registry.open` takes them; None where not said."""
    return {"database": os.environ.get(DATABASE) or None, "blobs": os.environ.get(BLOBS) or None}
