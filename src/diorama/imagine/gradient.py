"""How to differentiate a rollout. Each mode is an object that links one step of a world to the next.

`Stop` cuts the chain, `Through` differentiates the world, `Decoupled` takes values from one world and derivatives
from another. A mode sees one step at a time; the scan over time is in `diorama.imagine.rollout`.
"""

import abc
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Env, Module, SpecError, WorldModel, field
from diorama.core.env import Observation, State

Link = Any
FORWARD = "forward"
"""The name of values that `rollout` keeps for the backward pass."""
Reward = Callable[[Observation, Float[Array, " A"], Observation], Float[Array, ""]]
"""A known reward: ``function(observation, action, next_observation)``."""


class Seen(Module):
    """What the policy and the objective see of one step: the observation, the reward and whether the world ended."""

    observation: Observation
    reward: Float[Array, ""]
    end: Array


class Gradient(Module):
    """A gradient mode. The carry that it threads through time is ``(state, link)``; ``link`` is the mode's own."""

    @abc.abstractmethod
    def start(self, env: Env, state: State, key: PRNGKeyArray) -> tuple[State, Link]:
        """The carry before the first step."""

    @abc.abstractmethod
    def step(
        self, env: Env, carry: tuple[State, Link], action: Float[Array, " A"], key: PRNGKeyArray
    ) -> tuple[tuple[State, Link], Seen]:
        """One step of the world, and what is seen of it, with this mode's derivatives."""


class Stop(Gradient):
    """No derivative passes through the world. The actions still depend on the policy."""

    def start(self, env: Env, state: State, key: PRNGKeyArray) -> tuple[State, Link]:
        """See `Gradient.start`."""
        return jax.lax.stop_gradient(state), None

    def step(
        self, env: Env, carry: tuple[State, Link], action: Float[Array, " A"], key: PRNGKeyArray
    ) -> tuple[tuple[State, Link], Seen]:
        """See `Gradient.step`."""
        carry, seen = Through().step(env, carry, jax.lax.stop_gradient(action), key)
        return jax.lax.stop_gradient((carry, seen))


class Through(Gradient):
    """The world itself is differentiated (backpropagation through time)."""

    def start(self, env: Env, state: State, key: PRNGKeyArray) -> tuple[State, Link]:
        """See `Gradient.start`."""
        return state, None

    def step(
        self, env: Env, carry: tuple[State, Link], action: Float[Array, " A"], key: PRNGKeyArray
    ) -> tuple[tuple[State, Link], Seen]:
        """See `Gradient.step`."""
        state, link = carry
        following = env.step(state, action, key)
        seen = Seen(env.observe(following), env.reward(state, action, following), env.terminal(following))
        return (following, link), seen


class Decoupled(Gradient):
    """Values from the world that is rolled out, derivatives from a local model along the same path.

    At every step the local model re-encodes what the world showed (no derivative passes through that encoding) and its
    own one-step prediction supplies the Jacobian. The observations and rewards therefore hold the world's values,
    bit for bit, and the local model's derivatives. Source: DMO, arXiv 2509.00215, and arXiv 2602.06219.

    ``reward``: where the world's reward is a known function of (observation, action, next observation), that function,
    so that its own derivative is taken; without it the derivative is that of the local model's reward head.
    """

    local: WorldModel
    reward: Reward | None = field(static=True, default=None)

    def start(self, env: Env, state: State, key: PRNGKeyArray) -> tuple[State, Link]:
        """See `Gradient.start`. Raises `SpecError` where the local model does not show what the world shows."""
        state = jax.lax.stop_gradient(state)
        observation = jax.lax.stop_gradient(env.observe(state))
        if missing := sorted(set(observation) - set(self.local.spec.observation)):
            raise SpecError(
                f"The local model has no observations {missing} of {env.spec.name!r}; "
                "fit it to the same observations as the world."
            )
        return state, (jax.lax.stop_gradient(self.local.start(observation, key)), observation)

    def step(
        self, env: Env, carry: tuple[State, Link], action: Float[Array, " A"], key: PRNGKeyArray
    ) -> tuple[tuple[State, Link], Seen]:
        """See `Gradient.step`."""
        state, (belief, before) = carry
        (following, _), real = kept(Stop().step(env, (state, None), action, key))
        detached = jax.lax.stop_gradient((belief, action))
        encoded = jax.lax.stop_gradient(self.local.update(*detached, real.observation, key))
        belief = swap(encoded, self.local.step(belief, action, key))
        predicted = self.local.read(belief)
        observation = swap(real.observation, {name: predicted.observation[name] for name in real.observation})
        reward = predicted.reward if self.reward is None else self.reward(before, action, observation)
        return (following, (belief, observation)), Seen(observation, swap(real.reward, reward), real.end)


def kept(tree: Any) -> Any:
    """The same, marked as what the backward pass shall remember and not compute again: the costly forward world."""
    return jax.tree.map(lambda leaf: checkpoint_name(leaf, FORWARD), tree)


@jax.custom_jvp
def _swap_leaf(value: Array, path: Array) -> Array:
    return value


@_swap_leaf.defjvp
def _swap_leaf_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return primals[0], tangents[1]


def swap(value: Any, path: Any) -> Any:
    """A pytree with the values of ``value``, bit for bit, and the derivatives of ``path`` (same structure and shapes).

    Arrays that are not floating point have no derivative and are those of ``value``.
    """

    def leaf(v: Array, p: Array) -> Array:
        return _swap_leaf(v, p.astype(v.dtype)) if jnp.issubdtype(jnp.result_type(v), jnp.inexact) else v

    return jax.tree.map(leaf, value, path)
