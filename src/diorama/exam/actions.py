"""Does a model listen to its actions: the same windows under other actions than those done (level L4, in part).

A model that uses its actions must be worse under wrong ones. It need not be right about them: that asks for reality
under both. Shuffling an input to see whether it matters is permutation importance (Breiman 2001, Random Forests).
"""

from dataclasses import dataclass

import numpy as np

from diorama.exam.bootstrap import Bootstrap, ErrorCurve
from diorama.exam.stretches import Stretches

_FLOOR = 1e-6
"""An error below this many standard deviations counts as this in a ratio."""


@dataclass(frozen=True)
class Sensitivity:
    """The error under other actions against that under the recorded ones.

    ``error``, ``difference`` (other minus recorded, window by window; above 0: the recorded ones fit better) and
    ``ratio`` (other over recorded) are ``[T]``; ``overall`` is the difference averaged over all steps, ``[1]``.
    ``verdict``: "uses its actions" where the interval of ``overall`` lies above 0, "ignores its actions" where it holds
    0, "prefers other actions" where it lies below.
    """

    error: ErrorCurve
    difference: ErrorCurve
    ratio: ErrorCurve
    overall: ErrorCurve
    verdict: str

    @staticmethod
    def of(other: np.ndarray, recorded: np.ndarray, real: np.ndarray, bootstrap: Bootstrap) -> "Sensitivity":
        """From errors ``[N, T]`` under other and under the recorded actions; ``real`` ``[N, T]``: steps that count."""
        happened = np.maximum(real.sum(axis=1, keepdims=True), 1)
        average = np.sum((other - recorded) * real, axis=1, keepdims=True) / happened
        overall = bootstrap.mean(average, real.any(axis=1, keepdims=True))
        return Sensitivity(
            bootstrap.mean(other, real),
            bootstrap.mean(other - recorded, real),
            bootstrap.ratio(other, recorded, real, _FLOOR),
            overall,
            _verdict(overall.low[0], overall.high[0]),
        )


def other_actions(stretches: Stretches, groups: np.ndarray) -> dict[str, np.ndarray]:
    """Actions ``[N, T, A]`` to put in place of the recorded ones, by name.

    "shuffled": those of another window, of another group where no group holds more than half of the windows. "mean":
    the mean of all recorded ones at every step.
    """
    actions = stretches.actions
    mean = actions[stretches.real].mean(axis=0)
    donors = _donors(groups, np.random.default_rng(stretches.seed))
    return {"shuffled": actions[donors], "mean": np.broadcast_to(mean, actions.shape)}


def _donors(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each window another one: sorted by group, in an order of chance, and turned by the size of the largest."""
    _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    count = len(groups)
    order = np.lexsort((rng.permutation(count), rng.permutation(len(sizes))[index]))
    donors = np.empty(count, int)
    donors[order] = np.roll(order, -min(int(sizes.max()), count // 2))
    return donors


def _verdict(low: float, high: float) -> str:
    if low > 0:
        return "uses its actions"
    return "prefers other actions" if high < 0 else "ignores its actions"
