"""Interaction with the point mass under random forces, and the model and policy configurations that tests share."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import Window
from diorama.envs.teaching import PointMass
from diorama.imagine import rollout
from diorama.models import EnsembleConfig, build
from diorama.policies import RandomPolicy


@dataclasses.dataclass(frozen=True)
class Recorded:
    """Whole recorded episodes ``[N, T]``; a window is a stretch of one."""

    episodes: Window
    length: int

    def sample(self, rng: np.random.Generator, batch: int) -> Window:
        count, steps = self.episodes.reward.shape
        episode, start = rng.integers(0, count, batch), rng.integers(0, steps - self.length + 1, batch)
        rows = start[:, None] + np.arange(self.length + 1)
        cut = jax.tree.map(lambda leaf: leaf[episode[:, None], rows[:, :-1]], self.episodes)
        observation = {name: v[episode[:, None], rows] for name, v in self.episodes.observation.items()}
        return Window(observation, cut.action, cut.reward, cut.end, cut.mask)


def record(seed: int, count: int = 64, length: int = 32) -> Window:
    env = PointMass()

    def one(key: jax.Array):
        start_key, roll_key = jax.random.split(key)
        state = env.reset({"mass": jnp.ones(()), "start": jnp.full((), 2.0)}, start_key)
        return rollout(env, RandomPolicy(env.spec), state, length=length, key=roll_key)

    seen = jax.tree.map(np.asarray, jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(seed), count)))
    return Window(seen.observation, seen.action, seen.reward, seen.end, seen.mask)


@pytest.fixture(scope="session")
def training() -> Recorded:
    return Recorded(record(0), 2)


@pytest.fixture(scope="session")
def held_out() -> Recorded:
    return Recorded(record(1, 16), 2)


@pytest.fixture(scope="session")
def untrained(training):
    return build(EnsembleConfig("nano"), PointMass().spec, 0).measured(training.sample(np.random.default_rng(0), 512))
