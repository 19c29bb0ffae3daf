"""What is taken out of the registry to be run: signed where that is asked for, and whole."""

import pytest

from diorama.core.errors import DataError
from diorama.recipes.book import TRUSTED, open_book
from diorama.recipes.making import unpacked
from diorama.recipes.where import Where
from diorama.registry.records import Manifest
from diorama.registry.signatures import make_key, sign

SAFETENSORS = (8).to_bytes(8, "little") + b"{}      "
FILES = {"artifact.json": b'{"kind":"ensemble"}', "weights.safetensors": SAFETENSORS}


@pytest.fixture
def where(tmp_path) -> Where:
    return Where(str(tmp_path / "registry"))


@pytest.fixture
def world(where) -> str:
    with open_book(where) as book:
        blobs = {name: book.registry.add_blob(content) for name, content in FILES.items()}
        return book.registry.register(Manifest("simulator", "push-t/world", {}, blobs)).id


def test_without_trusted_keys_anything_registered_is_unpacked(tmp_path, where, world) -> None:
    with open_book(where) as book:
        place = unpacked(book, world, tmp_path / "world")
    assert {name: (place / name).read_bytes() for name in FILES} == FILES


def test_with_trusted_keys_only_what_one_of_them_signed_is_unpacked(tmp_path, where, world, monkeypatch) -> None:
    make_key(tmp_path / "release.key"), make_key(tmp_path / "other.key")
    monkeypatch.setenv(TRUSTED, str(tmp_path / "release.key.pub"))
    with open_book(where) as book:
        with pytest.raises(DataError, match="signed by 0 trusted keys"):
            unpacked(book, world, tmp_path / "world")
        sign(book.registry, world, tmp_path / "other.key")
        with pytest.raises(DataError, match="signed by 0 trusted keys"):
            unpacked(book, world, tmp_path / "world")
        assert not (tmp_path / "world").exists()
        sign(book.registry, world, tmp_path / "release.key")
        assert (unpacked(book, world, tmp_path / "world") / "artifact.json").exists()


def test_a_file_without_a_key_is_refused(tmp_path, where, monkeypatch) -> None:
    (tmp_path / "no.pub").write_text("nothing")
    monkeypatch.setenv(TRUSTED, str(tmp_path / "no.pub"))
    with pytest.raises(DataError, match="holds no public key"):
        open_book(where)


def test_a_copy_that_was_changed_is_made_again(tmp_path, where, world) -> None:
    with open_book(where) as book:
        place = unpacked(book, world, tmp_path / "world")
        (place / "artifact.json").write_text("{}")
        assert (unpacked(book, world, place) / "artifact.json").read_bytes() == FILES["artifact.json"]
