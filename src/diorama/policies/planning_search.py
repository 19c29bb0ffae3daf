"""Search by sampling: MPPI and the cross-entropy method, and iCEM, which samples less and remembers more.

Sources: MPPI, Williams et al. 2017 (arXiv 1707.02342); the cross-entropy method as in PETS (arXiv 1805.12114); carrying
the plan over, TD-MPC (arXiv 2203.04955); iCEM, Pinneri et al. 2020 (arXiv 2008.06389).
"""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import Module, field
from diorama.policies.config import IcemConfig, PlannerConfig
from diorama.policies.planning_draws import Coloured, Draw
from diorama.policies.planning_problem import Problem, shifted

Plan = tuple[Float[Array, "T A"], Float[Array, "T A"]]


class Search(Module):
    """Finds a plan for a problem. Its memory goes from one decision of an episode to the next."""

    @abc.abstractmethod
    def init(self, config: PlannerConfig, size: int) -> Any:
        """The memory at the start of an episode; ``size`` is that of the action."""

    @abc.abstractmethod
    def __call__(self, problem: Problem, memory: Any, key: PRNGKeyArray) -> tuple[Float[Array, "T A"], Any]:
        """The plan whose first action is done, and the memory of the next decision."""


class Refine(Module):
    """How scored samples turn into the next plan."""

    @abc.abstractmethod
    def __call__(self, samples: Float[Array, "S T A"], scores: Float[Array, " S"], config: PlannerConfig) -> Plan:
        """The mean and the standard deviation ``[T, A]`` of the next round, in units of half the range."""


class Weighted(Refine):
    """MPPI: weights grow with exp(score / temperature), where scores are divided by the elites' standard deviation."""

    def __call__(self, samples: Float[Array, "S T A"], scores: Float[Array, " S"], config: PlannerConfig) -> Plan:
        """See `Refine`."""
        best, index = jax.lax.top_k(_finite(scores), config.elites)
        scale = config.temperature * (jnp.std(best) + 1e-6)
        weights = jax.nn.softmax((best - best[0]) / scale)
        mean = jnp.einsum("s,sta->ta", weights, samples[index])
        variance = jnp.einsum("s,sta->ta", weights, (samples[index] - mean[None]) ** 2)
        return mean, jnp.maximum(jnp.sqrt(variance), config.least)


class Elites(Refine):
    """The cross-entropy method: mean and standard deviation of the best samples."""

    def __call__(self, samples: Float[Array, "S T A"], scores: Float[Array, " S"], config: PlannerConfig) -> Plan:
        """See `Refine`."""
        _, index = jax.lax.top_k(scores, config.elites)
        return _fitted(samples[index], config)


class Rounds(Search):
    """Samples around the plan, refines it, again and again. Its memory is the last plan, shifted by one step.

    The present plan and the proposals are among the samples of every round.
    """

    refine: Refine
    draw: Draw

    def init(self, config: PlannerConfig, size: int) -> Float[Array, "T A"]:
        """The plan to stay in the middle of the bounds."""
        return jnp.zeros((config.horizon, size))

    def __call__(
        self, problem: Problem, memory: Float[Array, "T A"], key: PRNGKeyArray
    ) -> tuple[Float[Array, "T A"], Float[Array, "T A"]]:
        """See `Search`."""

        def refined(plan: Plan, round_key: PRNGKeyArray) -> tuple[Plan, None]:
            return self._round(problem, plan, round_key), None

        first = (memory, jnp.full_like(memory, problem.config.noise))
        (plan, _), _ = jax.lax.scan(refined, first, jax.random.split(key, problem.config.rounds))
        return plan, shifted(plan)

    def _round(self, problem: Problem, plan: Plan, key: PRNGKeyArray) -> Plan:
        sample_key, roll_key = jax.random.split(key)
        known = jnp.concatenate([plan[0][None], problem.offered])
        samples = _filled(known, problem.config.samples, self.draw, plan, sample_key)
        return self.refine(samples, problem.scores(samples, roll_key), problem.config)


