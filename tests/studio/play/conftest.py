"""A lobby over small worlds, and a registry to record into."""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra studio is not installed")
pytest.importorskip("gym_pusht", reason="the extra pusht is not installed")

with warnings.catch_warnings():
    # It asks for the successor of httpx, which nothing else here needs.
    warnings.simplefilter("ignore")
    import starlette.testclient  # noqa: F401

from diorama.recipes.book import Book, Places
from diorama.registry.registry import Registry
from diorama.studio.play.library import Library
from diorama.studio.play.lobby import Lobby
from diorama.studio.play.registered import registry_shelves
from diorama.studio.play.stable import Shelf, Stable

# pytest's importlib mode does not put the folder of `play_worlds` on the path.
sys.path.insert(0, str(Path(__file__).parent))

from play_worlds import CONFIG, WORLDS  # noqa: E402


@pytest.fixture(scope="module")
def stable() -> Stable:
    """The worlds, compiled once for a file."""
    return Stable([Shelf(WORLDS)], CONFIG)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """An empty registry."""
    with Book(Registry.open(tmp_path / "registry"), Places(tmp_path / "registry")) as opened:
        yield opened


@pytest.fixture
def lobby(stable: Stable, book: Book, tmp_path: Path) -> Lobby:
    """A lobby whose recordings and guesses go to a scratch folder."""
    return Lobby(stable, Library(registry_shelves(book)), CONFIG, tmp_path / "play", book)
