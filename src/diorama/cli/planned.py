"""Scenario sets and protocols by a word: their file, or what the registry calls so. JAX-free."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from diorama.cli.answering import find
from diorama.core.canonical import from_json
from diorama.core.errors import ConfigError, DataError
from diorama.data.guard import read_json
from diorama.evaluate.preregistered import Protocol, protocol_of
from diorama.evaluate.scenarios import ScenarioSet
from diorama.recipes.book import Book
from diorama.registry.records import Version

Kind = TypeVar("Kind")


def find_protocol(word: str, book: Book | None) -> Protocol:
    """The protocol that a word means. Raises `ConfigError` or `DataError` where there is none, or it cannot be read."""
    return _read(lambda data: protocol_of(data, word), "protocol", word, book, lambda one: one.fields["protocol"])


def find_scenarios(word: str, book: Book | None) -> ScenarioSet:
    """The scenario set that a word means. Raises `ConfigError` or `DataError` as `find_protocol` does."""

    def unpacked(version: Version) -> Any:
        return json.loads(book.registry.read_blob(version.manifest.blobs["scenarios.json"]))

    return _read(lambda data: from_json(ScenarioSet, data, word), "scenario set", word, book, unpacked)


def _read(
    made: Callable[[Any], Kind], what: str, word: str, book: Book | None, unpack: Callable[[Version], Any]
) -> Kind:
    if Path(word).is_file():
        return made(read_json(Path(word)))
    if book is None:
        raise ConfigError(f"There is no file {word}, and no registry to look for a {what} in.")
    try:
        version = book.registry.get(find(book, word))
    except DataError as error:
        raise ConfigError(f"There is no file {word}, and no {what} of that name: {error}") from error
    try:
        return made(unpack(version))
    except KeyError as error:
        raise ConfigError(f"{word} is a {version.kind} without a {what} to be read; name one, or its file.") from error