class IcemMemory(Module):
    """The last mean, shifted, the last elites, best first and as they were done, and whether there are any yet."""

    mean: Float[Array, "T A"]
    elites: Float[Array, "K T A"]
    begun: Bool[Array, ""]


class Icem(Search):
    """The improved cross-entropy method: coloured noise, elites kept, fewer samples in each round, the best is done.

    The best elites, ``kept`` of them, join the next round, and shifted by one step the first round of the next
    decision; their new last action is drawn. The mean is imagined in the last round only, so that it does not narrow
    the search early. (Pinneri et al. 2020, arXiv 2008.06389, algorithm 1.)
    """

    how: IcemConfig = field(static=True)

    def init(self, config: PlannerConfig, size: int) -> IcemMemory:
        """The middle of the bounds, and no elites."""
        plan = jnp.zeros((config.horizon, size))
        return IcemMemory(plan, jnp.zeros((self.how.carried(config), *plan.shape)), jnp.zeros((), bool))

    def __call__(
        self, problem: Problem, memory: IcemMemory, key: PRNGKeyArray
    ) -> tuple[Float[Array, "T A"], IcemMemory]:
        """See `Search`."""
        fresh_key, key = jax.random.split(key)
        plan = (memory.mean, jnp.full_like(memory.mean, problem.config.noise))
        elites = self._shifted(memory, plan, fresh_key)
        counts = self.how.counts(problem.config)
        for number, (count, round_key) in enumerate(zip(counts, jax.random.split(key, len(counts)), strict=True)):
            mean = plan[0][None] if number == len(counts) - 1 else plan[0][None][:0]
            known = jnp.concatenate([problem.offered, mean, elites])
            plan, elites = self._round(problem, plan, known, count, round_key)
        return elites[0], IcemMemory(shifted(plan[0]), elites, jnp.ones((), bool))

    def _round(
        self, problem: Problem, plan: Plan, known: Float[Array, "N T A"], count: int, key: PRNGKeyArray
    ) -> tuple[Plan, Float[Array, "K T A"]]:
        sample_key, roll_key = jax.random.split(key)
        samples = _filled(known, count, Coloured(self.how.exponent), plan, sample_key)
        _, index = jax.lax.top_k(problem.scores(samples, roll_key), problem.config.elites)
        best, old = samples[index], self.how.momentum
        mean, std = (old * a + (1 - old) * b for a, b in zip(plan, _fitted(best, problem.config), strict=True))
        return (mean, std), best[: self.how.carried(problem.config)]

    def _shifted(self, memory: IcemMemory, plan: Plan, key: PRNGKeyArray) -> Float[Array, "K T A"]:
        """The elites one step later; where there are none, drawn plans, of which nothing is known."""
        drawn = Coloured(self.how.exponent)(key, len(memory.elites), *plan)
        return jnp.where(memory.begun, jnp.concatenate([memory.elites[:, 1:], drawn[:, -1:]], axis=1), drawn)


def _fitted(best: Float[Array, "K T A"], config: PlannerConfig) -> Plan:
    return jnp.mean(best, axis=0), jnp.maximum(jnp.std(best, axis=0), config.least)


def _filled(
    known: Float[Array, "N T A"], count: int, draw: Draw, plan: Plan, key: PRNGKeyArray
) -> Float[Array, "S T A"]:
    """``count`` plans: what is known, and draws around the plan for the rest."""
    return jnp.concatenate([known, draw(key, max(count - len(known), 0), *plan)])


def _finite(scores: Float[Array, " S"]) -> Float[Array, " S"]:
    """Minus infinities as the worst finite score, so that differences of scores are numbers."""
    finite = jnp.isfinite(scores)
    worst = jnp.min(jnp.where(finite, scores, jnp.inf))
    return jnp.where(finite, scores, jnp.where(jnp.isfinite(worst), worst, 0.0))
