"""A trajectory written to a dataset and read back is the same trajectory."""

import numpy as np
import pytest

from diorama.core.errors import DataError
from diorama.core.trajectory import Trajectory
from diorama.data.dataset import Dataset
from diorama.data.frame_cache import FrameCache
from diorama.data.trajectories import read_trajectories, trajectory_features, write_trajectories
from diorama.data.windows import Windows
from diorama.data.writer import DatasetWriter


def made(lengths, ends, steps=5, camera=False):
    """Trajectories as a rollout leaves them: after the end observation and action repeat and the reward is 0."""
    lengths = np.array(lengths)
    batch, rng = len(lengths), np.random.default_rng(0)
    mask = np.arange(steps) < lengths[:, None]
    seen = np.minimum(np.arange(steps + 1), lengths[:, None])
    acted = np.minimum(np.arange(steps), lengths[:, None] - 1)
    each = np.arange(batch)[:, None]
    observation = {"state": rng.normal(size=(batch, steps + 1, 3)).astype(np.float32)[each, seen]}
    if camera:
        observation["top"] = rng.integers(0, 256, (batch, steps + 1, 16, 16, 3), dtype=np.uint8)[each, seen]
    end = (np.arange(steps) == lengths[:, None] - 1) & np.array(ends)[:, None]
    return Trajectory(
        observation,
        rng.normal(size=(batch, steps, 2)).astype(np.float32)[each, acted],
        rng.normal(size=(batch, steps)).astype(np.float32) * mask,
        end,
        mask,
        {
            "friction": rng.uniform(size=batch).astype(np.float32),
            "goal": rng.normal(size=(batch, 2)).astype(np.float32),
        },
    )


def stored(path, trajectory, success=None, **options):
    features = trajectory_features(trajectory, success=success is not None)
    with DatasetWriter(path, fps=10, features=features, images="png") as writer:
        write_trajectories(writer, trajectory, "push", success=success, **options)
    return Dataset.open(path)


def assert_same(left, right):
    for name in ("action", "reward", "end", "mask"):
        a, b = getattr(left, name), getattr(right, name)
        assert a.dtype == b.dtype and np.array_equal(a, b), name
    for name in ("observation", "scenario"):
        a, b = getattr(left, name), getattr(right, name)
        assert a.keys() == b.keys()
        assert all(a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a), name


def test_batch_comes_back_equal(tmp_path):
    trajectory = made([5, 3, 1, 5], [True, True, False, False], camera=True)
    dataset = stored(tmp_path / "data", trajectory, ids={"operator": "somebody"})
    assert dataset.lengths.tolist() == [6, 4, 2, 6]
    assert_same(read_trajectories(dataset), trajectory)
    assert dataset.identities[2].ids["operator"] == "somebody"


def test_some_episodes_come_back_as_long_as_the_longest_of_them(tmp_path):
    trajectory = made([5, 3, 1], [True, True, False])
    part = read_trajectories(stored(tmp_path / "data", trajectory), np.array([2, 1]))
    assert part.length == 3
    assert np.array_equal(part.action, trajectory.action[[2, 1], :3])
    assert np.array_equal(part.scenario["goal"], trajectory.scenario["goal"][[2, 1]])
    for wrong in ([], [3], [-1]):
        with pytest.raises(DataError, match="0 to 2"):
            read_trajectories(stored(tmp_path / f"again{wrong}", trajectory), np.array(wrong, np.int64))


def test_columns_follow_the_time_rule(tmp_path):
    dataset = stored(tmp_path / "data", made([3, 2], [True, False]), success=np.array([True, False]))
    assert dataset.column("next.done").tolist() == [False, False, True, True, False, True, True]
    assert dataset.column("next.truncated").tolist() == [False] * 5 + [True, True]
    assert dataset.column("next.success").tolist() == [False, False, True, True, False, False, False]
    assert dataset.column("action")[2].tolist() == dataset.column("action")[3].tolist()


def test_windows_of_written_trajectories_are_their_parts(tmp_path):
    trajectory = made([5, 3, 2], [True, True, False], camera=True)
    windows = Windows(stored(tmp_path / "data", trajectory), 2, frames=FrameCache(quiet=True))
    window = windows.take(np.arange(len(windows)))
    for k, (episode, start) in enumerate([(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (2, 0)]):
        steps = slice(start, start + 2)
        for name in ("action", "reward", "end", "mask"):
            assert np.array_equal(getattr(window, name)[k], getattr(trajectory, name)[episode, steps]), name
        for name in ("state", "top"):
            wanted = trajectory.observation[name][episode, start : start + 3]
            assert np.array_equal(window.observation[name][k], wanted)


def test_one_unbatched_trajectory_and_a_shared_factor(tmp_path):
    batch = made([4], [True], steps=4)
    one = Trajectory(
        {"state": batch.observation["state"][0]}, batch.action[0], batch.reward[0], batch.end[0], batch.mask[0], {}
    )
    again = read_trajectories(stored(tmp_path / "one", one))
    assert np.array_equal(again.observation["state"], batch.observation["state"])
    shared = Trajectory(
        batch.observation, batch.action, batch.reward, batch.end, batch.mask, {"mass": np.float32([2.0, 3.0])}
    )
    assert read_trajectories(stored(tmp_path / "two", shared)).scenario["mass"].tolist() == [[2.0, 3.0]]


@pytest.mark.parametrize("mask", [[False, False], [False, True]])
def test_masks_without_a_first_step_are_refused(tmp_path, mask):
    batch = made([2], [True], steps=2)
    broken = Trajectory(batch.observation, batch.action, batch.reward, batch.end, np.array([mask]), {})
    with pytest.raises(DataError, match="holes"):
        stored(tmp_path / "data", broken)
