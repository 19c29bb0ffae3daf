"""Foreign checkpoints: a sound one is kept, a hostile one is refused with a sentence, and nothing is run."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from diorama.core.errors import DataError
from diorama.core.spec import ArraySpec, EnvSpec
from diorama.registry.header import Limits, read_header
from diorama.registry.opaque import import_opaque
from diorama.registry.records import Edge, Manifest
from diorama.registry.registry import Registry

SPEC = EnvSpec("foreign", {"state": ArraySpec((4,))}, ArraySpec((2,), low=-1.0, high=1.0), 0.1)
ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.fixture
def registry(tmp_path: Path):
    with Registry.open(tmp_path / "registry") as opened:
        yield opened


def raw(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A file of the format: the header as JSON or as the bytes given, with a length that may lie."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def write(folder: Path, content: bytes, name: str = "foreign.safetensors") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_a_foreign_checkpoint_becomes_an_opaque_version(registry, tmp_path: Path) -> None:
    path = write(tmp_path, save({"layers/0/kernel": np.ones((3, 2), np.float32), "step": np.zeros((), np.int64)}))
    config = write(tmp_path, b'{"hidden": 256}', "config.json")
    data = registry.register(Manifest("dataset", "push-t/data", {"episodes": 3}))
    version = import_opaque(
        registry,
        path,
        kind="policy",
        name="push-t/foreign",
        spec=SPEC,
        config=config,
        facts={"licence": "MIT", "source": "a paper"},
        edges=[Edge("trained_on", data.id)],
    )
    assert version.kind == "policy" and version.fields["opaque"] is True and version.fields["licence"] == "MIT"
    assert version.fields["tensors"] == {"count": 2, "parameters": 7, "bytes": 32, "dtypes": {"F32": 1, "I64": 1}}
    assert version.fields["spec"]["action"]["shape"] in ([2], (2,))
    assert registry.read_blob(version.manifest.blobs["weights.safetensors"]) == path.read_bytes()
    assert registry.read_blob(version.manifest.blobs["config.json"]) == b'{"hidden": 256}'
    assert version.edges == (Edge("trained_on", data.id),)


def test_facts_cannot_hide_that_it_is_opaque(registry, tmp_path: Path) -> None:
    path = write(tmp_path, save({"a": np.ones(2, np.float32)}))
    version = import_opaque(
        registry, path, kind="simulator", name="w", spec=SPEC, facts={"opaque": False, "tensors": {}}
    )
    assert version.fields["opaque"] is True and version.fields["tensors"]["count"] == 1


def test_shards_are_one_version_and_share_no_tensor(registry, tmp_path: Path) -> None:
    first = write(tmp_path, save({"a": np.ones(2, np.float32)}), "one.safetensors")
    second = write(tmp_path, save({"b": np.ones(3, np.float32)}), "two.safetensors")
    version = import_opaque(registry, [first, second], kind="simulator", name="w", spec=SPEC)
    assert sorted(version.manifest.blobs) == [
        "weights-00001-of-00002.safetensors",
        "weights-00002-of-00002.safetensors",
    ]
    assert version.fields["tensors"]["parameters"] == 5
    with pytest.raises(DataError, match="'a' stands in two"):
        import_opaque(registry, [first, first], kind="simulator", name="w", spec=SPEC)


HOSTILE = {
    "empty": (b"", "truncated"),
    "length cut": (b"\x01\x02", "truncated"),
    "header cut": (raw({"a": ONE})[:20], "truncated"),
    "header of 10 GB": (raw({"a": ONE}, bytes(8), length=10 * 2**30), "truncated"),
    "header of 2^64": (raw({"a": ONE}, bytes(8), length=2**64 - 1), "truncated"),
    "no JSON": (raw(b"not json"), "no sound JSON"),
    "no UTF-8": (raw(b'{"\xff": 1}'), "no sound JSON"),
    "an array": (raw(b"[1]"), "no JSON object"),
    "nested without end": (raw(b"[" * 200_000), "no sound JSON"),
    "a number without end": (raw(b'{"a": ' + b"9" * 10_000 + b"}"), "no sound JSON"),
    "NaN": (raw(b'{"a": NaN}'), "NaN is no number"),
    "same name twice": (raw(b'{"a": 1, "a": 2}'), "'a' stands twice"),
    "same field twice": (raw(b'{"a": {"dtype": "F32", "dtype": "F16"}}'), "'dtype' stands twice"),
    "no tensor": (raw({}), "names 0 tensors"),
    "only metadata": (raw({"__metadata__": {"format": "pt"}}), "names 0 tensors"),
    "a tensor that is a number": (raw({"a": 3}), "must have exactly"),
    "an extra field": (raw({"a": {**ONE, "code": "x"}}, bytes(8)), "must have exactly"),
    "unknown dtype": (raw({"a": {**ONE, "dtype": "OBJECT"}}, bytes(8)), "unknown dtype"),
    "negative axis": (raw({"a": {**ONE, "shape": [-2]}}, bytes(8)), "impossible shape"),
    "axis true": (raw({"a": {**ONE, "shape": [True]}}, bytes(8)), "impossible shape"),
    "axis 2.0": (raw({"a": {**ONE, "shape": [2.0]}}, bytes(8)), "impossible shape"),
    "1000 axes": (raw({"a": {**ONE, "shape": [1] * 1000}}, bytes(8)), "impossible shape"),
    "sizes that wrap around": (raw({"a": {**ONE, "shape": [2**62, 4, 2]}}, bytes(8)), "does not fit"),
    "shape too large": (raw({"a": {**ONE, "shape": [3]}}, bytes(8)), "does not fit"),
    "offsets backwards": (raw({"a": {**ONE, "data_offsets": [8, 0]}}, bytes(8)), "does not fit"),
    "three offsets": (raw({"a": {**ONE, "data_offsets": [0, 8, 16]}}, bytes(8)), "impossible offsets"),
    "overlap": (raw({"a": ONE, "b": {**ONE, "data_offsets": [4, 12]}}, bytes(12)), "overlaps"),
    "same bytes": (raw({"a": ONE, "b": ONE}, bytes(8)), "overlaps"),
    "gap": (raw({"a": ONE, "b": {**ONE, "data_offsets": [12, 20]}}, bytes(20)), "leaves a gap"),
    "hidden start": (raw({"a": {**ONE, "data_offsets": [8, 16]}}, bytes(16)), "leaves a gap"),
    "tensors cut": (raw({"a": ONE}, bytes(7)), "truncated or has a tail"),
    "hidden tail": (raw({"a": ONE}, bytes(9)), "truncated or has a tail"),
    "a torch zip": (b"PK\x03\x04" + bytes(100), "runs code when it is loaded"),
    "an object stream": (b"\x80\x04\x95" + bytes(100), "runs code when it is loaded"),
}
NAMES = ["../../etc/passwd", "/etc/passwd", "a/../b", "C:\\x", "..\\x", "a//b", "", " a", "a\x00b", "a\nb", "\u202eab"]


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_hostile_file_is_refused_and_leaves_nothing(registry, tmp_path: Path, fault: str) -> None:
    content, sentence = HOSTILE[fault]
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=sentence) as caught:
        import_opaque(registry, path, kind="simulator", name="w", spec=SPEC)
    assert len(str(caught.value)) < 400
    assert registry.versions() == []


@pytest.mark.parametrize("name", [*NAMES, "x" * 513])
def test_a_name_that_could_pass_for_a_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="could pass for a path"):
        read_header(write(tmp_path, raw({name: ONE}, bytes(8))))


def test_a_header_within_a_sparse_file_of_10_gb_is_refused_unread(tmp_path: Path) -> None:
    """The length is honest here, and still above what is allowed: nothing of that size is read into memory."""
    path = write(tmp_path, raw({"a": ONE}, length=10 * 2**30))
    os.truncate(path, 11 * 2**30)
    with pytest.raises(DataError, match="16777216 are allowed"):
        read_header(path)


def test_limits_of_the_file_and_of_its_tensors(tmp_path: Path) -> None:
    path = write(tmp_path, save({"a": np.ones(2, np.float32), "b": np.ones(2, np.float32)}))
    with pytest.raises(DataError, match="names 2 tensors"):
        read_header(path, Limits(tensors=1))
    with pytest.raises(DataError, match="more than the 10 allowed"):
        read_header(path, Limits(file_bytes=10))


def test_a_pipe_or_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(DataError, match="no plain file"):
            read_header(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_header(tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(b'{"a": 1, "a": 2}', "stands twice"), (b"[]", "no JSON object"), (b" " * 101, "more than the 100 bytes")],
)
def test_a_hostile_config_is_refused(registry, tmp_path: Path, text: bytes, sentence: str) -> None:
    path = write(tmp_path, save({"a": np.ones(2, np.float32)}))
    config = write(tmp_path, text, "config.json")
    with pytest.raises(DataError, match=sentence):
        import_opaque(registry, path, kind="policy", name="w", spec=SPEC, config=config, limits=Limits(json_bytes=100))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kind": "dataset"}, "not as 'dataset'"),
        ({"spec": {"name": "x"}}, "declared spec cannot be read"),
        ({"checkpoints": []}, "No checkpoint was given"),
        ({"name": "../up"}, "is named"),
    ],
)
def test_a_wrong_declaration_is_refused(registry, tmp_path: Path, change: dict, sentence: str) -> None:
    path = write(tmp_path, save({"a": np.ones(2, np.float32)}))
    asked = {"checkpoints": path, "kind": "policy", "name": "w", "spec": SPEC} | change
    with pytest.raises(DataError, match=sentence):
        import_opaque(registry, asked.pop("checkpoints"), **asked)
    assert registry.versions() == []


def test_a_file_that_changes_meanwhile_is_refused(registry, tmp_path: Path) -> None:
    path = write(tmp_path, save({"a": np.ones(2, np.float32)}))

    class Slow:
        register = registry.register

        def add_blob(self, content: Path | bytes) -> str:
            digest = registry.add_blob(content)
            path.write_bytes(save({"a": np.ones(4, np.float32)}))
            return digest

    with pytest.raises(DataError, match="changed while it was imported"):
        import_opaque(Slow(), path, kind="policy", name="w", spec=SPEC)
    assert registry.versions() == []


SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
DTYPES = st.sampled_from(["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool"])


@settings(deadline=None, max_examples=25)
@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8})?", fullmatch=True), st.tuples(SHAPES, DTYPES), min_size=1)
)
def test_whatever_safetensors_writes_is_read(tmp_path_factory: pytest.TempPathFactory, arrays: dict) -> None:
    made = {name: np.ones(shape, dtype) for name, (shape, dtype) in arrays.items()}
    path = write(tmp_path_factory.mktemp("file"), save(made))
    assert {t.name: t.shape for t in read_header(path)} == {name: array.shape for name, array in made.items()}


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_sentence(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = write(tmp_path_factory.mktemp("file"), noise)
    with pytest.raises(DataError, match=r"\."):
        read_header(path)
