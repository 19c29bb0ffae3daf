"""Checks that need a ledger or runs: C9 the budget of looks, C11 to C15 what probes and judges measured.

They take what is on record and say "not run" where nothing is.
"""

import numpy as np

from diorama.evaluate.audit.facts import Facts, Probe
from diorama.evaluate.audit.findings import (
    Finding,
    Outcome,
    Severity,
    Witness,
    found,
    needless,
    not_run,
    passed,
)
from diorama.evaluate.statistics.binomial import wilson
from diorama.evaluate.statistics.comparison import barnard

TRUSTED = 0.5
"""Trust from which an episode counts as trusted."""
SURE = 0.01
"""Error probability at which success in untrusted episodes counts as higher."""
MARGIN, BLIND, REPLAY = 0.05, "gain over blind", "gain over replay"
"""Share of the gain over blindness by which a policy must surely exceed the other shortcuts."""
AGREEMENT = 0.8
"""Least agreement of a judge with people, by the lower end of its interval."""


def looks(facts: Facts) -> Outcome:
    """C9: how often the sealed scenarios were looked at, against what was granted."""
    title = "looks at sealed scenarios paid for"
    if facts.visibility != "sealed":
        return needless("C9", title, f"The scenarios are {facts.visibility}; looks at them are not counted.")
    if facts.looks is None:
        sentence = "The scenarios are sealed and no ledger says how often they were looked at."
        return found("C9", title, Finding("C9", Severity.UNVERIFIABLE, sentence))
    granted, taken = facts.looks.granted, facts.looks.taken
    if taken <= granted:
        return passed("C9", title, f"{taken} of {granted} looks taken.")
    pairs = tuple(Witness(one, facts.evaluation, "looked at the same sealed scenarios") for one in facts.looks.by)
    sentence = f"{taken} looks were taken and {granted} granted; seal new scenarios."
    return found("C9", title, Finding("C9", Severity.BLOCK, sentence, pairs))


def resampled(facts: Facts) -> Outcome:
    """C11: the same distribution drawn anew. A sure drop says that the scenarios, not the task, were learned."""
    title = "score holds on newly drawn starts"
    probe = _probe(facts, "C11")
    if probe is None or not probe.measures:
        return not_run("C11", title, _why(probe, "No newly drawn starts were played"))
    drop = probe.measures["drop"]
    sentence = f"Score falls by {drop} on newly drawn starts."
    if drop.low > 0.0:
        return found("C11", title, Finding("C11", Severity.LABEL, sentence, _of(probe, facts)))
    return passed("C11", title, sentence, Finding("C11", Severity.NOTE, sentence, _of(probe, facts)))


def perturbed(facts: Facts) -> Outcome:
    """C12: how the score changes along each axis of perturbation; a report."""
    title = "score under perturbation"
    probe = _probe(facts, "C12")
    if probe is None or not probe.measures:
        return not_run("C12", title, _why(probe, "No perturbed episodes were played"))
    steep = [name for name, slope in probe.measures.items() if slope.high < 0.0]
    every = "; ".join(f"{name.removeprefix('slope: ')} {slope}" for name, slope in probe.measures.items())
    sentence = f"Falls surely along {len(steep)} of {len(probe.measures)} axes, per range: {every}.{_beside(probe)}"
    return passed("C12", title, sentence, Finding("C12", Severity.NOTE, sentence, _of(probe, facts)))


def shortcuts(facts: Facts) -> Outcome:
    """C13: a blind policy and the replay of the nearest training episode are the floor that a claim must exceed.

    Replay, by a share of what looking gains at all: who picks the episode to replay a little better only replays too.
    """
    title = "better than a shortcut"
    probe = _probe(facts, "C13")
    if probe is None or not probe.measures:
        return not_run("C13", title, _why(probe, "No blind policy and no replayed episodes were played"))
    low = [name for name, gain in probe.measures.items() if gain.low <= _margin(name, probe)]
    every = "; ".join(f"{name} {gain}" for name, gain in probe.measures.items()) + f".{_beside(probe)}"
    if not low:
        return passed("C13", title, every, Finding("C13", Severity.NOTE, every, _of(probe, facts)))
    sentence = f"Not surely better than a shortcut: {every}"
    return found("C13", title, Finding("C13", Severity.LABEL, sentence, _of(probe, facts)))


