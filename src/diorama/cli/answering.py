"""What the verbs of the registry share: opening it, finding what a word means, and saying an answer."""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from diorama.core.canonical import to_json
from diorama.core.errors import ConfigError, DataError
from diorama.recipes.book import Book, open_book
from diorama.recipes.run_folder import VERSIONS
from diorama.recipes.where import Where
from diorama.registry.graph import Graph
from diorama.registry.manifest import manifest_id

_MAIN = ("policy", "world")
WORLDS_FIRST = ("world", "policy")
"""What a run folder means to a verb that puts one world in the place of another."""


@contextlib.contextmanager
def opened(where: Where) -> Iterator[Book]:
    """The registry of a request, open within the block. Raises `ConfigError` where registering is switched off."""
    book = open_book(where)
    if book is None:
        raise ConfigError("This verb asks the registry, and --registry none says that there is none; name its folder.")
    with book:
        yield book


def find(book: Book, word: str, main: Sequence[str] = _MAIN) -> str:
    """The id that a word means: a run folder, the folder of an artifact or of a dataset, or what the registry knows.

    ``main``: which of the things in a run folder it stands for, the first that there is.
    """
    path = Path(word)
    if (path / VERSIONS).is_file():
        made = json.loads((path / VERSIONS).read_text(encoding="utf-8"))
        if main := [made[name] for name in main if name in made]:
            return main[0]
    if path.is_dir() and (noted := book.places.version_at(path)):
        return noted
    return book.registry.get(word).id


def asked(book: Book, word: str, down: bool = False) -> tuple[str, Graph]:
    """The version, or the episode, that a word means, with the part of the registry that an answer needs.

    An episode is named by its exact digest or the beginning of it, and need not be a version of its own.
    """
    try:
        version = find(book, word)
    except DataError:
        episode = book.registry.episode(word)
        if episode is None:
            raise
        return manifest_id(episode.manifest), book.registry.graph([], down, episode)
    return version, book.registry.graph([version], down)


def say(text: str) -> None:
    """Write lines of plain text."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def say_json(result: Any) -> None:
    """Write a result as JSON for machines."""
    say(json.dumps(to_json(result), indent=1, ensure_ascii=False))


def answer(result: Any, as_json: bool) -> int:
    """Say one answer of the registry; 0."""
    if as_json:
        say_json(result)
    else:
        from diorama.registry.render import text

        say(text(result))
    return 0
