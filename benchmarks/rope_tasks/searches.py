"""Searches for one plan of a whole episode, each with the same budget of imagined episodes.

A plan is ``[T, A]`` in units of half the action's range. What is searched is coarser (`basis`): a few velocities
between which is interpolated, and the last decision holds still, because a task is to be done after each of the last
two. A search is told the first state and knows the world: it plans in the world that it is judged in, as in the
published comparison. An episode with its gradient counts as `GRADIENT_COST` episodes, which is about what its
processor time is.
"""

import abc
import warnings
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax

from diorama.core import filter_jit, tree_at
from diorama.envs.rope.tasks.world import TaskState
from diorama.imagine.gradient import Through
from diorama.policies.planning_descent import INSIDE
from diorama.policies.planning_problem import Problem

GRADIENT_COST = 5
POPULATION = 10
KNOTS = 5
_LOST = -1e3
"""The return [m] that a plan is told to have if the rope did not survive it."""


@dataclass(frozen=True)
class Budget:
    """How many imagined episodes a search may spend on one start."""

    episodes: int

    def generations(self, share: float = 1.0) -> int:
        """Of CMA-ES, for this share of the budget."""
        return max(1, round(share * self.episodes / POPULATION))

    def draws(self, share: float) -> int:
        """Random plans, for this share of the budget."""
        return max(2, round(share * self.episodes))

    def steps(self, share: float) -> int:
        """Of Adam on one plan, for this share; scoring its end is counted."""
        return max(1, int((share * self.episodes - 1) / GRADIENT_COST))


def basis(decisions: int, knots: int = KNOTS) -> np.ndarray:
    """The plan [T] of each of at most ``knots`` velocities at even distances in time, [T, K]; its last row is zero."""
    moving = decisions - 1
    count = min(knots, moving)
    places = np.linspace(0.0, moving - 1.0, count)
    hats = np.stack([np.interp(np.arange(moving), places, row) for row in np.eye(count)], -1)
    return np.concatenate([hats, np.zeros((1, count))]).astype(np.float32)


class Searcher(abc.ABC):
    """Finds a plan."""

    @abc.abstractmethod
    def __call__(self, problem: Problem, budget: Budget, seed: int) -> np.ndarray:
        """The best plan met, ``[T, A]``."""


