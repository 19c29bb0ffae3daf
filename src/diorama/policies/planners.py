"""Planners as policies: sample action sequences inside the bounds, imagine them, move the plan towards the good ones.

The memory is the last plan, shifted by one step. A planner thinks in an `Env`, so it plans in a learned world
(``as_env(model, ...)``) as in a simulator. Sources: MPPI, Williams et al. 2017 (arXiv 1707.02342); the cross-entropy
method as in PETS (arXiv 1805.12114); carrying the plan over and keeping elites, TD-MPC (arXiv 2203.04955).
"""

import abc
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Env, EnvSpec, Module, Policy, Trajectory, field
from diorama.core.env import Observation, State
from diorama.imagine import rollout
from diorama.policies.actor import bounds
from diorama.policies.config import PlannerConfig

Value = Callable[[Observation], Float[Array, ""]]
Plan = tuple[Float[Array, "T A"], Float[Array, "T A"]]
SMALLEST_NOISE = 0.05


class Scripted(Policy):
    """Plays a given sequence of actions ``[T, A]``, whatever it sees. Its memory is the step."""

    actions: Float[Array, "T A"]

    def init(self, spec: EnvSpec) -> Array:
        """Step 0."""
        return jnp.zeros((), jnp.int32)

    def act(self, memory: Array, observation: Observation, key: PRNGKeyArray) -> tuple[Float[Array, " A"], Array]:
        """The next action of the sequence."""
        return self.actions[memory], memory + 1


class Refine(Module):
    """How scored samples turn into the next plan."""

    @abc.abstractmethod
    def __call__(self, samples: Float[Array, "S T A"], scores: Float[Array, " S"], config: PlannerConfig) -> Plan:
        """The mean and the standard deviation ``[T, A]`` of the next round, in units of half the range."""


class Weighted(Refine):
    """MPPI: weights grow with exp(score / temperature), where scores are divided by the elites' standard deviation."""

    def __call__(self, samples: Float[Array, "S T A"], scores: Float[Array, " S"], config: PlannerConfig) -> Plan:
        """See `Refine`."""
        best, index = jax.lax.top_k(scores, config.elites)
        scale = config.temperature * (jnp.std(best) + 1e-6)
        weights = jax.nn.softmax((best - best[0]) / scale)
        mean = jnp.einsum("s,sta->ta", weights, samples[index])
        variance = jnp.einsum("s,sta->ta", weights, (samples[index] - mean[None]) ** 2)
        return mean, jnp.maximum(jnp.sqrt(variance), SMALLEST_NOISE)


class Elites(Refine):
    """The cross-entropy method: mean and standard deviation of the best samples."""

    def __call__(self, samples: Float[Array, "S T A"], scores: Float[Array, " S"], config: PlannerConfig) -> Plan:
        """See `Refine`."""
        _, index = jax.lax.top_k(scores, config.elites)
        chosen = samples[index]
        return jnp.mean(chosen, axis=0), jnp.maximum(jnp.std(chosen, axis=0), SMALLEST_NOISE)


class Planner(Policy):
    """Model-predictive control by sampling: acts with the first step of its plan and keeps the rest.

    ``begin`` turns an observation into a state of ``env`` (of a learned world: ``model.start``). ``value`` is what to
    expect beyond the horizon. ``proposal`` is a policy whose own trajectory joins the samples. Samples are drawn in
    units of half the action's range and clipped, so that every imagined and every real action is inside the bounds.
    """

    env: Env
    config: PlannerConfig = field(static=True)
    refine: Refine
    begin: Callable[[Observation, PRNGKeyArray], State]
    value: Value | None = None
    proposal: Policy | None = None

    def init(self, spec: EnvSpec) -> Float[Array, "T A"]:
        """The plan to stay in the middle of the bounds."""
        return jnp.zeros((self.config.horizon, spec.action.size))

    def act(
        self, memory: Float[Array, "T A"], observation: Observation, key: PRNGKeyArray
    ) -> tuple[Float[Array, " A"], Float[Array, "T A"]]:
        """Plan from here; act with the first step of the plan."""
        begin_key, propose_key, key = jax.random.split(key, 3)
        state = self.begin(observation, begin_key)
        offered = self._propose(state, propose_key)

        def refined(plan: Plan, round_key: PRNGKeyArray) -> tuple[Plan, None]:
            return self._round(plan, offered, state, round_key), None

        first = (memory, jnp.full_like(memory, self.config.noise))
        (plan, _), _ = jax.lax.scan(refined, first, jax.random.split(key, self.config.rounds))
        return self._physical(plan[:1])[0], jnp.concatenate([plan[1:], plan[-1:]])

    def _round(self, plan: Plan, offered: Float[Array, "P T A"], state: State, key: PRNGKeyArray) -> Plan:
        sample_key, roll_key = jax.random.split(key)
        mean, std = plan
        noise = jax.random.normal(sample_key, (self.config.samples, *mean.shape))
        samples = jnp.concatenate([mean[None], offered, jnp.clip(mean[None] + std[None] * noise, -1.0, 1.0)])
        return self.refine(samples, jax.vmap(lambda s: self._score(state, s, roll_key))(samples), self.config)

    def _score(self, state: State, plan: Float[Array, "T A"], key: PRNGKeyArray) -> Float[Array, ""]:
        seen = rollout(self.env, Scripted(self._physical(plan)), state, length=self.config.horizon, key=key)
        discount = self.config.discount ** jnp.arange(self.config.horizon)
        return jnp.sum(discount * seen.reward) + self._beyond(seen)

    def _beyond(self, seen: Trajectory) -> Float[Array, ""]:
        if self.value is None:
            return jnp.zeros(())
        last = {name: value[-1] for name, value in seen.observation.items()}
        return jnp.where(seen.end.any(), 0.0, self.config.discount**self.config.horizon * self.value(last))

    def _propose(self, state: State, key: PRNGKeyArray) -> Float[Array, "P T A"]:
        low, high = _bounds(self.env.spec)
        if self.proposal is None:
            return jnp.zeros((0, self.config.horizon, low.shape[0]))
        seen = rollout(self.env, self.proposal, state, length=self.config.horizon, key=key)
        return jax.vmap(lambda action: 2 * (action - low) / (high - low) - 1)(seen.action)[None]

    def _physical(self, plan: Float[Array, "T A"]) -> Float[Array, "T A"]:
        low, high = _bounds(self.env.spec)
        return jax.vmap(lambda action: jnp.clip(low + (action + 1) * 0.5 * (high - low), low, high))(plan)


def mppi(env: Env, config: PlannerConfig, begin: Callable, **more: Value | Policy) -> Planner:
    """Model-predictive path integral control; ``more``: ``value`` and ``proposal`` of `Planner`."""
    return Planner(env, config, Weighted(), begin, **more)


def cem(env: Env, config: PlannerConfig, begin: Callable, **more: Value | Policy) -> Planner:
    """The cross-entropy method; ``more``: ``value`` and ``proposal`` of `Planner`."""
    return Planner(env, config, Elites(), begin, **more)


def _bounds(spec: EnvSpec) -> tuple[Float[Array, " A"], Float[Array, " A"]]:
    low, high = bounds(spec)
    return jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32)
