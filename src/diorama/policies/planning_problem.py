"""What a planner solves: score action sequences by imagining them from the present state of a world.

A plan is ``[T, A]`` in units of half the action's range: -1 is the lower bound, 1 the upper one.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Env, EnvSpec, Module, Policy, Trajectory, field
from diorama.core.env import Observation, State
from diorama.imagine import rollout
from diorama.imagine.gradient import Gradient, Stop
from diorama.imagine.scripted import Scripted
from diorama.policies.actor import bounds
from diorama.policies.config import PlannerConfig

Value = Callable[[Observation], Float[Array, ""]]


class Problem(Module):
    """One decision: a world in a state, what counts, and the plans that a proposal policy offers ``[P, T, A]``."""

    env: Env
    config: PlannerConfig = field(static=True)
    value: Value | None
    state: State
    offered: Float[Array, "P T A"]

    def scores(
        self,
        plans: Float[Array, "S T A"],
        key: PRNGKeyArray,
        gradient: Gradient = Stop(),  # noqa: B008 (immutable)
    ) -> Float[Array, " S"]:
        """The imagined return of each plan, in the unit of the reward.

        All plans meet the same randomness (common random numbers), so that a difference of scores is one of plans.
        ``config.chunk`` plans are imagined at a time (0: all). A return that is not finite becomes minus infinity,
        because a learned world may blow up far from its data.
        """

        def one(plan: Float[Array, "T A"]) -> Float[Array, ""]:
            return self._score(plan, key, gradient)

        chunk = self.config.chunk
        whole = not chunk or chunk >= len(plans)
        scores = jax.vmap(one)(plans) if whole else jax.lax.map(one, plans, batch_size=chunk)
        return jnp.where(jnp.isfinite(scores), scores, -jnp.inf)

    def _score(self, plan: Float[Array, "T A"], key: PRNGKeyArray, gradient: Gradient) -> Float[Array, ""]:
        if self.config.draws == 1:
            return self._imagined(plan, key, gradient)
        keys = jax.random.split(key, self.config.draws)
        return jnp.mean(jax.vmap(lambda key: self._imagined(plan, key, gradient))(keys))

    def _imagined(self, plan: Float[Array, "T A"], key: PRNGKeyArray, gradient: Gradient) -> Float[Array, ""]:
        scripted = Scripted(physical(self.env.spec, plan))
        seen = rollout(self.env, scripted, self.state, length=len(plan), key=key, gradient=gradient)
        return jnp.sum(self.config.discount ** jnp.arange(len(plan)) * seen.reward) + self._beyond(seen)

    def _beyond(self, seen: Trajectory) -> Float[Array, ""]:
        if self.value is None:
            return jnp.zeros(())
        last = {name: value[-1] for name, value in seen.observation.items()}
        worth = self.config.discount ** len(seen.reward) * self.value(last)
        return jnp.where(seen.end.any(), 0.0, worth)


def offer(env: Env, proposal: Policy | None, state: State, horizon: int, key: PRNGKeyArray) -> Float[Array, "P T A"]:
    """The plan that ``proposal`` follows from ``state``, ``[1, T, A]``; without a proposal ``[0, T, A]``."""
    low, high = limits(env.spec)
    if proposal is None:
        return jnp.zeros((0, horizon, low.shape[0]))
    action = rollout(env, proposal, state, length=horizon, key=key).action
    unit = jax.vmap(lambda action: 2 * (action - low) / (high - low) - 1)(action)
    return jnp.clip(unit, -1.0, 1.0)[None]


def physical(spec: EnvSpec, plan: Float[Array, "T A"]) -> Float[Array, "T A"]:
    """A plan in the units and bounds of the spec; only rounding is clipped."""
    low, high = limits(spec)
    return jax.vmap(lambda action: jnp.clip(low + (action + 1) * 0.5 * (high - low), low, high))(plan)


def limits(spec: EnvSpec) -> tuple[Float[Array, " A"], Float[Array, " A"]]:
    """The finite bounds of the action. Raises `SpecError` where one is infinite or it is no vector."""
    low, high = bounds(spec)
    return jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32)


def shifted(plan: Float[Array, "T A"]) -> Float[Array, "T A"]:
    """The plan one step later; its last action is repeated."""
    return jnp.concatenate([plan[1:], plan[-1:]])
