"""What stands beside a model: ridge regression, a steady drift, other models; and the same for pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, ConfigError, DataError, EnvSpec, Prediction, WorldModel, field
from diorama.exam import Ridge, examine_open_loop
from diorama.models import check_model

RIDGE, DRIFT = "ridge regression", "repeating the last change"


def test_ridge_regression_learns_a_line_and_beats_what_does_not(line, walks):
    batch, groups = walks()
    result = examine_open_loop(line(0.5), batch, groups, training=walks(200, seed=1)[0], draws=0)
    ridge = result.baselines[RIDGE]
    assert list(result.baselines) == [RIDGE]
    assert np.all(ridge.error.mean < 0.02) and np.all(ridge.paired.low > 0)
    np.testing.assert_allclose(ridge.paired.mean, result.model.mean - ridge.error.mean)


def test_ridge_regression_knows_products_of_observation_and_action(line, window):
    """A world with a gate: the action moves the position by as much as the gate is open."""
    spec = EnvSpec("gate", {"x": ArraySpec((2,))}, ArraySpec((1,), low=-1.0, high=1.0), 0.1)

    def gates(seed):
        rng = np.random.default_rng(seed)
        action = rng.uniform(-1, 1, (80, 5, 1))
        gate = np.broadcast_to(rng.uniform(0, 1, (80, 1, 1)), (80, 6, 1))
        place = np.concatenate([np.zeros((80, 1, 1)), gate[:, 1:] * action], axis=1).cumsum(axis=1)
        return window({"x": np.concatenate([place, gate], axis=-1).astype(np.float32)}, action)

    ridge = Ridge.fitted(gates(0), spec)
    result = examine_open_loop(ridge, gates(1), np.arange(80), draws=0)
    assert np.all(result.model.mean < 0.02) and np.all(result.paired.high < -0.1)


def test_a_rolled_polynomial_stays_near_the_data(walks, line):
    training, _ = walks(30)
    ridge = Ridge.fitted(training, line(1.0).spec)
    key = jax.random.key(0)
    state = ridge.start({"x": jnp.zeros(1)}, key)
    step = jax.jit(lambda belief: ridge.step(belief, jnp.ones(1), key))
    for _ in range(50):
        state = step(state)
    low, high = training.observation["x"].min(), training.observation["x"].max()
    assert float(ridge.read(state).observation["x"][0]) == pytest.approx(high + 0.5 * (high - low), rel=1e-5)


def test_ridge_regression_is_a_world_model(walks, line):
    check_model(Ridge.fitted(walks(30)[0], line(1.0).spec))


def test_too_little_data_is_refused(walks, line):
    with pytest.raises(DataError, match="20 training steps"):
        Ridge.fitted(walks(3)[0], line(1.0).spec)


def test_models_stand_beside_each_other_paired(line, walks):
    batch, groups = walks()
    others = {"deaf": line(0.0), "half": line(0.5)}
    result = examine_open_loop(line(0.8), batch, groups, others=others, draws=0)
    assert list(result.baselines) == ["deaf", "half"]
    np.testing.assert_allclose(result.baselines["half"].error.mean / result.model.mean, 2.5, rtol=1e-4)
    np.testing.assert_allclose(result.baselines["deaf"].error.high, result.copy_last.high, rtol=1e-5)
    assert np.all(result.baselines["half"].paired.high < 0)
    with pytest.raises(ConfigError, match="other names"):
        examine_open_loop(line(0.8), batch, groups, others={"model": line(0.0)})


def test_with_context_a_model_and_a_drift_go_on_as_they_went(line, window):
    """Bodies at steady velocities under actions that do nothing."""
    rng = np.random.default_rng(0)
    velocity, start = rng.normal(size=(2, 24, 1, 1))
    x = (start + velocity * np.arange(7).reshape(1, 7, 1)).astype(np.float32)
    batch = window({"x": x}, rng.uniform(-1, 1, (24, 6, 1)))
    result = examine_open_loop(line(0.0, inert=True), batch, np.arange(24), context=2, draws=0)
    assert (result.context, len(result.horizon)) == (2, 4)
    np.testing.assert_allclose(result.baselines[DRIFT].error.mean, 0.0, atol=1e-5)
    np.testing.assert_allclose(result.model.mean, 0.0, atol=1e-5)
    assert DRIFT not in examine_open_loop(line(0.0, inert=True), batch, np.arange(24), draws=0).baselines
    with pytest.raises(DataError, match="at least one to imagine"):
        examine_open_loop(line(0.0), batch, np.arange(24), context=6)


SIDE = 16
CAMERA = ArraySpec((SIDE, SIDE, 1), low=0.0, high=255.0, dtype="uint8")
LAMP = EnvSpec("lamp", {"eye": CAMERA}, ArraySpec((1,), low=-1.0, high=1.0), 0.1)


class Off(WorldModel):
    """Sees the lamp and says that it is brighter by ``bias`` than the actions make it, and a random pixel or two."""

    bias: float
    noise: float
    spec: EnvSpec = field(static=True, default=LAMP)

    def start(self, observation, key):
        return observation["eye"].astype(jnp.float32)

    def step(self, belief, action, key):
        lit = belief.at[:, : SIDE // 2].add(20.0 * action[0])
        return lit + self.noise * jax.random.normal(key, belief.shape)

    def update(self, belief, action, observation, key):
        return observation["eye"].astype(jnp.float32)

    def infer(self, window, key):
        return window.observation["eye"][-1].astype(jnp.float32)

    def read(self, belief):
        picture = jnp.clip(jnp.round(belief + self.bias), 0, 255).astype(jnp.uint8)
        return Prediction({"eye": picture}, jnp.zeros(()), jnp.zeros(()), jnp.zeros(()))

    def loss(self, window, key):
        return jnp.zeros(()), {}


@pytest.fixture(scope="module")
def lamps(window):
    """Windows of pictures whose left half the action makes brighter."""

    def make(seed, count=24):
        rng = np.random.default_rng(seed)
        action = np.round(rng.uniform(-1, 1, (count, 5, 1)), 1)
        light = 120 + 20 * np.concatenate([np.zeros((count, 1, 1)), action], axis=1).cumsum(axis=1)
        picture = np.full((count, 6, SIDE, SIDE, 1), 30, np.uint8)
        picture[:, :, :, : SIDE // 2] = light[..., None, None].round().astype(np.uint8)
        return window({"eye": picture}, action)

    return make


def test_a_picture_is_measured_in_decibels(lamps):
    result = examine_open_loop(Off(4.0, 0.0), lamps(0), np.arange(24), training=lamps(1), draws=0)
    np.testing.assert_allclose(result.pictures["eye"].model.mean, 20 * np.log10(255 / 4), rtol=1e-6)
    assert result.pictures["eye"].unit == "dB" and result.entries == {}
    assert np.all(result.pictures["eye"].copy_last.mean < result.pictures["eye"].model.mean)
    curve = result.pictures["eye"].copy_last
    assert np.all(curve.low <= curve.mean) and np.all(curve.mean <= curve.high)
    assert result.actions["shuffled"].verdict == "uses its actions"
    # Principal components see that the action is brightness.
    assert np.all(result.baselines[RIDGE].error.mean[1:] < 0.5 * result.copy_last.mean[1:])


def test_a_perfect_picture_is_a_hundred_decibels(lamps):
    result = examine_open_loop(Off(0.0, 0.0), lamps(0), np.arange(24), draws=0)
    np.testing.assert_allclose(result.pictures["eye"].model.mean, 100.0)


def test_pictures_are_calibrated_on_some_of_their_pixels(lamps, monkeypatch):
    monkeypatch.setattr("diorama.exam.calibration.PIXELS", 60)
    result = examine_open_loop(Off(0.0, 8.0), lamps(0), np.arange(24), draws=9, drawn=12).calibration
    assert (result.draws, result.windows) == (9, 12) and set(result.verdict) == {"underconfident"}
