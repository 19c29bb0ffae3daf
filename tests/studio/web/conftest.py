"""A studio over a registry in a scratch folder, and clients of it."""

import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra studio is not installed")

with warnings.catch_warnings():
    # It asks for the successor of httpx, which nothing else here needs.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

# pytest's importlib mode does not put the folder of `story` on the path.
sys.path.insert(0, str(Path(__file__).parent))

from diorama.recipes.book import Book, Places
from diorama.registry.registry import Registry
from diorama.studio.web.app import create_app
from diorama.studio.web.services import Services
from diorama.studio.web.settings import Settings

LOCAL = "http://127.0.0.1:8484"
Client = Callable[..., TestClient]


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """An empty registry."""
    with Book(Registry.open(tmp_path / "registry"), Places(tmp_path / "registry")) as opened:
        yield opened


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    """An empty registry that nobody writes to."""
    place = tmp_path_factory.mktemp("empty") / "registry"
    with Book(Registry.open(place), Places(place)) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(empty: Book) -> Client:
    """Makes a client of a studio with the given settings; an error inside is an answer, not a failed test."""
    # To make an application takes longer than to ask it.
    apps = cache(lambda settings: create_app(Services(empty, settings)))

    def make(settings: Settings | None = None, base: str = LOCAL) -> TestClient:
        return TestClient(apps(settings or Settings()), base, raise_server_exceptions=False, follow_redirects=False)

    return make
