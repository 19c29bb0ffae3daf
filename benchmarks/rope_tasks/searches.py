"""Searches for one plan of a whole episode, each with the same budget of imagined episodes.

A plan is ``[T, A]`` in units of half the action's range. A search is told the first state and knows the world: it plans
in the world that it is judged in, as in the published comparison. An episode with its gradient counts as
`GRADIENT_COST` episodes, which is about what its processor time is.
"""

import abc
import warnings
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from diorama.core import filter_jit
from diorama.imagine.gradient import Through
from diorama.policies.config import DescentConfig
from diorama.policies.planning_descent import Descent
from diorama.policies.planning_problem import Problem

GRADIENT_COST = 5
POPULATION = 20
_LOST = -1e3
"""The return [m] that a plan is told to have if the rope did not survive it."""


@dataclass(frozen=True)
class Budget:
    """How many imagined episodes a search may spend on one start."""

    episodes: int

    def generations(self, share: float = 1.0) -> int:
        """Of CMA-ES, for this share of the budget."""
        return max(1, round(share * self.episodes / POPULATION))

    def steps(self, restarts: int, share: float = 1.0) -> int:
        """Of Adam on so many plans at a time; the last scoring is counted."""
        return max(1, round((share * self.episodes - restarts) / (restarts * GRADIENT_COST)))


class Searcher(abc.ABC):
    """Finds a plan."""

    @abc.abstractmethod
    def __call__(self, problem: Problem, budget: Budget, seed: int) -> np.ndarray:
        """The best plan met, ``[T, A]``."""


class Evolution(Searcher):
    """CMA-ES (Hansen 2001, arXiv 1604.00772) by pycma, with bounds, from the plan to hold still."""

    def __init__(self, deviation: float = 0.5, share: float = 1.0) -> None:
        self.deviation, self.share = deviation, share

    def __call__(self, problem: Problem, budget: Budget, seed: int) -> np.ndarray:
        """See `Searcher`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pycma warns of optional packages that it does without
            import cma
        shape = (problem.config.horizon, problem.env.spec.action.size)
        options = {"popsize": POPULATION, "seed": seed + 1, "bounds": [-1, 1], "verbose": -9}
        search = cma.CMAEvolutionStrategy(np.zeros(shape).ravel(), self.deviation, options)
        best, record = np.zeros(shape), -np.inf
        for _ in range(budget.generations(self.share)):
            drawn = search.ask()
            plans = np.asarray(drawn, np.float32).reshape(POPULATION, *shape)
            found = np.asarray(_scores(problem, jnp.asarray(plans)), np.float64)
            found = np.where(np.isfinite(found), found, _LOST)
            search.tell(drawn, list(-found))
            if found.max() > record:
                best, record = plans[found.argmax()], found.max()
        return best


class Gradient(Searcher):
    """Adam through the simulator, from the plan to hold still and from drawn ones (`Descent`)."""

    def __init__(self, restarts: int = 4) -> None:
        self.restarts = restarts

    def __call__(self, problem: Problem, budget: Budget, seed: int) -> np.ndarray:
        """See `Searcher`."""
        still = jnp.zeros((problem.config.horizon, problem.env.spec.action.size))
        search = Descent(DescentConfig(self.restarts, budget.steps(self.restarts), 0.2), Through())
        return np.asarray(_searched(search, problem, still, jax.random.key(seed)))


class EvolutionThenGradient(Searcher):
    """Half of the budget each: CMA-ES finds the hill, Adam climbs it from the best plan."""

    def __call__(self, problem: Problem, budget: Budget, seed: int) -> np.ndarray:
        """See `Searcher`."""
        first = Evolution(share=0.5)(problem, budget, seed)
        search = Descent(DescentConfig(1, budget.steps(1, 0.5), 0.1), Through())
        return np.asarray(_searched(search, problem, jnp.asarray(first), jax.random.key(seed)))


@filter_jit
def _scores(problem: Problem, plans: jax.Array) -> jax.Array:
    return problem.scores(plans, jax.random.key(0))


@filter_jit
def _searched(search: Descent, problem: Problem, start: jax.Array, key: jax.Array) -> jax.Array:
    return search(problem, start, key)[0]
