"""Ways to fail of any task: told from what is observed, from rewards and actions, whatever the units."""

import numpy as np
import pytest

from diorama.core import Trajectory
from diorama.envs.teaching import PointMass
from diorama.evaluate.failures import GENERAL, cluster, labelled, replay_failures
from diorama.evaluate.failures.general import MOST
from diorama.evaluate.failures.taxonomy import modes_of
from diorama.policies import RandomPolicy

STEPS, EACH = 20, 6
WAYS = ("ended by the world", "nothing moved", "was better, and lost it", "stalled", "out of time")


def planted(unit: float = 1.0, seed: int = 0) -> tuple[Trajectory, list[str]]:
    """Six episodes of each way; the place is observed in some unit, beside a picture and a second vector."""
    rng, rows, rewards, lengths, truth = np.random.default_rng(seed), [], [], [], []
    time = np.arange(STEPS + 1)
    for way in WAYS:
        for _ in range(EACH):
            speed, reward, length = np.ones(STEPS), np.linspace(0, 1, STEPS), STEPS
            if way == "nothing moved":
                speed, reward = np.zeros(STEPS), np.zeros(STEPS)
            elif way == "stalled":
                speed[STEPS // 2 :] = 0.0
            elif way == "was better, and lost it":
                reward = np.where(time[1:] < 12, reward, 0.0)
            elif way == "ended by the world":
                length = 7
            place = rng.normal(0, 0.1) + np.concatenate([[0.0], np.cumsum(speed)]) * rng.uniform(0.8, 1.2)
            rows.append(place), rewards.append(reward), lengths.append(length), truth.append(way)
    count, lengths = len(rows), np.array(lengths)
    mask = np.arange(STEPS)[None] < lengths[:, None]
    end = np.zeros_like(mask)
    end[lengths < STEPS, 6] = True
    seen = {
        "arm": unit * np.stack(rows)[..., None].astype(np.float32),
        "load": np.full((count, STEPS + 1, 2), 3.0, np.float32),
        "view": np.zeros((count, STEPS + 1, 8, 8, 3), np.uint8),
    }
    action = np.ones((count, STEPS, 2), np.float32)
    return Trajectory(seen, action, np.stack(rewards).astype(np.float32), end, mask, {}), truth


@pytest.mark.parametrize("unit", [1.0, 1e-3, 512.0])
def test_planted_ways_to_fail_are_told_apart_in_any_unit(unit) -> None:
    trajectory, truth = planted(unit)
    endings = GENERAL.endings(trajectory)
    assert labelled(endings, GENERAL.rules).tolist() == truth
    assert all(np.isfinite(values).all() and values.shape == (len(truth),) for values in endings.values())
    assert sum(name.startswith("ending") for name in endings) <= MOST
    phases = GENERAL.phases(endings)
    assert phases[0] == "ended by the world" and phases[-1] == "on the way" and phases[3 * EACH] == "at rest"


def test_what_happens_after_the_end_counts_for_nothing() -> None:
    trajectory, _ = planted()
    late = {name: values.copy() for name, values in trajectory.observation.items()}
    late["arm"][:EACH, 8:] = 1e6  # The padding of the episodes that the world ended at step 7.
    there = GENERAL.endings(trajectory)
    again = GENERAL.endings(Trajectory(late, trajectory.action, trajectory.reward, trajectory.end, trajectory.mask, {}))
    for name in ("ended", "lasted", "lost", "moving"):
        np.testing.assert_allclose(there[name][:EACH], again[name][:EACH], rtol=1e-6)


def test_modes_of_a_task_without_ways_of_its_own() -> None:
    trajectory, truth = planted(seed=1)
    endings = GENERAL.endings(trajectory)
    groups = cluster(np.stack(list(endings.values()), axis=1))
    modes = modes_of(np.arange(len(truth)), labelled(endings, GENERAL.rules), groups.label, GENERAL.rules, 1.0)
    assert groups.count > 1 and {mode.label for mode in modes} <= set(WAYS)
    ended = next(mode for mode in modes if mode.label == "ended by the world")
    assert ended.episodes == tuple(range(EACH))


def test_failures_are_replayed_in_a_world_in_jax() -> None:
    trajectory, _ = planted()
    action = np.zeros((2, 4, 2), np.float32)
    flags = np.zeros((2, 4), bool)
    failed = Trajectory(trajectory.observation, action, flags.astype(np.float32), flags, ~flags, {})
    again = replay_failures(PointMass(), RandomPolicy(PointMass().spec), failed, np.array([1, 2]))
    np.testing.assert_array_equal(again.action[:, :2], action[:, :2])
    assert np.abs(again.action[:, 2:]).max() > 0
