"""The learned worlds and the datasets that a registry, and the folders of runs, hold."""

import contextlib
import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

from diorama.core.artifact import DESCRIPTION, WEIGHTS
from diorama.core.errors import DataError
from diorama.recipes.book import Book
from diorama.recipes.describing import slug
from diorama.recipes.making import unpacked
from diorama.registry.records import Version
from diorama.studio.play.library import Shelved
from diorama.studio.play.sources import arena_of, artifact_in, folder_offer, learned_offer, learned_world
from diorama.studio.play.stable import Loaded, Offer, Stall

NEWEST = 60
"""How many of the newest worlds and datasets of a registry are offered."""
_DEPTH = 200


@final
class _Kept:
    """What was found, until the registry has grown."""

    def __init__(self, book: Book, find: Callable[[], Sequence[Any]]) -> None:
        self._book, self._find = book, find
        self._tip: tuple[int, int] | None = None
        self._found: Sequence[Any] = ()
        self._lock = threading.Lock()

    def __call__(self) -> Sequence[Any]:
        with self._lock:
            tip = self._book.registry.tip()
            if tip != self._tip:
                self._found, self._tip = tuple(self._find()), tip
            return self._found


@final
class RegistryStall(Stall):
    """The newest learned worlds of a registry. ``cache``: where their artifacts are unpacked."""

    def __init__(self, book: Book, cache: Path, real: Callable[[str], Loaded | None]) -> None:
        self._book, self._cache, self._real = book, cache, real
        self._kept = _Kept(book, self._find)

    def offers(self) -> Sequence[Offer]:
        """See `Stall`: the newest first."""
        return self._kept()

    def load(self, offer: Offer) -> Loaded:
        """See `Stall`."""
        place = unpacked(self._book, offer.id, self._cache / offer.id)
        return learned_world(place, self._real(offer.arena))

    def _find(self) -> list[Offer]:
        versions = self._book.registry.versions(kind="simulator")
        newest = sorted(versions, key=lambda version: -version.sequence)
        return [_offer(version) for version in newest if {DESCRIPTION, WEIGHTS} <= set(version.manifest.blobs)][:NEWEST]


def _offer(version: Version) -> Offer:
    tags = version.fields.get("family", ["learned", "unknown"])
    described = {"kind": tags[1] if len(tags) > 1 else "unknown", "spec": version.fields["contract"]}
    return learned_offer(described, version.id, f"{version.name} ({version.id[:8]})", version.id)


@final
class RunsStall(Stall):
    """The learned worlds in folders of runs that the studio was started with, but for those in the registry."""

    def __init__(self, book: Book, folders: Sequence[Path], real: Callable[[str], Loaded | None]) -> None:
        self._book, self._folders, self._real = book, tuple(folders), real

    def offers(self) -> Sequence[Offer]:
        """See `Stall`: what is there now."""
        return tuple(self._found())

    def load(self, offer: Offer) -> Loaded:
        """See `Stall`."""
        if offer.place is None:
            raise DataError(f"{offer.title} has no folder; choose another world.")
        return learned_world(offer.place, self._real(offer.arena))

    def _found(self) -> list[Offer]:
        found = []
        for folder in (folder for folder in self._folders if folder.is_dir()):
            # A name that begins with a dot is a workplace of a command, not a run.
            runs = sorted(run for run in folder.iterdir() if not run.name.startswith("."))
            for run in [folder, *runs[:_DEPTH]]:
                place = artifact_in(run) if run.is_dir() else None
                # A world that was registered is offered by the registry, once.
                if place is not None and self._book.places.version_at(place) is None:
                    name = run.name if run == folder else f"{folder.name}/{run.name}"
                    # Not a world of ours, or one that is being written: no offer.
                    with contextlib.suppress(DataError):
                        found.append(folder_offer(place, f"run-{slug(name)}-{_stamp(place)}", f"{name} (run)"))
        return found


def _stamp(place: Path) -> str:
    """What changes when the weights in a folder do: a world that was fitted again is another one."""
    about = (place / WEIGHTS).stat()
    return hashlib.sha256(f"{about.st_mtime_ns} {about.st_size}".encode()).hexdigest()[:8]


def registry_shelves(book: Book) -> Callable[[], Sequence[Shelved]]:
    """Lists the newest datasets of a registry whose files are still where they were."""
    return _Kept(book, lambda: list(_datasets(book)))


def _datasets(book: Book) -> list[Shelved]:
    found, taken = [], set()
    for version in sorted(book.registry.versions(kind="dataset"), key=lambda version: -version.sequence)[:NEWEST]:
        place = next((p for p in book.places.find(version.id) if (p / "meta" / "info.json").is_file()), None)
        # A dataset that grew has several versions in one folder: the newest stands for it.
        if place is None or place in taken:
            continue
        taken.add(place)
        title = f"{version.name} ({version.id[:8]})"
        arena = arena_of(str(version.fields.get("world", "unknown")))
        found.append(Shelved(version.id, title, arena, int(version.fields.get("episodes", 0)), place))
    return found
