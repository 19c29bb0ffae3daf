"""The recorded episodes that a version was trained on, where they lie on this machine. JAX-free."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diorama.core.errors import ConfigError
from diorama.evaluate.audit.ancestry import MAKING
from diorama.recipes.book import Book
from diorama.registry.records import Version


@dataclass(frozen=True)
class Lesson:
    """The first ``episodes`` of the dataset in ``folder``; ``version``: its id."""

    folder: str
    episodes: int
    version: str


def lessons(book: Book, version: str) -> tuple[Lesson, ...]:
    """The training sets in the ancestry of a version, the one with the most episodes first.

    Raises `ConfigError` where none is on record, or none of them lies on this machine.
    """
    return _placed(book, taught(book, version), book.registry.get(version).name)


def taught(book: Book, version: str) -> list[Version]:
    """The training sets in the ancestry of a version, wherever they lie."""
    graph = book.registry.graph([version])
    found = [graph.get(one) for one in graph.upstream([version], MAKING)]
    return [one for one in found if one.kind == "dataset"]


def _placed(book: Book, versions: Sequence[Version], name: str) -> tuple[Lesson, ...]:
    if not versions:
        raise ConfigError(f"The registry knows no data that {name} was trained on.")
    found = []
    for one in versions:
        place = next((p for p in book.places.find(one.id) if (Path(p) / "meta" / "info.json").is_file()), None)
        if place is not None:
            found.append(Lesson(str(place), int(one.fields.get("episodes", 0)), one.id))
    if not found:
        raise ConfigError(f"The episodes that {name} was trained on are not on this machine.")
    return tuple(sorted(found, key=lambda lesson: -lesson.episodes))
