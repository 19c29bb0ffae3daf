import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, DataError, EnvSpec, Prediction, Window, WorldModel, field
from diorama.exam import examine_open_loop

SPEC = EnvSpec("line", {"x": ArraySpec((1,), "m")}, ArraySpec((1,), "m", -1.0, 1.0), 0.5)


class Shift(WorldModel):
    """Moves by the action times ``gain``; the truth has gain 1."""

    gain: float
    spec: EnvSpec = field(static=True, default=SPEC)

    def start(self, observation, key):
        return observation["x"]

    def step(self, belief, action, key):
        return belief + self.gain * action

    def update(self, belief, action, observation, key):
        return observation["x"]

    def infer(self, window, key):
        return window.observation["x"][-1]

    def read(self, belief):
        return Prediction({"x": belief}, jnp.zeros(()), jnp.zeros(()), jnp.full((), 0.25))

    def loss(self, window, key):
        return jnp.zeros(()), {}


def windows(count: int = 40, length: int = 6) -> tuple[Window, np.ndarray]:
    rng = np.random.default_rng(0)
    action = rng.uniform(-1, 1, (count, length, 1)).astype(np.float32)
    x = np.concatenate([rng.normal(size=(count, 1, 1)), action], axis=1).cumsum(axis=1).astype(np.float32)
    flags = np.zeros((count, length), bool)
    return Window({"x": x}, action, np.zeros((count, length), np.float32), flags, ~flags), np.arange(count) // 4


def test_a_perfect_model_has_no_error_and_copying_has():
    batch, groups = windows()
    result = examine_open_loop(Shift(1.0), batch, groups)
    np.testing.assert_allclose(result.model.mean, 0.0, atol=1e-5)
    assert np.all(result.paired.high < 0) and np.all(np.diff(result.copy_last.mean) > 0)
    np.testing.assert_allclose(result.spread, 0.25)
    assert (result.windows, result.groups, result.control_period) == (40, 10, 0.5)


def test_the_error_of_a_known_fault_is_its_size_in_standard_deviations():
    batch, groups = windows()
    result = examine_open_loop(Shift(0.5), batch, groups)
    x, action = np.asarray(batch.observation["x"])[..., 0], np.asarray(batch.action)[..., 0]
    std = x.std()
    expected = np.abs(0.5 * action.cumsum(axis=1)).mean(axis=0) / std
    np.testing.assert_allclose(result.model.mean, expected, rtol=1e-3)
    np.testing.assert_allclose(result.by_name["x"].mean, result.model.mean, rtol=1e-6)
    assert result.one_step == pytest.approx(expected[0], rel=1e-3)
    assert np.all(result.model.low < result.model.mean) and np.all(result.model.mean < result.model.high)


def test_standing_still_is_the_copy_baseline():
    batch, groups = windows()
    result = examine_open_loop(Shift(0.0), batch, groups)
    np.testing.assert_allclose(result.model.mean, result.copy_last.mean, rtol=1e-5)
    np.testing.assert_allclose(result.paired.mean, 0.0, atol=1e-5)


def test_intervals_are_over_episodes_not_windows():
    """Copies of one episode's windows bring no evidence, so they must not narrow the interval."""
    batch, groups = windows(20)
    repeated = jax.tree.map(lambda leaf: np.concatenate([leaf] * 5), batch)
    once = examine_open_loop(Shift(0.5), batch, groups)
    often = examine_open_loop(Shift(0.5), repeated, np.concatenate([groups] * 5))
    np.testing.assert_allclose(often.model.high - often.model.low, once.model.high - once.model.low, rtol=0.15)


def test_masked_steps_do_not_count_and_empty_horizons_are_refused():
    batch, groups = windows()
    mask = np.array(batch.mask)
    mask[:20, 3:] = False
    x = np.array(batch.observation["x"])
    x[:20, 4:] = x[:20, 3:4]
    cut = dataclasses.replace(batch, observation={"x": x}, mask=mask)
    np.testing.assert_allclose(examine_open_loop(Shift(1.0), cut, groups).model.mean, 0.0, atol=1e-5)
    mask[:, 5] = False
    with pytest.raises(DataError, match="longest horizon"):
        examine_open_loop(Shift(1.0), dataclasses.replace(batch, mask=mask), groups)
    with pytest.raises(DataError, match="two episodes"):
        examine_open_loop(Shift(1.0), batch, np.zeros(40, int))
