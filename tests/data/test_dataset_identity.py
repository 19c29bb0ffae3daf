import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.data import (
    EpisodeIdentity,
    exact_digest,
    hamming_distance,
    merkle_root,
    motion_similarity,
    motion_sketch,
    near_duplicates,
    picture_hash,
)
from diorama.data.features import Feature
from diorama.data.statistics import column_stats, merge


def path(seed: int, length: int = 60) -> np.ndarray:
    t = np.linspace(0, 1, length)[:, None]
    waves = np.random.default_rng(seed).normal(size=(3, 4))
    return (np.sin(6 * t * waves[0] + waves[1]) * waves[2]).astype(np.float32)


def test_exact_is_the_hash_it_says():
    columns = {"b": np.array([1, 2], np.int32), "a": np.array([[0.5], [1.5]])}
    expected = hashlib.sha256(b"diorama episode 1\n")
    expected.update(b"a\0<f4\0(2, 1)\n" + np.array([0.5, 1.5], "<f4").tobytes())
    expected.update(b"b\0<i8\0(2,)\n" + np.array([1, 2], "<i8").tobytes())
    assert exact_digest(columns) == expected.hexdigest()


def test_exact_ignores_storage_and_sees_everything_else():
    columns = {"action": path(0), "timestamp": np.arange(60, dtype=np.float32) / 10}
    digest = exact_digest(columns)
    assert exact_digest({key: columns[key].astype(">f8") for key in reversed(columns)}) == digest
    changed = columns["action"].copy()
    changed[59, 3] = np.nextafter(changed[59, 3], np.float32(9))
    assert exact_digest(columns | {"action": changed}) != digest
    assert exact_digest({"x": columns["action"], "timestamp": columns["timestamp"]}) != digest
    assert exact_digest(columns | {"action": columns["action"].reshape(120, 2)}) != digest


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_motion_tells_copies_from_others(seed):
    action = path(seed)
    sketch = motion_sketch(action)
    noisy = action + np.random.default_rng(seed).normal(scale=0.002 * np.ptp(action, axis=0), size=action.shape)
    slower = path(seed, 117)
    assert motion_similarity(sketch, sketch) == 1.0
    assert motion_similarity(sketch, motion_sketch(noisy)) > 0.6
    assert motion_similarity(sketch, motion_sketch(slower)) > 0.6
    assert motion_similarity(sketch, motion_sketch(path(seed + 1))) < 0.5


def test_motion_of_odd_episodes():
    assert motion_sketch(np.zeros((1, 2))) == motion_sketch(np.zeros((9, 2)))
    assert motion_sketch(np.zeros((5, 0))) == "" and motion_similarity("", "") == 0.0
    assert len(motion_sketch(np.ones(7))) == 512


def test_picture_hash_survives_light_and_noise_but_not_another_scene():
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 200, (6, 8, 3)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
    other = rng.integers(0, 200, (6, 8, 3)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
    changed = np.clip(scene + 20 + rng.normal(scale=4, size=scene.shape), 0, 255).astype(np.uint8)
    assert hamming_distance(picture_hash(scene), picture_hash(changed)) <= 6
    assert hamming_distance(picture_hash(scene), picture_hash(other)) > 16
    assert hamming_distance(picture_hash(scene), picture_hash(scene[::2, ::2])) <= 6
    assert len(picture_hash(np.zeros((3, 50, 1), np.uint8))) == 16


def test_merkle_root_depends_on_every_leaf_and_their_order():
    leaves = [f"{k:064x}" for k in range(5)]
    roots = {merkle_root(leaves[:k]) for k in range(6)}
    roots |= {merkle_root(leaves[::-1]), merkle_root([*leaves, leaves[-1]])}
    assert len(roots) == 8
    left = hashlib.sha256(b"\0" + leaves[0].encode()).digest()
    right = hashlib.sha256(b"\0" + leaves[1].encode()).digest()
    assert merkle_root(leaves[:2]) == hashlib.sha256(b"\1" + left + right).hexdigest()


def test_near_duplicates_are_listed_once():
    episodes = [EpisodeIdentity(str(k), motion_sketch(path(k // 2, 60 + 5 * k))) for k in range(6)]
    assert [(i, j) for i, j, _ in near_duplicates(episodes)] == [(0, 1), (2, 3), (4, 5)]
    assert near_duplicates([]) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 10**6))
def test_merged_statistics_are_those_of_the_union(lengths, seed):
    feature = Feature("float64", (2,))
    values = np.random.default_rng(seed).normal(size=(sum(lengths), 2)) * [1.0, 1e3] + [1e4, 0.0]
    parts = [column_stats(feature, part) for part in np.split(values, np.cumsum(lengths)[:-1])]
    merged = parts[0]
    for part in parts[1:]:
        merged = merge([merged, part])
    for name in ("mean", "std", "min", "max"):
        assert merged[name] == pytest.approx(getattr(values, name)(axis=0), rel=1e-6, abs=1e-6)
    assert merged["count"].tolist() == [sum(lengths)]
    assert (merged["q01"] <= merged["q99"]).all()
