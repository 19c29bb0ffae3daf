"""Worlds on a line whose right answers are known: the position moves by the action, and by noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, EnvSpec, Prediction, Window, WorldModel, field

SPEC = EnvSpec("line", {"x": ArraySpec((1,), "m", names=("place",))}, ArraySpec((1,), "m", -1.0, 1.0), 0.5)


class Line(WorldModel):
    """Moves by the actions times ``gain`` and by noise of the size ``sigma``; the truth has gain 1.

    Several gains are several members, of which it is the mean. Its belief is the position and the velocity that
    ``infer`` saw, with which it goes on where ``inert``.
    """

    gain: jax.Array
    sigma: jax.Array
    inert: bool = field(static=True, default=False)
    spec: EnvSpec = field(static=True, default=SPEC)

    @property
    def members(self):
        return len(self.gain)

    def member(self, index):
        return Line(self.gain[index : index + 1], self.sigma, self.inert)

    def start(self, observation, key):
        return observation["x"], jnp.zeros(1)

    def step(self, belief, action, key):
        place, velocity = belief
        moved = place + self.gain.mean() * action + self.sigma * jax.random.normal(key, (1,))
        return moved + velocity if self.inert else moved, velocity

    def update(self, belief, action, observation, key):
        return observation["x"], belief[1]

    def infer(self, window, key):
        x = window.observation["x"]
        return x[-1], x[-1] - x[-2]

    def read(self, belief):
        return Prediction({"x": belief[0]}, jnp.zeros(()), jnp.zeros(()), jnp.full((), 0.25))

    def loss(self, window, key):
        return jnp.zeros(()), {}


def _window(observation: dict, action: np.ndarray) -> Window:
    flags = np.zeros(action.shape[:2], bool)
    return Window(observation, np.asarray(action, np.float32), np.zeros(flags.shape, np.float32), flags, ~flags)


def _walks(count: int = 40, length: int = 6, sigma: float = 0.0, seed: int = 0) -> tuple[Window, np.ndarray]:
    rng = np.random.default_rng(seed)
    action = rng.uniform(-1, 1, (count, length, 1))
    moves = action + sigma * rng.normal(size=action.shape)
    x = np.concatenate([rng.normal(size=(count, 1, 1)), moves], axis=1).cumsum(axis=1).astype(np.float32)
    return _window({"x": x}, action), np.arange(count) // 4


@pytest.fixture(scope="session")
def line():
    """``line(gain, ..., sigma=0, inert=False)``: a model of the line."""
    return lambda *gains, sigma=0.0, inert=False: Line(jnp.asarray(gains), jnp.asarray(sigma), inert)


@pytest.fixture(scope="session")
def walks():
    """``walks(count, length, sigma, seed)``: windows of walks on the line under random actions, and their groups."""
    return _walks


@pytest.fixture(scope="session")
def window():
    """A window of observations and actions in which all steps happened."""
    return _window
