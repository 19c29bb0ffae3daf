"""The study of a learned rope world: which episodes are compared, and how far off imagination is in them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "rope_world" / "looking.py"
SPEC = importlib.util.spec_from_file_location("rope_world_looking", FILE)
looking = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(looking)


def seen(moved: list[float], episodes: list[int]) -> "looking.Imagined":
    """Episodes of two steps and three vertices, of which the last one is moved by so much in the second step [m]."""
    first = np.zeros((len(moved), 3, 3))
    real = np.zeros((len(moved), 2, 3, 3))
    real[:, 1, 2, 0] = moved
    return looking.Imagined(real, np.zeros_like(real), first, np.array(episodes), {"mass": np.array(moved)})


def test_an_episode_is_one_of_contact_where_an_object_moved() -> None:
    found = seen([0.0, 0.02, 0.005], [0, 1, 2])
    np.testing.assert_array_equal(looking.touched(found, slice(-1, None)), [False, True, False])
    assert not looking.touched(found, slice(None, -1)).any()


def test_distances_are_in_centimetres_and_of_the_chosen_vertices() -> None:
    ours, copying = looking.distances(seen([0.03], [0]))
    np.testing.assert_allclose(ours, [[0.0, 1.0]])
    np.testing.assert_allclose(copying, ours)
    np.testing.assert_allclose(looking.distances(seen([0.03], [0]), slice(-1, None))[0], [[0.0, 3.0]])


def test_pairs_are_those_of_the_episodes_that_both_have() -> None:
    one, other = looking.paired(seen([0.1, 0.2, 0.3], [0, 2, 3]), seen([0.4, 0.5], [3, 1]))
    np.testing.assert_array_equal(one.episodes, other.episodes)
    assert (one.factors["mass"].tolist(), other.factors["mass"].tolist()) == ([0.3], [0.4])


def test_a_mean_of_few_is_none() -> None:
    values = np.array([1.0, 3.0, 8.0])
    assert looking.over(values, np.array([True, False, False])) is None
    found = looking.over(values, looking.bins(values, (1.0, 3.0, 9.0))["1 to 3"])
    assert found.value == pytest.approx(2.0) and found.n == 2 and 1.0 <= found.low <= found.high <= 3.0
