"""Policies of the point mass for planted probes: one that is honest, and ways to look good without it."""

from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Policy
from diorama.data import Dataset
from diorama.envs.teaching import PointMass
from diorama.imagine.host_world import first_observations


def steer(observation) -> Array:
    """Towards the origin, damped; [-1, 1] N."""
    return jnp.clip(-2.0 * observation["position"] - 2.5 * observation["velocity"], -1.0, 1.0)


class Steers(Policy):
    """Looks and steers: the honest one."""

    def init(self, spec) -> None:
        """Remembers nothing."""

    def act(self, memory, observation, key):
        """Towards the origin."""
        return steer(observation), None


class Idle(Policy):
    """Does nothing; no disturbance of the mass can make it worse."""

    def init(self, spec) -> None:
        """Remembers nothing."""

    def act(self, memory, observation, key):
        """No force."""
        return jnp.zeros(2), None


class Remembers(Policy):
    """Steers where it knows the start, and does nothing elsewhere: it has learned the scenarios, not the task."""

    known: Float[Array, "N 2"]

    def __init__(self, seeds: Sequence[int]) -> None:
        env = PointMass()
        scenario = {name: np.full(len(seeds), value) for name, value in env.spec.scenario.default().items()}
        self.known = jnp.asarray(first_observations(env, np.asarray(seeds), scenario)["position"])

    def init(self, spec):
        """Whether the start was recognised; not looked at yet."""
        return jnp.zeros((), bool), jnp.zeros((), bool)

    def act(self, memory, observation, key):
        """As `Steers` where the first observation is a known one."""
        looked, knows = memory
        near = jnp.abs(self.known - observation["position"]).max(axis=1).min() < 1e-4
        knows = jnp.where(looked, knows, near)
        return jnp.where(knows, steer(observation), 0.0), (jnp.ones((), bool), knows)


class Recites(Policy):
    """The same forces at every start, whatever it sees."""

    def init(self, spec):
        """Step 0."""
        return jnp.zeros((), jnp.int32)

    def act(self, memory, observation, key):
        """A small swing."""
        return 0.1 * jnp.sin(0.5 * memory + jnp.arange(2.0)), memory + 1


class Replays(Policy):
    """Plays the training episode that began nearest, to its end, without looking again."""

    starts: Float[Array, "N 2"]
    actions: Float[Array, "N T 2"]

    def __init__(self, dataset: str) -> None:
        held = Dataset.open(Path(dataset))
        length = int(min(held.lengths))
        rows = held.starts[:, None] + np.arange(length)
        self.starts = jnp.asarray(held.column("observation.position")[held.starts])
        self.actions = jnp.asarray(held.column("action")[rows])

    def init(self, spec):
        """Step 0, no episode chosen."""
        return jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)

    def act(self, memory, observation, key):
        """The next action of the episode."""
        step, chosen = memory
        near = jnp.sum((self.starts - observation["position"]) ** 2, axis=1).argmin().astype(jnp.int32)
        chosen = jnp.where(step == 0, near, chosen)
        last = self.actions.shape[1] - 1
        return self.actions[chosen, jnp.minimum(step, last)], (step + 1, chosen)
