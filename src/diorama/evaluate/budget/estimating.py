"""What the trials of a plan say of one policy, with the help of the worlds that imagined every start."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from diorama.core.errors import ConfigError
from diorama.evaluate.budget.planning import ESTIMATION, Trial, TrialPlan
from diorama.evaluate.statistics.binomial import wilson
from diorama.evaluate.statistics.estimate import Estimate
from diorama.evaluate.statistics.power import saved_share
from diorama.evaluate.statistics.prediction_powered import Stratum, bounded_mean, stratified_mean
from diorama.evaluate.statistics.weighting import weighted_mean


@dataclass(frozen=True)
class Answer:
    """Of one policy, over the starts on the plan's list: ``powered`` is the estimate that was planned.

    ``alone``: trials of the estimation purse without the worlds (their plain mean where strata are none, else
    weighted). ``weighted``: the trials of both purses by their probabilities. ``correlation`` of real and imagined
    outcomes per start, NaN where one is constant, and the share of trials that it saves. ``discovered``: failures of
    the discovery purse, by seed; they are not representative.
    """

    powered: Estimate
    alone: Estimate
    weighted: Estimate | None
    correlation: float
    saved: float
    discovered: tuple[int, ...]


def answer(plan: TrialPlan, policy: int, outcomes: Mapping[int, int]) -> Answer:
    """The estimates for the policy in place ``policy`` of the plan from its ``outcomes`` (0 or 1) by seed.

    Raises `ConfigError` where an estimation trial has no outcome: what is missing could be what failed.
    """
    mine = [trial for trial in plan.trials if trial.purse == ESTIMATION]
    if missing := [trial.seed for trial in mine if trial.seed not in outcomes]:
        raise ConfigError(f"{len(missing)} trials of the estimation purse have no outcome yet; do them first.")
    if len(mine) < 2:
        raise ConfigError("An estimate needs at least two trials of the estimation purse; plan more.")
    place = {seed: k for k, seed in enumerate(plan.seeds)}
    imagined = np.asarray(plan.imagined[policy])
    gold, paired, _ = _arrays(mine, outcomes, place, imagined)
    powered = _powered(plan, mine, outcomes, place, imagined)
    correlation = _correlation(gold, paired)
    saved = 0.0 if np.isnan(correlation) else saved_share(correlation, len(mine), max(len(plan.seeds) - len(mine), 1))
    failures = tuple(t.seed for t in plan.trials if t.purse != ESTIMATION and outcomes.get(t.seed) == 0)
    return Answer(
        powered, _alone(plan, mine, outcomes), _weighted(plan, outcomes, place, imagined), correlation, saved, failures
    )


def _arrays(
    trials: list[Trial], outcomes: Mapping[int, int], place: Mapping[int, int], imagined: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Real and imagined scores of the starts tried, and imagined ones of the starts that were not."""
    tried = [place[trial.seed] for trial in trials]
    rest = np.delete(imagined, tried)
    gold = np.array([outcomes[trial.seed] for trial in trials], np.float64)
    return gold, imagined[tried], rest if rest.size else imagined


def _powered(
    plan: TrialPlan, trials: list[Trial], outcomes: Mapping[int, int], place: Mapping[int, int], imagined: np.ndarray
) -> Estimate:
    if plan.method == "bounded":
        found = bounded_mean(*_arrays(trials, outcomes, place, imagined), plan.level, power=plan.power)
        return replace(found, value=min(max(found.value, 0.0), 1.0))
    labels = np.asarray(plan.strata)
    strata, spreads = [], []
    for label in sorted(set(plan.strata)):
        inside = labels == label
        where = {seed: k for k, seed in enumerate(np.asarray(plan.seeds)[inside].tolist())}
        some = [trial for trial in trials if trial.stratum == label]
        strata.append(Stratum(float(inside.mean()), *_arrays(some, outcomes, where, imagined[inside])))
        spreads.append(_spread(strata[-1]))
    return _widened(stratified_mean(strata, plan.level), float(np.sqrt(sum(spreads))))


def _spread(stratum: Stratum) -> float:
    """Variance that the stratum adds, as if one start more had passed and one more had failed.

    Where the worlds tell outcomes well a stratum of few starts shows no error of theirs, and its plain variance is 0.
    """
    count = stratum.gold.size + 2
    rate = (float(stratum.gold.sum()) + 1.0) / count
    return stratum.weight**2 * rate * (1.0 - rate) / count


def _widened(estimate: Estimate, deviation: float) -> Estimate:
    """The estimate with at least the half-width of a normal interval of this deviation, all of it in [0, 1]."""
    half = max((estimate.high - estimate.low) / 2.0, norm.ppf((1.0 + estimate.level) / 2.0) * deviation)
    low, high = max(0.0, estimate.value - float(half)), min(1.0, estimate.value + float(half))
    return replace(estimate, value=min(max(estimate.value, 0.0), 1.0), low=min(low, 1.0), high=max(high, 0.0))


def _alone(plan: TrialPlan, trials: list[Trial], outcomes: Mapping[int, int]) -> Estimate:
    scores = np.array([outcomes[trial.seed] for trial in trials], np.float64)
    if plan.method == "bounded":
        return wilson(int(scores.sum()), scores.size, plan.level)
    chances = np.array([trial.probability for trial in trials])
    return _widened(weighted_mean(scores, chances, plan.level), _least(scores, chances, len(plan.seeds)))


def _least(gold: np.ndarray, chances: np.ndarray, count: int) -> float:
    """The least deviation of a weighted rate over ``count`` starts: as if one start more had passed and one had failed.

    Draws count by Kish's effective number. A list of which every start was tried leaves nothing open.
    """
    effective = float((1.0 / chances).sum() ** 2 / (1.0 / chances**2).sum()) + 2.0
    rate = (float(gold.sum()) + 1.0) / (gold.size + 2.0)
    return float(np.sqrt(rate * (1.0 - rate) / effective * max(1.0 - gold.size / count, 0.0)))


def _weighted(
    plan: TrialPlan, outcomes: Mapping[int, int], place: Mapping[int, int], imagined: np.ndarray
) -> Estimate | None:
    """Both purses, where discovery has drawn with every start possible and all its trials are done."""
    if any(trial.seed not in outcomes for trial in plan.trials) or all(t.purse == ESTIMATION for t in plan.trials):
        return None
    gold, paired, _ = _arrays(list(plan.trials), outcomes, place, imagined)
    chances = np.array([trial.either for trial in plan.trials])
    found = weighted_mean(gold, chances, plan.level, predictions=paired, all_predictions=imagined, power=plan.power)
    return _widened(found, _least(gold, chances, len(plan.seeds)))


def _correlation(gold: np.ndarray, paired: np.ndarray) -> float:
    if np.ptp(gold) == 0 or np.ptp(paired) == 0:
        return float("nan")
    return float(np.corrcoef(gold, paired)[0, 1])
