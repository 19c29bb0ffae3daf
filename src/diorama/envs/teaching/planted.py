"""The puck's world with one planted fault, for those who look for faults.

The faults are of the kinds that simulators and learned worlds have: energy from nowhere, an object that jumps, a region
in which the world plays on whatever is done, imagination that drifts to what the data mostly ended with.
"""

import abc
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from diorama.core import Env, EnvSpec, Module, field, tree_at
from diorama.core.env import Observation, Scenario
from diorama.envs.teaching.puck import Puck, PuckState


class PlantedState(Module):
    """What the sound world holds, and how many steps there were."""

    inner: PuckState
    steps: Int[Array, ""]


class Fault(Module):
    """What is wrong: where the puck is after a step is changed."""

    @abc.abstractmethod
    def __call__(self, before: PlantedState, after: PuckState) -> Float[Array, " 2"]:
        """The puck's position [m] after the step; ``after`` is what would be right."""


@final
class NoFault(Fault):
    """Nothing is wrong."""

    def __call__(self, before: PlantedState, after: PuckState) -> Float[Array, " 2"]:
        """The right position."""
        return after.puck


@final
class FreeEnergy(Fault):
    """The puck takes on the finger's motion from up to ``reach`` [m] away: work is done where nothing touches."""

    reach: float = field(static=True, default=0.45)

    def __call__(self, before: PlantedState, after: PuckState) -> Float[Array, " 2"]:
        """The right position, or the one that it is dragged to."""
        away = jnp.sqrt(jnp.sum((before.inner.finger - before.inner.puck) ** 2))
        dragged = before.inner.puck + after.finger - before.inner.finger
        return jnp.where(away < self.reach, dragged, after.puck)


@final
class Teleport(Fault):
    """The puck jumps to its goal when the finger is farther left than ``edge`` [m]."""

    edge: float = field(static=True, default=-0.7)

    def __call__(self, before: PlantedState, after: PuckState) -> Float[Array, " 2"]:
        """The goal, or the right position."""
        return jnp.where(after.finger[0] < self.edge, 0.0, after.puck)


@final
class Deaf(Fault):
    """Farther right than ``edge`` [m] the world does not listen: the puck creeps home, as data mostly ended there."""

    edge: float = field(static=True, default=0.5)
    pace: float = field(static=True, default=0.04)

    def __call__(self, before: PlantedState, after: PuckState) -> Float[Array, " 2"]:
        """A small step home where the finger is in the region."""
        return jnp.where(before.inner.finger[0] > self.edge, crept(before.inner.puck, self.pace), after.puck)


@final
class Drift(Fault):
    """From step ``after`` on the puck creeps home by itself: the error grows with the depth of imagination."""

    after: int = field(static=True, default=5)
    pace: float = field(static=True, default=0.03)

    def __call__(self, before: PlantedState, after: PuckState) -> Float[Array, " 2"]:
        """A small step home, once it is that deep."""
        return jnp.where(before.steps >= self.after, crept(after.puck, self.pace), after.puck)


@final
class Chosen(Fault):
    """One of several faults by its ``number``, which is data: all of them share one compiled program."""

    number: Int[Array, ""]
    faults: tuple[Fault, ...]

    def __call__(self, before: PlantedState, after: PuckState) -> Float[Array, " 2"]:
        """What the chosen one says."""
        return jnp.stack([fault(before, after) for fault in self.faults])[self.number]


@final
class Planted(Env):
    """The puck's world with a ``fault`` in every step."""

    spec: EnvSpec = field(static=True)
    env: Puck
    fault: Fault

    @staticmethod
    def of(fault: Fault) -> "Planted":
        """The world with this fault."""
        env = Puck()
        return Planted(env.spec, env, fault)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> PlantedState:
        """A sound first state."""
        return _begun(self.env.reset(scenario, key))

    def seen_at(self, observation: Observation, key: PRNGKeyArray) -> PlantedState:
        """The state that an observation shows; the fault remembers nothing."""
        return _begun(self.env.seen_at(observation, key))

    def step(self, state: PlantedState, action: Float[Array, " A"], key: PRNGKeyArray) -> PlantedState:
        """A right step, then the fault."""
        after = self.env.step(state.inner, action, key)
        puck = self.fault(state, after)
        return PlantedState(tree_at(lambda s: s.puck, after, puck), state.steps + 1)

    def observe(self, state: PlantedState) -> Observation:
        """What the sound world shows of such a state."""
        return self.env.observe(state.inner)

    def reward(self, state: PlantedState, action: Float[Array, " A"], next_state: PlantedState) -> Float[Array, ""]:
        """As in the sound world."""
        return self.env.reward(state.inner, action, next_state.inner)

    def terminal(self, state: PlantedState) -> Bool[Array, ""]:
        """Never."""
        return self.env.terminal(state.inner)


def _begun(inner: PuckState) -> PlantedState:
    return PlantedState(inner, jnp.zeros((), jnp.int32))


def crept(puck: Float[Array, " 2"], pace: float) -> Float[Array, " 2"]:
    """The position after a step of at most ``pace`` [m] towards the origin."""
    away = jnp.sqrt(jnp.sum(puck**2) + 1e-8)
    return puck * jnp.maximum(1 - pace / away, 0.0)
