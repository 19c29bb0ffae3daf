"""Open-loop errors of models of a line whose right answers are known, and their intervals."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import DataError, Window
from diorama.envs.teaching import PointMass, PointMassState
from diorama.evaluate import run_episodes
from diorama.exam import examine_open_loop, stretches
from diorama.imagine import Exact
from diorama.policies import RandomPolicy


def test_a_perfect_model_has_no_error_and_copying_has(line, walks):
    batch, groups = walks()
    result = examine_open_loop(line(1.0), batch, groups)
    np.testing.assert_allclose(result.model.mean, 0.0, atol=1e-5)
    assert np.all(result.paired.high < 0) and np.all(np.diff(result.copy_last.mean) > 0)
    np.testing.assert_allclose(result.spread, 0.25)
    assert (result.windows, result.groups, result.control_period) == (40, 10, 0.5)


def test_the_error_of_a_known_fault_is_its_size_in_standard_deviations(line, walks):
    batch, groups = walks()
    result = examine_open_loop(line(0.5), batch, groups)
    x, action = np.asarray(batch.observation["x"])[..., 0], np.asarray(batch.action)[..., 0]
    std = x.std()
    expected = np.abs(0.5 * action.cumsum(axis=1)).mean(axis=0) / std
    np.testing.assert_allclose(result.model.mean, expected, rtol=1e-3)
    np.testing.assert_allclose(result.by_name["x"].mean, result.model.mean, rtol=1e-6)
    assert result.one_step == pytest.approx(expected[0], rel=1e-3)
    assert np.all(result.model.low < result.model.mean) and np.all(result.model.mean < result.model.high)


def test_standing_still_is_the_copy_baseline(line, walks):
    batch, groups = walks()
    result = examine_open_loop(line(0.0), batch, groups)
    np.testing.assert_allclose(result.model.mean, result.copy_last.mean, rtol=1e-5)
    np.testing.assert_allclose(result.paired.mean, 0.0, atol=1e-5)


def test_intervals_are_over_episodes_not_windows(line, walks):
    """Copies of one episode's windows bring no evidence, so they must not narrow the interval."""
    batch, groups = walks(20)
    repeated = jax.tree.map(lambda leaf: np.concatenate([leaf] * 5), batch)
    once = examine_open_loop(line(0.5), batch, groups)
    often = examine_open_loop(line(0.5), repeated, np.concatenate([groups] * 5))
    np.testing.assert_allclose(often.model.high - often.model.low, once.model.high - once.model.low, rtol=0.15)


def test_masked_steps_do_not_count_and_empty_horizons_are_refused(line, walks):
    batch, groups = walks()
    mask = np.array(batch.mask)
    mask[:20, 3:] = False
    x = np.array(batch.observation["x"])
    x[:20, 4:] = x[:20, 3:4]
    cut = dataclasses.replace(batch, observation={"x": x}, mask=mask)
    np.testing.assert_allclose(examine_open_loop(line(1.0), cut, groups).model.mean, 0.0, atol=1e-5)
    mask[:, 5] = False
    with pytest.raises(DataError, match="longest horizon"):
        examine_open_loop(line(1.0), dataclasses.replace(batch, mask=mask), groups)
    with pytest.raises(DataError, match="two episodes"):
        examine_open_loop(line(1.0), batch, np.zeros(40, int))


@pytest.fixture(scope="module")
def exact():
    """The exam of the true equations of the point mass, on random pushes."""
    env = PointMass()

    def state(observation):
        return PointMassState(observation["position"], observation["velocity"], jnp.array(1.0))

    seen = run_episodes(env, RandomPolicy(env.spec), np.arange(12), 20)
    batch = Window(seen.observation, seen.action, seen.reward, seen.end, seen.mask)
    return examine_open_loop(Exact(env.spec, env, state), batch, np.arange(12), training=batch)


def test_the_true_equations_have_no_error_and_need_their_actions(exact):
    np.testing.assert_allclose(exact.model.mean, 0.0, atol=1e-5)
    assert exact.actions["shuffled"].verdict == exact.actions["mean"].verdict == "uses its actions"
    assert exact.stochastic is False and exact.calibration is None


def test_entries_have_their_own_names_and_units(exact):
    assert {label: entry.unit for label, entry in exact.entries.items()} == {
        "position.x": "m",
        "position.y": "m",
        "velocity.x": "m/s",
        "velocity.y": "m/s",
    }
    for entry in exact.entries.values():
        np.testing.assert_allclose(entry.model.mean, 0.0, atol=1e-5)
        assert entry.copy_last.low[-1] > 0.01


def test_an_entry_is_wrong_by_so_many_metres(line, walks):
    batch, groups = walks()
    entry = examine_open_loop(line(0.5), batch, groups, draws=0).entries["x.place"]
    moved = np.asarray(batch.action)[..., 0].cumsum(axis=1)
    np.testing.assert_allclose(entry.model.mean, 0.5 * np.abs(moved).mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(entry.copy_last.mean, np.abs(moved).mean(axis=0), rtol=1e-4)


def test_chunks_change_nothing(line, walks, monkeypatch):
    batch, groups = walks(13)
    whole = examine_open_loop(line(1.0, sigma=0.5), batch, groups, draws=3)
    monkeypatch.setattr(stretches, "CHUNK", 5)
    parts = examine_open_loop(line(1.0, sigma=0.5), batch, groups, draws=3)
    np.testing.assert_allclose(parts.model.mean, whole.model.mean, rtol=1e-6)
    np.testing.assert_allclose(parts.calibration.crps.mean, whole.calibration.crps.mean, rtol=1e-6)
    np.testing.assert_allclose(parts.by_name["x"].high, whole.by_name["x"].high, rtol=1e-6)


def test_what_is_imagined_has_to_be_finite(line, walks):
    batch, groups = walks()
    with pytest.raises(DataError, match="imagined NaN"):
        examine_open_loop(line(np.inf), batch, groups)
