"""A model that ignores its actions is caught; so is one that has them the wrong way round."""

import numpy as np
import pytest

from diorama.exam import examine_open_loop
from diorama.exam.actions import _donors


@pytest.mark.parametrize(
    ("gain", "verdict"), [(1.0, "uses its actions"), (0.0, "ignores its actions"), (-1.0, "prefers other actions")]
)
def test_the_verdict_is_that_of_the_gain(line, walks, gain, verdict):
    batch, groups = walks()
    found = examine_open_loop(line(gain), batch, groups, draws=0).actions
    assert [found[name].verdict for name in ("shuffled", "mean")] == [verdict, verdict]


def test_under_other_actions_the_error_is_what_these_would_do(line, walks):
    batch, groups = walks()
    result = examine_open_loop(line(1.0), batch, groups, draws=0)
    std = np.asarray(batch.observation["x"]).std()
    action = np.asarray(batch.action)[..., 0]
    expected = np.abs((action - action.mean()).cumsum(axis=1)).mean(axis=0) / std
    np.testing.assert_allclose(result.actions["mean"].error.mean, expected, rtol=1e-3)
    np.testing.assert_allclose(result.actions["mean"].difference.mean, expected, rtol=1e-3)
    # Two independent sums differ by the square root of two more than one does from its mean.
    shuffled = result.actions["shuffled"]
    np.testing.assert_allclose(shuffled.error.mean / expected, np.sqrt(2), rtol=0.2)
    np.testing.assert_allclose(shuffled.overall.mean, shuffled.difference.mean.mean(), rtol=1e-6)
    assert np.all(shuffled.ratio.mean > 1e3) and np.all(np.isfinite(shuffled.ratio.high))


def test_a_model_without_actions_differs_by_nothing(line, walks):
    batch, groups = walks()
    found = examine_open_loop(line(0.0, sigma=0.3), batch, groups, draws=0).actions["shuffled"]
    np.testing.assert_array_equal(found.difference.high, 0.0)
    np.testing.assert_allclose(found.ratio.mean, 1.0)


@pytest.mark.parametrize("sizes", [(4, 4, 4), (1, 5, 2, 3), (6, 1, 5)])
def test_actions_come_from_another_episode(sizes):
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    donors = _donors(groups, np.random.default_rng(1))
    assert sorted(donors) == list(range(len(groups)))
    assert np.all(groups[donors] != groups)


def test_where_one_episode_is_most_of_it_they_come_from_another_window():
    groups = np.array([0, 0, 0, 0, 0, 1])
    donors = _donors(groups, np.random.default_rng(1))
    assert sorted(donors) == list(range(6)) and np.all(donors != np.arange(6))