class Evolution(Searcher):
    """CMA-ES (Hansen 2001, arXiv 1604.00772) by pycma, with bounds, from the best of a third of the budget of draws.

    A wide draw finds the side of a post or of a ring on which to go, which a start at rest does not.
    """

    def __init__(self, deviation: float = 0.35, drawn: float = 1.0 / 3.0, share: float = 1.0) -> None:
        self.deviation, self.drawn, self.share = deviation, drawn, share

    def __call__(self, problem: Problem, budget: Budget, seed: int) -> np.ndarray:
        """See `Searcher`."""
        return _base(problem) @ self.found(problem, budget, seed)

    def found(self, problem: Problem, budget: Budget, seed: int) -> np.ndarray:
        """The best coarse plan met, [K, A]."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pycma warns of optional packages that it does without
            import cma
        best, record = drawn_best(problem, budget.draws(self.share * self.drawn), seed)
        options = {"popsize": POPULATION, "seed": seed + 1, "bounds": [-1, 1], "verbose": -9}
        search = cma.CMAEvolutionStrategy(best.ravel(), self.deviation, options)
        for _ in range(budget.generations(self.share * (1.0 - self.drawn))):
            drawn = search.ask()
            plans = np.asarray(drawn, np.float32).reshape(POPULATION, *best.shape)
            found = scored(problem, plans)
            search.tell(drawn, list(-found))
            if found.max() > record:
                best, record = plans[found.argmax()], found.max()
        return best


@dataclass(frozen=True)
class Climb:
    """Adam through the simulator on coarse plans, in a world whose surfaces are soft at first.

    The distance at which contacts set in begins ``soften`` times as large and is that of the world from the middle of
    the steps on. What is kept is what scores best in the world as it is: of the start, the second half of the way and
    its end.
    """

    rate: float = 0.15
    soften: float = 4.0

    def __call__(self, problem: Problem, plan: np.ndarray, steps: int) -> np.ndarray:
        """The best coarse plan met [K, A] on the way from this one."""
        softer = jnp.where(jnp.arange(steps) < steps // 2, self.soften, 1.0)
        raw = jnp.arctanh(jnp.clip(jnp.asarray(plan), -INSIDE, INSIDE))
        way, told = _climbed(problem, jnp.asarray(_base(problem)), raw, softer, jnp.asarray(self.rate))
        ends = scored(problem, np.stack([plan, np.asarray(way[-1])]))
        known = np.where(np.asarray(softer) == 1.0, np.nan_to_num(np.asarray(told), nan=_LOST, neginf=_LOST), _LOST)
        return np.stack([plan, *np.asarray(way)])[np.argmax([ends[0], *known, ends[1]])]


class Gradient(Searcher):
    """Coarse plans are drawn evenly between the bounds, and Adam climbs from the best of them."""

    def __init__(self, climb: Climb = Climb(), drawn: float = 0.6) -> None:  # noqa: B008 (immutable)
        self.climb, self.drawn = climb, drawn

    def __call__(self, problem: Problem, budget: Budget, seed: int) -> np.ndarray:
        """See `Searcher`."""
        best, _ = drawn_best(problem, budget.draws(self.drawn), seed)
        return _base(problem) @ self.climb(problem, best, budget.steps(1.0 - self.drawn))


class EvolutionThenGradient(Searcher):
    """CMA-ES finds the hill with the first part of the budget, Adam climbs it from the best plan."""

    def __init__(self, climb: Climb = Climb(0.08, 1.0), share: float = 0.6) -> None:  # noqa: B008 (immutable)
        self.climb, self.share = climb, share

    def __call__(self, problem: Problem, budget: Budget, seed: int) -> np.ndarray:
        """See `Searcher`."""
        first = Evolution(share=self.share).found(problem, budget, seed)
        return _base(problem) @ self.climb(problem, first, budget.steps(1.0 - self.share))


def _base(problem: Problem) -> np.ndarray:
    return basis(problem.config.horizon)


def drawn_best(problem: Problem, count: int, seed: int) -> tuple[np.ndarray, float]:
    """Of so many coarse plans, drawn evenly between the bounds, the best [K, A], and its return."""
    shape = (count, _base(problem).shape[1], problem.env.spec.action.size)
    plans = np.random.default_rng(seed).uniform(-1.0, 1.0, shape).astype(np.float32)
    scores = scored(problem, plans)
    return plans[scores.argmax()], float(scores.max())


def scored(problem: Problem, coarse: np.ndarray) -> np.ndarray:
    """The imagined return [m] of each coarse plan [S, K, A], in portions of one size so that one program serves all."""
    portion, found = POPULATION, []
    for first in range(0, len(coarse), portion):
        part = coarse[first : first + portion]
        filled = np.concatenate([part, np.repeat(part[:1], portion - len(part), 0)])
        found.append(np.asarray(_scores(problem, jnp.asarray(_base(problem) @ filled)), np.float64)[: len(part)])
    whole = np.concatenate(found)
    return np.where(np.isfinite(whole), whole, _LOST)


@filter_jit
def _scores(problem: Problem, plans: jax.Array) -> jax.Array:
    return problem.scores(plans, jax.random.key(0))


@filter_jit
def _climbed(
    problem: Problem, base: jax.Array, raw: jax.Array, softer: jax.Array, rate: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The coarse plans [N + 1, K, A] before and after N steps of Adam, and the returns [N] before each.

    The rate falls to zero; a coarse plan is the tanh of what is moved. In each step contacts set in so many times
    ``softer`` [N].
    """
    steps = len(softer)
    optimiser = optax.adam(lambda count: 0.5 * rate * (1.0 + jnp.cos(jnp.pi * count / steps)))

    def loss(raw: jax.Array, more: jax.Array) -> tuple[jax.Array, jax.Array]:
        soft = tree_at(
            lambda held: _smoothings(held.state), problem, [more * one for one in _smoothings(problem.state)]
        )
        score = soft.scores((base @ jnp.tanh(raw))[None], jax.random.key(0), Through())[0]
        return -score, score

    def step(held: tuple, more: jax.Array) -> tuple[tuple, tuple]:
        (_, score), slope = jax.value_and_grad(loss, has_aux=True)(held[0], more)
        update, moments = optimiser.update(jnp.where(jnp.isfinite(slope), slope, 0.0), held[1])
        return (held[0] + update, moments), (jnp.tanh(held[0]), score)

    (raw, _), (ways, told) = jax.lax.scan(step, (raw, optimiser.init(raw)), softer)
    return jnp.concatenate([ways, jnp.tanh(raw)[None]]), told


def _smoothings(state: TaskState) -> list[jax.Array]:
    around = state.scene.around
    return [contact.smoothing for contact in (around.contact, around.self_contact) if contact is not None]
