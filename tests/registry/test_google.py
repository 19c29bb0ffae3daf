"""Blobs on Google storage by one URL, against a server in this process that speaks its interface."""

import os
import pathlib
import sys

import pytest

from diorama.core.errors import DataError
from diorama.registry.blobs import CHUNK, open_store
from diorama.registry.records import Manifest
from diorama.registry.registry import Registry

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture(scope="module")
def server():
    from google_storage import serve

    running = serve()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def url(server) -> str:
    server.objects.clear()
    host = f"127.0.0.1:{server.server_address[1]}"
    return f"gs://anonymous@registry/team/one?scheme=http&endpoint_override={host}&retry_limit_seconds=2"


def test_a_registry_keeps_its_blobs_there(server, url, folder) -> None:
    with Registry.open(folder, blobs=url) as registry:
        digest = registry.add_blob(b'{"a": 1}')
        version = registry.register(Manifest("policy", "lab/p", {}, {"a.json": digest}))
        spare = registry.add_blob(b'{"b": 2}')
        assert registry.read_blob(digest) == b'{"a": 1}' and not registry.has_blob("0" * 64)
        assert registry.copy_blob(digest, folder / "a.json").read_bytes() == b'{"a": 1}'
        assert registry.check() == []
        shelves = [("blobs", digest), ("blobs", spare), ("manifests", version.id)]
        assert set(server.objects) == {f"team/one/{shelf}/{one[:2]}/{one}" for shelf, one in shelves}
        (lying,) = [found for found in registry.blobs.listing() if found.name == spare]
        registry.blobs.remove(lying)
        assert [found.name for found in registry.blobs.listing()] == [digest]


def test_a_large_blob_goes_in_pieces_and_comes_back_whole(url) -> None:
    store, content = open_store(url, "blobs"), os.urandom(2 * CHUNK + 1)
    digest = store.put(content)
    assert store.read(digest) == content and store.size(digest) == len(content)


def test_damage_there_is_named(server, url, folder) -> None:
    with Registry.open(folder, blobs=url) as registry:
        digest = registry.add_blob(b'{"a": 1}')
        registry.register(Manifest("policy", "lab/p", {}, {"a.json": digest}))
        server.objects[f"team/one/blobs/{digest[:2]}/{digest}"] = b'{"a": 2}'
        assert [damage.what for damage in registry.check()] == ["corrupted blob"]
        with pytest.raises(DataError, match="has another SHA-256"):
            registry.read_blob(digest)
        server.objects.clear()
        assert {damage.what for damage in registry.check()} == {"missing blob", "missing manifest"}


def test_a_bucket_that_cannot_be_reached_is_an_error_in_a_sentence(folder) -> None:
    nowhere = "gs://anonymous@registry/p?scheme=http&endpoint_override=127.0.0.1:9&retry_limit_seconds=0.1"
    with (
        Registry.open(folder, blobs=nowhere) as registry,
        pytest.raises(DataError, match=r"looked up .*Could not connect.* try again"),
    ):
        registry.add_blob(b'{"a": 1}')
