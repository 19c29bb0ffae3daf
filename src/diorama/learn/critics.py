"""Critics of imagined return: several at once, fitted to TD(lambda) targets.

Source: SAPO (arXiv 2412.12089): the least of the critics makes the targets, their mean guides the actor. TD(lambda):
Sutton and Barto 2018, chapter 12.1.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import (
    Metrics,
    Module,
    Trajectory,
    combine,
    field,
    filter_value_and_grad,
    is_inexact_array,
    partition,
)
from diorama.core.env import Observation
from diorama.learn.config import FirstOrderConfig
from diorama.learn.state import adam, descend, parameters
from diorama.policies.actor import Critic


class Critics(Module):
    """Critics of one kind; none at all says that nothing lies beyond the horizon (the ablation without a value)."""

    each: tuple[Critic, ...]
    count: int = field(static=True)

    @staticmethod
    def of(critics: Critic | tuple[Critic, ...]) -> "Critics":
        """One critic, several, or none."""
        critics = critics if isinstance(critics, tuple) else (critics,)
        return Critics(critics, len(critics))

    def least(self, observation: Observation) -> Float[Array, ""]:
        """The lowest of the values: for targets."""
        return jnp.min(self._values(observation))

    def mean(self, observation: Observation) -> Float[Array, ""]:
        """The mean of the values: for the actor."""
        return jnp.mean(self._values(observation))

    def _values(self, observation: Observation) -> Float[Array, " C"]:
        if not self.each:
            return jnp.zeros(1)
        return jnp.stack([critic(observation) for critic in self.each])


def lambda_returns(
    config: FirstOrderConfig, seen: Trajectory, reward: Float[Array, " T"], values: Float[Array, " T1"]
) -> Float[Array, " T"]:
    """TD(lambda) targets of one trajectory for ``reward``; ``values`` are those of its T + 1 observations."""

    def body(after: Array, given: tuple) -> tuple[Array, Array]:
        reward, goes_on, value = given
        mixed = (1 - config.trace) * value + config.trace * after
        now = reward + config.discount * goes_on * mixed
        return now, now

    _, targets = jax.lax.scan(body, values[-1], (reward, 1.0 - seen.end, values[1:]), reverse=True)
    return targets


def fit_critics(
    config: FirstOrderConfig,
    critics: Critics,
    state: optax.OptState,
    seen: Trajectory,
    wanted: Float[Array, "B T"],
    key: PRNGKeyArray,
) -> tuple[Critics, Any, Metrics]:
    """``critic_steps`` minibatches over the observations of trajectories ``[B, T]`` towards the ``wanted`` values."""
    if not critics.each:
        return critics, state, {"value_loss": jnp.zeros(()), "value": jnp.zeros(())}
    flat = {name: v[:, :-1].reshape(-1, *v.shape[2:]) for name, v in seen.observation.items()}
    wanted, mask = wanted.reshape(-1), seen.mask.reshape(-1)
    size = wanted.shape[0] // config.critic_steps
    order = jax.random.permutation(key, wanted.shape[0])[: size * config.critic_steps]
    batches = jax.tree.map(lambda a: a[order].reshape(config.critic_steps, size, *a.shape[1:]), (flat, wanted, mask))
    optimiser = critic_optimiser(config)

    def body(held: tuple, batch: tuple) -> tuple:
        loss, gradient = _loss_gradient(held[0], *batch)
        critics, state, _ = descend(optimiser, held[0], gradient, held[1])
        return (critics, state), loss

    (critics, state), losses = jax.lax.scan(body, (critics, state), batches)
    return critics, state, {"value_loss": jnp.mean(losses), "value": jnp.mean(wanted)}


def critic_optimiser(config: FirstOrderConfig) -> optax.GradientTransformation:
    """Adam at a constant rate: the targets move as long as the actor does."""
    return adam(config.critic_rate, config.gradient_norm)


def towards(target: Critics, critics: Critics, rate: float) -> Critics:
    """The target critics, moved by ``rate`` of the way."""
    (old, rest), new = partition(target, is_inexact_array), parameters(critics)
    return combine(optax.incremental_update(new, old, rate), rest)


@filter_value_and_grad
def _loss_gradient(critics: Critics, observation: dict, wanted: Array, mask: Array) -> Float[Array, ""]:
    """The mean squared error over critics and observations."""
    squares = [jnp.sum(mask * (jax.vmap(critic)(observation) - wanted) ** 2) for critic in critics.each]
    return sum(squares) / (len(squares) * jnp.maximum(mask.sum(), 1))
