"""A studio over a registry in a scratch folder, and clients of it."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra studio is not installed")

with warnings.catch_warnings():
    # It asks for the successor of httpx, which nothing else here needs.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

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


@pytest.fixture
def client(book: Book) -> Client:
    """Makes a client of a studio with the given settings; an error inside is an answer, not a failed test."""

    def make(settings: Settings | None = None, base: str = LOCAL) -> TestClient:
        app = create_app(Services(book, settings or Settings()))
        return TestClient(app, base, raise_server_exceptions=False, follow_redirects=False)

    return make
