"""Success rates from a fallible judge: how it errs against people, and the rate corrected for it."""

from dataclasses import dataclass

import numpy as np

from diorama.core.errors import ConfigError
from diorama.evaluate.statistics.binomial import clopper_pearson
from diorama.evaluate.statistics.estimate import Estimate, checked_pair
from diorama.evaluate.statistics.prediction_powered import bounded_mean, powered_mean


@dataclass(frozen=True)
class JudgeReport:
    """How a judge agrees with people: overall, on true successes (None: none seen), on true failures, Cohen's kappa."""

    agreement: Estimate
    sensitivity: Estimate | None
    specificity: Estimate | None
    kappa: float


def judge_report(verdicts: np.ndarray, labels: np.ndarray, level: float = 0.95) -> JudgeReport:
    """A judge's verdicts [n] against people's labels [n] of the same episodes, drawn at random; exact intervals."""
    judged, true = checked_pair(verdicts, labels)
    right = judged == true

    def rate(members: np.ndarray) -> Estimate | None:
        return clopper_pearson(int(right[members].sum()), int(members.sum()), level) if members.any() else None

    by_chance = judged.mean() * true.mean() + (1 - judged.mean()) * (1 - true.mean())
    kappa = 1.0 if by_chance == 1.0 else float((right.mean() - by_chance) / (1.0 - by_chance))
    overall = clopper_pearson(int(right.sum()), right.size, level)
    return JudgeReport(overall, rate(true), rate(~true), kappa)


def corrected_rate(
    verdicts: np.ndarray,
    labelled_verdicts: np.ndarray,
    labels: np.ndarray,
    level: float = 0.95,
    *,
    finite: bool = False,
) -> Estimate:
    """The true success rate from the judge's ``verdicts`` [N] and people's ``labels`` [n] of other, random episodes.

    The verdict is the prediction, the label is the gold (`powered_mean`): no assumption on how the judge errs.
    ``finite`` takes the betting interval (`bounded_mean`, power 1), for few labels.
    """
    judged, true = checked_pair(labelled_verdicts, labels)
    many = np.asarray(verdicts).astype(np.float64)
    if not np.isin(many, (0, 1)).all():
        raise ConfigError("Verdicts must be 0 or 1 (failure or success); give booleans.")
    function = bounded_mean if finite else powered_mean
    return function(true.astype(np.float64), judged.astype(np.float64), many, level)
