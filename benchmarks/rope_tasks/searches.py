"""Searches for one plan of a whole episode, each with the same budget of imagined episodes.

What is searched is coarser than a plan: a few way-points of each gripper, on straight lines between which it moves; the
last decision holds still, because a task is to be done after each of the last two. A search ends with the first episode
that succeeds (`Trials`), and begins again from another drawn plan where it gets no further. After `FIRST` episodes it
begins again on another `Hill`.
"""

import abc
import itertools
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
class Hill:
    """What a search sees: the cost at the end and ``way`` times its mean along the way, from plans of these reaches.

    Way-points are drawn evenly between minus and plus each of the ``reaches`` in turn.
    """

    way: float
    reaches: tuple[float, ...]

    def drawn(self, seed: int, shape: tuple[int, ...]) -> np.ndarray:
        """Coarse plans [D, K, A] of each of the reaches in turn; those of each hill are others."""
        rng = np.random.default_rng([seed, len(self.reaches)] if self.way else seed)
        reaches = np.resize(self.reaches, shape[0])[:, None, None]
        return (reaches * rng.uniform(-1.0, 1.0, shape)).astype(np.float32)


HILLS = (Hill(0.0, (1.0,)), Hill(1.0, (1.0, 0.5, 0.25)))
"""The cost at the end alone does not tell a plan that is there with time left from one that just gets there."""
FIRST = 400
"""A search that begins again within so many episodes stays on the first hill, later on each in turn, the second first.

So a search with a larger budget begins as one with that of `nano` does, and what that one solves stays solved.
"""


@dataclass(frozen=True)
class Drawn:
    """Coarse plans [D, K, A] of a hill, the best first, their costs [D], and their basis."""

    base: np.ndarray
    plans: np.ndarray
    costs: np.ndarray

    @staticmethod
    def of(trials: Trials, count: int, hill: Hill = HILLS[0]) -> "Drawn":
        """So many, which are tried; those of each hill are others."""
        trials.stage, trials.way = "drawn", hill.way
        base = basis(trials.shape[0])
        plans = hill.drawn(trials.seed, (count, base.shape[1], trials.shape[1]))
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
    """The stages in turn from the best of plans that are drawn on each hill, then from the next best, and so on."""

    def __init__(self, *stages: Stage, drawn: int = DRAWN) -> None:
        self.stages, self.drawn = stages, drawn

    def __call__(self, trials: Trials) -> None:
        """Spends the budget or finds a plan that succeeds; what it found is in the trials."""
        hills, ranks = [Drawn.of(trials, self.drawn, HILLS[0])], [itertools.count(), itertools.count()]
        turns = itertools.cycle((1, 0))
        for attempt in itertools.count():
            if trials.over:
                return
            which = next(turns) if trials.used >= FIRST else 0
            if which == len(hills):
                hills.append(Drawn.of(trials, self.drawn, HILLS[which]))
            found, rank = hills[which], next(ranks[which]) % self.drawn
            trials.way, plan, cost = HILLS[which].way, found.plans[rank], float(found.costs[rank])
            for stage in self.stages:
                trials.stage = stage.word
                plan, cost = stage(trials, found.base, plan, cost, attempt)


SEARCHES = {
    "cma-es": Searcher(Evolve()),
    "gradient": Searcher(Descend()),
    "cma-es, then gradient": Searcher(Evolve(patience=5), Descend()),
    "gradient, then cma-es": Searcher(Descend(patience=2), Evolve(deviation=0.15, patience=6)),
}
