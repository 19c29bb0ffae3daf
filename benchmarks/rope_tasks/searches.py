"""Searches for one plan of a whole episode, each with the same budget of imagined episodes.

What is searched is coarser than a plan: a few way-points of each gripper, on straight lines between which it moves; the
last decision holds still, because a task is to be done after each of the last two. A search ends with the first episode
that succeeds (`Trials`), and begins again from another drawn plan where it gets no further.
"""

import abc
import warnings
from dataclasses import dataclass, field

import numpy as np
from trials import Gentle, Trials

KNOTS = 5
POPULATION = 12
DRAWN = 36
STEPS = (0.04, 0.08, 0.16, 0.3, 0.6, 1.2)
"""How far to go along a direction [root mean square of a way-point's units]."""
_GAIN = 0.03
"""The share of the cost by which it has to fall for a search to get further."""


def basis(decisions: int, knots: int = KNOTS) -> np.ndarray:
    """The plan [T] of each of at most ``knots`` way-points at even distances in time, [T, K]; its last row is zero.

    A way-point is a displacement from the start in units of what a gripper does at full speed between two of them.
    """
    moving = decisions - 1
    count = min(knots, moving)
    places = np.linspace(0.0, moving, count + 1)
    ways = np.stack([np.interp(np.arange(moving + 1), places, row) for row in np.eye(count + 1)[1:]], -1)
    return np.concatenate([moving / count * np.diff(ways, axis=0), np.zeros((1, count))]).astype(np.float32)


class Stage(abc.ABC):
    """Goes on from one coarse plan until it gets no further."""

    word: str
    """What a plan that it found is said to be."""

    @abc.abstractmethod
    def __call__(
        self, trials: Trials, base: np.ndarray, plan: np.ndarray, cost: float, attempt: int
    ) -> tuple[np.ndarray, float]:
        """The best coarse plan met, [K, A], and its cost [m]; ``attempt`` seeds what is drawn."""


@dataclass(frozen=True)
class Drawn:
    """Coarse plans [D, K, A], drawn evenly between -1 and 1, the best first, their costs [D], and their basis."""

    base: np.ndarray
    plans: np.ndarray
    costs: np.ndarray

    @staticmethod
    def of(trials: Trials, count: int) -> "Drawn":
        """So many, which are tried."""
        trials.stage = "drawn"
        base = basis(trials.shape[0])
        rng = np.random.default_rng(trials.seed)
        plans = rng.uniform(-1.0, 1.0, (count, base.shape[1], trials.shape[1])).astype(np.float32)
        costs = trials.costs(base @ plans)
        order = np.argsort(costs)
        return Drawn(base, plans[order], costs[order])


@dataclass(frozen=True)
class Evolve(Stage):
    """CMA-ES (Hansen 2001, arXiv 1604.00772) by pycma from one coarse plan, until it gets no further."""

    deviation: float = 0.3
    patience: int = 10
    word: str = "evolved"

    def __call__(
        self, trials: Trials, base: np.ndarray, plan: np.ndarray, cost: float, attempt: int
    ) -> tuple[np.ndarray, float]:
        """See `Stage`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pycma warns of optional packages that it does without
            import cma
        seed = trials.seed * 100 + attempt + 1
        search = cma.CMAEvolutionStrategy(
            plan.ravel(), self.deviation, {"popsize": POPULATION, "seed": seed, "verbose": -9}
        )
        best, records = plan, [cost]
        while not trials.over and not self._stuck(records):
            asked = search.ask()
            plans = np.asarray(asked, np.float32).reshape(POPULATION, *plan.shape)
            costs = trials.costs(base @ plans)
            search.tell(asked, list(costs))
            if costs.min() < records[-1]:
                best = plans[costs.argmin()]
            records.append(min(records[-1], costs.min()))
        return best, records[-1]

    def _stuck(self, records: list[float]) -> bool:
        return len(records) > 2 * self.patience and records[-1] > (1.0 - _GAIN) * records[-1 - self.patience]


@dataclass(frozen=True)
class Descend(Stage):
    """Goes against the derivative in a gentler world, each time as far as is best in the world as it is.

    Tried are `STEPS` along a running mean of derivatives, times a reach that grows and
    shrinks with what was best. Where that gets no further, the next derivative is that at a plan nearby.
    """

    gentle: Gentle = field(default_factory=Gentle)
    patience: int = 4
    nearby: float = 0.05
    memory: float = 0.5
    word: str = "descended"

    def __call__(
        self, trials: Trials, base: np.ndarray, plan: np.ndarray, cost: float, attempt: int
    ) -> tuple[np.ndarray, float]:
        """See `Stage`."""
        rng = np.random.default_rng([trials.seed, attempt])
        reach, failed, mean = 1.0, 0, np.zeros_like(plan)
        while not trials.over and failed < self.patience:
            at = plan + self.nearby * failed * rng.standard_normal(plan.shape).astype(np.float32)
            slope = np.einsum("tk,ta->ka", base, trials.slopes((base @ at)[None], self.gentle)[0])
            mean = self.memory * mean + _unit(slope)
            steps = reach * np.array(STEPS, np.float32)
            plans = (plan - steps[:, None, None] * _unit(mean)).astype(np.float32)
            costs = trials.costs(base @ plans)
            first = int(costs.argmin())
            further = costs[first] < (1.0 - _GAIN) * cost
            if costs[first] < cost:
                plan, cost = plans[first], float(costs[first])
                reach = float(np.clip(reach * _widening(first), 0.05, 2.0))
            else:
                reach, mean = 0.5 * reach, np.zeros_like(plan)
            failed = 0 if further else failed + 1
        return plan, cost


def _widening(step: int) -> float:
    """By how much the reach changes when this one of the steps was best."""
    if step >= len(STEPS) - 2:
        return 2.0
    return 0.6 if step <= 1 else 1.0


def _unit(way: np.ndarray) -> np.ndarray:
    """With a root mean square of one; zero stays zero."""
    size = np.sqrt(np.mean(way**2))
    return way / size if size > 0.0 else way


class Searcher:
    """The stages in turn from the best of plans that are drawn, then from the next best, and so on."""

    def __init__(self, *stages: Stage, drawn: int = DRAWN) -> None:
        self.stages, self.drawn = stages, drawn

    def __call__(self, trials: Trials) -> None:
        """Spends the budget or finds a plan that succeeds; what it found is in the trials."""
        found, attempt = Drawn.of(trials, self.drawn), 0
        while not trials.over:
            plan, cost = found.plans[attempt % self.drawn], float(found.costs[attempt % self.drawn])
            for stage in self.stages:
                trials.stage = stage.word
                plan, cost = stage(trials, found.base, plan, cost, attempt)
            attempt += 1


SEARCHES = {
    "cma-es": Searcher(Evolve()),
    "gradient": Searcher(Descend()),
    "cma-es, then gradient": Searcher(Evolve(patience=5), Descend()),
    "gradient, then cma-es": Searcher(Descend(patience=2), Evolve(deviation=0.15, patience=6)),
}
