"""Seeded corruptions: each ends in `DataError` or in data equal to the original; no crash, hang or silent change."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from dataset_helpers import episode, make, make_v21

from diorama.core.errors import DataError
from diorama.data import Dataset

ODD = [None, -1, 0, 1.5, 2**62, "", "../../x", "{x.__class__}", [], {}, True, [1] * 9, "v9", 1e308]


def snapshot(root: Path) -> dict:
    dataset = Dataset.open(root)
    columns = {key: dataset.column(key) for key in dataset.features if key not in dataset.camera_keys}
    frames = [dataset.frames(key, k) for key in dataset.camera_keys for k in range(dataset.num_episodes)]
    tasks = [dataset.episode_tasks(k) for k in range(dataset.num_episodes)]
    return {"columns": columns, "frames": frames, "tasks": tasks, "fps": dataset.fps, "lengths": dataset.lengths}


def equal(left: object, right: object) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    return type(left) is type(right) and left == right


def edit_json(value: object, rng: np.random.Generator) -> object:
    """One random leaf or entry changed, somewhere inside."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = list(value)[rng.integers(len(value))]
        if rng.random() < 0.15:
            return {k: v for k, v in value.items() if k != key}
        return value | {key: edit_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        k = int(rng.integers(len(value)))
        return [*value[:k], edit_json(value[k], rng), *value[k + 1 :]]
    if isinstance(value, int) and rng.random() < 0.5:
        return value + int(rng.integers(-2, 3))
    return ODD[rng.integers(len(ODD))]


def corrupt(root: Path, rng: np.random.Generator) -> str:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    path = files[rng.integers(len(files))]
    content = bytearray(path.read_bytes())
    kind = ("flip", "flip", "flip", "cut", "block", "json", "json", "swap", "delete")[rng.integers(9)]
    if kind == "flip":
        for _ in range(rng.integers(1, 5)):
            content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
    elif kind == "cut":
        path.write_bytes(content[: rng.integers(len(content))])
    elif kind == "block":
        start = int(rng.integers(len(content)))
        path.write_bytes(content[:start] + rng.bytes(min(40, len(content) - start)) + content[start + 40 :])
    elif kind == "json":
        texts = [file for file in files if file.suffix == ".json"]
        path = texts[rng.integers(len(texts))]
        path.write_text(json.dumps(edit_json(json.loads(path.read_text()), rng)))
    elif kind == "swap":
        other = files[rng.integers(len(files))]
        path.write_bytes(other.read_bytes())
        other.write_bytes(content)
    else:
        path.unlink()
    return f"{kind} {path.name}"


def fuzz(original: Path, folder: Path, seeds: range) -> tuple[int, list[str]]:
    """How many corruptions were refused, and those that silently changed the data."""
    truth, refused, silent = snapshot(original), 0, []
    for seed in seeds:
        copy = folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(original, copy)
        what = corrupt(copy, np.random.default_rng(seed))
        begin = time.monotonic()
        try:
            if not equal(snapshot(copy), truth):
                silent.append(f"{seed}: {what}")
        except DataError as error:
            refused += 1
            sentence = str(error)
            assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 900, sentence
        assert time.monotonic() - begin < 5, what
    return refused, silent


@pytest.mark.parametrize(("images", "seeds"), [("png", range(110)), ("h264", range(200, 260))])
def test_no_corruption_of_a_sealed_dataset_goes_unseen(tmp_path, images, seeds):
    make(tmp_path / "d", (4, 3), images=images)
    refused, silent = fuzz(tmp_path / "d", tmp_path, seeds)
    assert silent == [] and refused > 0.8 * len(seeds)


@pytest.mark.parametrize(("version", "seeds"), [("v3", range(300, 370)), ("v21", range(400, 450))])
def test_corruption_of_datasets_of_others_never_crashes(tmp_path, version, seeds):
    if version == "v3":
        make(tmp_path / "d", (4, 3), images="h264")
        (tmp_path / "d/meta/diorama.json").unlink()
    else:
        make_v21(tmp_path / "d", [episode(length, length, True) for length in (4, 3)])
    refused, _ = fuzz(tmp_path / "d", tmp_path, seeds)
    assert refused > 0.3 * len(seeds)


def test_page_checksums_catch_what_no_side_file_protects(tmp_path):
    make(tmp_path / "d", (40, 40))
    (tmp_path / "d/meta/diorama.json").unlink()
    path = tmp_path / "d/data/chunk-000/file-000.parquet"
    content, truth = path.read_bytes(), Dataset.open(tmp_path / "d").column("action")
    place = content.index(truth[5:20].tobytes()) + 17
    path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
    with pytest.raises(DataError, match=r"file-000.parquet is damaged.*(CRC|checksum)"):
        Dataset.open(tmp_path / "d").column("action")
