"""Control authority: what moves, and how well it can be told where to, when something is held in a certain way.

A way of holding is tried by short roll-outs, one for each probing motion. What they move, less what moves by itself, is
the map from the motion to the targets, of finite size, so that slack, friction and obstacles count. How good such a map
is, is a choice: a `Measure`.
"""

import abc
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Env, Module, field
from diorama.core.env import Observation, State
from diorama.imagine import rollout
from diorama.imagine.scripted import Scripted


class Measure(Module):
    """How good it is that ``motions`` [P, D] (m) move the targets by ``responses`` [P, M] (m); larger is better."""

    @abc.abstractmethod
    def __call__(
        self, motions: Float[Array, "P D"], responses: Float[Array, "P M"], needed: Float[Array, " M"]
    ) -> Float[Array, ""]:
        """The authority; ``needed`` is the motion of the targets that is asked for, of any length."""


class SmallestSingular(Measure):
    """The smallest singular value of the linear map that fits best: the gain of the motion of targets that is hardest.

    It asks for no direction, so ``needed`` does not count, and neither does the sign of the map.
    """

    def __call__(
        self, motions: Float[Array, "P D"], responses: Float[Array, "P M"], needed: Float[Array, " M"]
    ) -> Float[Array, ""]:
        """See the class."""
        return jnp.linalg.svd(fitted(motions, responses), compute_uv=False)[-1]


class LogDeterminant(Measure):
    """The sum of the logarithms of the singular values of that map: how much room of targets a motion reaches.

    Values below ``least`` count as that.
    """

    least: float = field(static=True, default=1e-3)

    def __call__(
        self, motions: Float[Array, "P D"], responses: Float[Array, "P M"], needed: Float[Array, " M"]
    ) -> Float[Array, ""]:
        """See the class."""
        values = jnp.linalg.svd(fitted(motions, responses), compute_uv=False)
        return jnp.sum(jnp.log(jnp.maximum(values, self.least)))


class Needed(Measure):
    """The largest gain of one of the motions along what is ``needed``, with its sign: ropes pull and do not push."""

    def __call__(
        self, motions: Float[Array, "P D"], responses: Float[Array, "P M"], needed: Float[Array, " M"]
    ) -> Float[Array, ""]:
        """See the class."""
        size = jnp.sqrt(jnp.sum(motions**2, -1))
        return jnp.max(responses @ needed / (size * jnp.sqrt(jnp.sum(needed**2))))


def fitted(motions: Float[Array, "P D"], responses: Float[Array, "P M"]) -> Float[Array, "M D"]:
    """The linear map from motions to responses with the least squares of errors."""
    return jnp.linalg.lstsq(motions, responses)[0].T


def responses(
    env: Env,
    state: State,
    probes: Float[Array, "P T A"],
    read: Callable[[Observation], Float[Array, " M"]],
    key: PRNGKeyArray,
) -> Float[Array, "P M"]:
    """By how much each sequence of actions moves what is ``read``, against the sequence of actions that are all zero.

    Everything else is as in the ``state``; where a way of holding is part of it, `jax.vmap` over states compares them.
    """

    def end(actions: Float[Array, "T A"]) -> Float[Array, " M"]:
        seen = rollout(env, Scripted(actions), state, length=len(actions), key=key)
        return read(jax.tree.map(lambda shown: shown[-1], seen.observation))

    ends = jax.vmap(end)(jnp.concatenate([jnp.zeros_like(probes[:1]), probes]))
    return ends[1:] - ends[:1]