def exploitation(facts: Facts) -> Outcome:
    """C14: success where the world is trusted, and where it is not. Gain that lives in the latter is no evidence."""
    title = "success where the world is trusted"
    episodes = facts.episodes
    known = np.zeros(0, bool) if episodes is None else np.isfinite(episodes.trust)
    if episodes is None or not known.any():
        why = f": {episodes.basis}" if episodes is not None and episodes.basis else ""
        return not_run("C14", title, f"No episode says how far the world is trusted in it{why}.")
    trusted = known & (np.nan_to_num(episodes.trust) >= TRUSTED)
    inside, outside = episodes.success[trusted].astype(bool), episodes.success[known & ~trusted].astype(bool)
    if not outside.size:
        return passed("C14", title, f"All {inside.size} episodes are trusted.")
    sentence = f"Success {_rate(inside)} in trusted episodes and {_rate(outside)} in the others."
    if not inside.size or _lives_outside(inside, outside):
        pair = Witness(facts.evaluation, facts.world.id, f"{int(outside.sum())} successes in untrusted episodes")
        return found("C14", title, Finding("C14", Severity.BLOCK, f"The gain lives in low trust: {sentence}", (pair,)))
    return passed("C14", title, sentence, Finding("C14", Severity.NOTE, sentence))


def judge_agreement(facts: Facts) -> Outcome:
    """C15: a blind human sample of the policy's own failures agrees with the judge."""
    title = "judge agrees with people"
    if facts.judge is None:
        return needless("C15", title, "Success is a function of the trajectory; there is no judge.")
    probe = _probe(facts, "C15")
    if probe is None:
        return not_run("C15", title, f"Nobody has looked at a blind sample of what {facts.judge.name} judged.")
    agreement = probe.measures["agreement"]
    sentence = f"People agree with {facts.judge.name} in {agreement} of a blind sample."
    if agreement.low < AGREEMENT:
        return found("C15", title, Finding("C15", Severity.LABEL, sentence, _of(probe, facts)))
    return passed("C15", title, sentence, Finding("C15", Severity.NOTE, sentence, _of(probe, facts)))


def _margin(name: str, probe: Probe) -> float:
    """What a gain must surely exceed."""
    blind = probe.measures.get(BLIND)
    return MARGIN * max(blind.value, 0.0) if blind is not None and name == REPLAY else 0.0


def _lives_outside(inside: np.ndarray, outside: np.ndarray) -> bool:
    """Whether untrusted episodes succeed surely more often than trusted ones (Barnard's exact test)."""
    if outside.mean() <= inside.mean():
        return False
    return barnard(int(outside.sum()), outside.size, int(inside.sum()), inside.size) < SURE


def _rate(outcomes: np.ndarray) -> str:
    return str(wilson(int(outcomes.sum()), outcomes.size)) if outcomes.size else "unknown (n=0)"


def _probe(facts: Facts, check: str) -> Probe | None:
    """The newest result of a check, else the newest attempt."""
    made = [probe for probe in reversed(facts.probes) if probe.check == check]
    return next((probe for probe in made if probe.measures), made[0] if made else None)


def _why(probe: Probe | None, otherwise: str) -> str:
    """Why a check was not run."""
    if probe is None:
        return f"{otherwise}; `diorama audit EVALUATION --probe` does."
    return " ".join(dict.fromkeys(probe.missing.values()))


def _beside(probe: Probe) -> str:
    """What was not measured beside the rest, and why."""
    by_reason: dict[str, list[str]] = {}
    for name, why in probe.missing.items():
        by_reason.setdefault(why, []).append(name)
    return "".join(f" Not run: {', '.join(names)}. {why}" for why, names in by_reason.items())


def _of(probe: Probe, facts: Facts) -> tuple[Witness, ...]:
    return (Witness(probe.id, facts.evaluation, "measured for this audit"),)
