"""Windows of recorded interaction under another reward than the recorded one."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diorama.core import Window, filter_jit
from diorama.imagine.world import Reward
from diorama.learn.fitting import WindowSource


class Relabelled(NamedTuple):
    """A source of windows whose rewards are those of a function of (observation, action, next observation).

    So that a world's reward head learns the reward that a policy is trained on, where that is not the recorded one.
    """

    source: WindowSource
    reward: Reward

    def sample(self, rng: np.random.Generator, batch: int) -> Window:
        """A batch of windows ``[batch, T, ...]``, drawn with replacement."""
        return relabelled(self.source.sample(rng, batch), self.reward)


def relabelled(windows: Window, reward: Reward) -> Window:
    """The same windows ``[N, T, ...]`` with new rewards; 0 where nothing happened."""
    given = {name: jnp.asarray(values) for name, values in windows.observation.items()}
    found = np.asarray(_rewards((reward,), given, jnp.asarray(windows.action)))
    rewards = np.where(windows.mask, found, 0.0).astype(np.float32)
    return Window(windows.observation, windows.action, rewards, windows.end, windows.mask)


@filter_jit
def _rewards(given: tuple[Reward], observation: dict, action: jax.Array) -> jax.Array:
    before = {name: values[:, :-1] for name, values in observation.items()}
    after = {name: values[:, 1:] for name, values in observation.items()}
    return jax.vmap(jax.vmap(given[0]))(before, action, after)
