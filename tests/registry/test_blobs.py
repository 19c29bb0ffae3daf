"""Blobs: addressed by digest only, whole or not there, hashed on every read, data formats only."""

import errno
import hashlib
import pathlib
import pickle
import uuid

import numpy as np
import pytest
from safetensors.numpy import save

from diorama.core.errors import DataError
from diorama.registry import blobs as blobs_module
from diorama.registry import pouring
from diorama.registry.blobs import CHUNK, BlobStore, LocalStore, open_store
from diorama.registry.formats import check_head

ODD = ["../../etc/passwd", "a" * 63, "A" * 64, "g" * 64, "", "a" * 64 + "\n", "/" + "a" * 63]


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, folder: pathlib.Path) -> BlobStore:
    if request.param == "folder":
        return open_store(str(folder), "blobs")
    return open_store(request.getfixturevalue("bucket").replace("PREFIX", uuid.uuid4().hex), "blobs")


def damage(store: BlobStore, digest: str, content: bytes) -> None:
    """Put other content in the place of a blob, behind the store's back."""
    path = store._path(digest)
    if isinstance(store, LocalStore):
        path.chmod(0o644)
        path.write_bytes(content)
        return
    with store.system.open_output_stream(path) as stream:
        stream.write(content)


@pytest.mark.parametrize("size", [0, 1, CHUNK, 2 * CHUNK + 17])
def test_a_blob_is_read_back_as_it_was_added(store, folder, size) -> None:
    content = np.random.default_rng(size).bytes(size)
    source = folder / "source.bin"
    source.write_bytes(content)
    digest = store.put(source)
    assert digest == hashlib.sha256(content).hexdigest() == store.put(content)
    assert store.read(digest) == content
    assert store.size(digest) == size
    store.copy(digest, folder / "deep" / "copy.bin")
    assert (folder / "deep" / "copy.bin").read_bytes() == content
    assert [(found.name, found.size, found.stray) for found in store.listing()] == [(digest, size, False)]


def test_many_contents_are_kept_at_once(store) -> None:
    contents = [str(k).encode() for k in range(6)] + [b"3"]
    digests = store.put_many(contents)
    assert [store.read(digest) for digest in digests] == contents
    assert not [found for found in store.listing() if found.stray]


def test_a_damaged_blob_is_never_given_out(store, folder) -> None:
    digest = store.put(b"good content")
    for bad in (b"evil content", b"good", b""):
        damage(store, digest, bad)
        with pytest.raises(DataError, match="another SHA-256"):
            store.read(digest)
        with pytest.raises(DataError, match="another SHA-256"):
            store.copy(digest, folder / "copy")
        assert not (folder / "copy").exists()
        assert not store.intact(digest)


def test_adding_the_file_again_mends_a_cut_blob(store) -> None:
    digest = store.put(b"good content")
    damage(store, digest, b"good")
    assert store.put(b"good content") == digest
    assert store.read(digest) == b"good content"


def test_a_missing_blob_is_named(store, folder) -> None:
    with pytest.raises(DataError, match=f"Blob {'0' * 64} is missing"):
        store.read("0" * 64)
    with pytest.raises(DataError, match="is missing"):
        store.copy("0" * 64, folder / "copy")
    assert store.size("0" * 64) is None
    assert not store.intact("0" * 64)


@pytest.mark.parametrize("name", ODD)
def test_nothing_but_a_digest_names_a_blob(folder, name) -> None:
    store = open_store(str(folder), "blobs")
    for ask in (store.read, store.size, store.intact):
        with pytest.raises(DataError, match="not a SHA-256"):
            ask(name)


def test_removing_and_removing_again(store) -> None:
    digest = store.put(b"content")
    (found,) = store.listing()
    store.remove(found)
    assert store.size(digest) is None


def test_a_lease_comes_before_the_blob(store) -> None:
    seen = []
    digest = store.put(b"content", lambda digest: seen.append((digest, store.size(digest))))
    assert seen == [(digest, None)]


def test_a_full_disk_leaves_nothing_behind(local, folder, monkeypatch) -> None:
    def full(chunks, file) -> str:
        file.write(next(chunks)[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blobs_module, "hash_into", full)
    with pytest.raises(DataError, match="No space left on device.*free space"):
        local.add_blob(b'{"a": 1}')
    assert list(local.blobs.listing()) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.safetensors", save({"x": np.zeros(3, np.float32)})),
        ("w.safetensors", save({f"x{k}": np.zeros(3, np.float32) for k in range(40)})),
        ("c.json", b'{"a": 1}'),
        ("e.jsonl", b'{"a": 1}\n{"a": 2}\n'),
        ("t.parquet", b"PAR1" + bytes(50)),
        ("f.mp4", b"\x00\x00\x00\x20ftypisom" + bytes(20)),
        ("p.png", b"\x89PNG\r\n\x1a\n" + bytes(20)),
        ("r.html", "<!doctype html><p>größer".encode()),
        ("empty.txt", b""),
        ("long.md", ("ä" * 600).encode()),
    ],
)
def test_data_is_kept(folder, local, name, content) -> None:
    path = folder / name
    path.write_bytes(content)
    assert local.read_blob(local.add_blob(path)) == content == local.read_blob(local.add_blob(content))


@pytest.mark.parametrize("suffix", ["pt", "pth", "pkl", "ckpt", "npy", "npz", "bin", "py", "exe"])
def test_files_that_could_run_code_are_refused_by_their_name(folder, local, suffix) -> None:
    path = folder / f"weights.{suffix}"
    path.write_bytes(b"{}")
    with pytest.raises(DataError, match="refused"):
        local.add_blob(path)
    assert list(local.blobs.listing()) == []


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["w.safetensors", "w.json", "w"])
def test_a_pickle_under_another_name_is_refused(folder, local, protocol, name) -> None:
    path = folder / name
    path.write_bytes(pickle.dumps({"x": list(range(300))}, protocol))
    with pytest.raises(DataError, match="refused"):
        local.add_blob(path)
    with pytest.raises(DataError, match="refused"):
        local.add_blob(path.read_bytes())


def test_content_and_name_must_agree() -> None:
    with pytest.raises(DataError, match="is not .png"):
        check_head(b"{}", "picture.png")
    with pytest.raises(DataError, match="no kept format"):
        check_head(b"PK\x03\x04" + bytes(40), "archive")


def test_only_a_plain_file_is_added(local, folder) -> None:
    with pytest.raises(DataError, match="no plain file"):
        local.add_blob(folder / "absent.json")


@pytest.mark.parametrize("cannot", [False, True])
def test_a_large_blob_is_copied_out_whole_by_the_kernel_or_without_it(local, folder, monkeypatch, cannot) -> None:
    def refuse(*_arguments) -> int:
        raise OSError(errno.EXDEV, "another file system")

    if cannot:
        monkeypatch.setattr(pouring.os, "copy_file_range", refuse)
    content = b'{"a": "' + bytes(range(65, 91)) * 200_000 + b'"}'
    digest = local.add_blob(content)
    assert local.copy_blob(digest, folder / "out.json").read_bytes() == content
    path = folder / "blobs" / digest[:2] / digest
    path.chmod(0o644)
    path.write_bytes(content[:-9] + b"!" + content[-8:])
    with pytest.raises(DataError, match="damaged"):
        local.copy_blob(digest, folder / "again.json")
    assert not list(folder.glob("again*"))
