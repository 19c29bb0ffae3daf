"""Checks on where things come from: C5 to C8 and C16, by edges, times and what is not on record."""

import datetime
from collections.abc import Iterable, Sequence

import numpy as np

from diorama.evaluate.audit.ensemble import effective_size, overlaps, structures
from diorama.evaluate.audit.facts import Facts
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

DESCENT = ("derived_from", "initialised_from")
"""Roles that make an ancestor or descendant of the same thing."""
MAKING = (*DESCENT, "trained_on", "trained_in", "data_from", "selected_by")
"""Roles through which something of the target is in the source."""
USE = {"trained_in": "was trained in", "selected_by": "was selected in", "data_from": "has data from"}
"""Ways in which a policy can have met a world."""
REAL = "real"


def self_evaluation(facts: Facts) -> Outcome:
    """C5: the policy was trained, selected or fed with data in this world, or in an ancestor or descendant of it."""
    title = "the world did not make the policy"
    if facts.world.origin == REAL:
        return needless("C5", title, f"{facts.world.name} is reality: to have met it is no advantage on fresh starts.")
    kin = _kin(facts, facts.world.id)
    pairs = list(dict.fromkeys(_met(facts, kin)))
    if not pairs:
        return passed(
            "C5", title, f"{facts.policy.name} was neither trained nor selected in {facts.world.name} or kin."
        )
    how = " and ".join(sorted({pair.how for pair in pairs}))
    sentence = f"Self-evaluation: {facts.policy.name} {how} {facts.world.name} or kin; it cannot support a release."
    return found("C5", title, Finding("C5", Severity.LABEL, sentence, tuple(pairs)))


def shared_worlds(facts: Facts) -> Outcome:
    """C6: worlds of the ensemble share training data or weights; the effective number of worlds is reported."""
    title = "worlds independent of each other"
    worlds = facts.worlds or (facts.world,)
    if len(worlds) < 2:
        return needless("C6", title, "One world: effective ensemble size 1.")
    common = overlaps(worlds, facts.corpora)
    size = effective_size(common)
    sentence = f"{len(worlds)} worlds of {structures(worlds)} structures count as {size:.2f}."
    rows, columns = np.nonzero(np.tril(common, -1))
    pairs = [
        Witness(worlds[i].id, worlds[j].id, f"{worlds[i].name} and {worlds[j].name} share {common[i, j]:.0%}")
        for i, j in zip(rows, columns, strict=True)
    ]
    note = Finding("C6", Severity.NOTE, sentence, tuple(pairs))
    if not pairs:
        return passed("C6", title, sentence, note)
    return found("C6", title, Finding("C6", Severity.NOTE, f"Shared data or weights: {sentence}", tuple(pairs)))


def own_rollouts(facts: Facts) -> Outcome:
    """C7: the world was trained on episodes of this policy or of its ancestors."""
    title = "the world did not learn from the policy"
    if not facts.world.training:
        return needless("C7", title, f"{facts.world.name} was trained on no data.")
    line = {facts.policy.id, *_reach(facts, [facts.policy.id], DESCENT)}
    sources = _reach(facts, [facts.world.id], MAKING) | {facts.world.id}
    pairs = [
        Witness(link.source, link.target, f"{_name(facts, link.source)} holds episodes of {_name(facts, link.target)}")
        for link in facts.links
        if link.role == "data_from" and link.source in sources and link.target in line
    ]
    if not pairs:
        return passed("C7", title, f"No training set of {facts.world.name} holds episodes of {facts.policy.name}.")
    sentence = f"{facts.world.name} was trained on episodes of {facts.policy.name} or of its ancestors."
    return found("C7", title, Finding("C7", Severity.LABEL, sentence, tuple(dict.fromkeys(pairs))))


def order_of_times(facts: Facts) -> Outcome:
    """C8: what is tested was recorded before the last training data: whoever trained could have seen it."""
    title = "tested after training ended"
    cuts = [corpus for corpus in facts.corpora.values() if corpus.recorded_at is not None]
    times = [item.recorded_at for item in facts.items if item.recorded_at is not None]
    first = min(times, default=facts.evaluated_at)
    if first is None or not cuts:
        return not_run("C8", title, "No times are on record for starts and training data.")
    last = max(cuts, key=lambda corpus: corpus.recorded_at or 0.0)
    said = f"starts from {_when(first)}, training data until {_when(last.recorded_at)}, by {facts.clock}"
    if first >= (last.recorded_at or 0.0):
        return passed("C8", title, f"In order: {said}.")
    severity = Severity.BLOCK if facts.visibility == "sealed" else Severity.LABEL
    pair = Witness(facts.evaluation, last.id, f"{said} ({last.name})")
    return found("C8", title, Finding("C8", severity, f"Recorded before training data were: {said}.", (pair,)))


def undeclared(facts: Facts) -> Outcome:
    """C16: an ancestor whose making is not on record. Nothing can then be excluded."""
    title = "every ancestor on record"
    parties = [facts.policy, facts.world, *([facts.judge] if facts.judge else [])]
    unknown = {one: why for party in parties for one, why in party.unknown.items()}
    if not unknown:
        return passed("C16", title, "All ancestors of policy, world and judge are on record.")
    pairs = tuple(Witness(one, "", why) for one, why in unknown.items())
    sentence = f"{len(unknown)} ancestors are not on record: {next(iter(unknown.values()))}."
    return found("C16", title, Finding("C16", Severity.UNVERIFIABLE, sentence, pairs))


def _kin(facts: Facts, version: str) -> set[str]:
    """The version with its ancestors and descendants by weights."""
    above = _reach(facts, [version], DESCENT)
    below = _reach(facts, [version], DESCENT, down=True)
    return {version, *above, *below}


def _met(facts: Facts, kin: set[str]) -> Iterable[Witness]:
    """How the policy's making met the kin of a world: directly, or by data or evaluations made there."""
    made = {facts.policy.id, *_reach(facts, [facts.policy.id], MAKING)}
    measured = {link.source for link in facts.links if link.role == "evaluated_in" and link.target in kin}
    for link in facts.links:
        if link.source not in made or link.role not in USE:
            continue
        if link.target in kin and link.source not in kin:
            yield Witness(link.source, link.target, USE[link.role])
        elif link.role == "selected_by" and link.target in measured:
            yield Witness(link.source, link.target, USE[link.role])


def _reach(facts: Facts, start: Sequence[str], roles: Sequence[str], down: bool = False) -> set[str]:
    steps: dict[str, list[str]] = {}
    for link in facts.links:
        if link.role in roles:
            here, there = (link.target, link.source) if down else (link.source, link.target)
            steps.setdefault(here, []).append(there)
    reached: set[str] = set()
    waiting = list(start)
    while waiting:
        for other in steps.get(waiting.pop(), ()):
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    return reached


def _name(facts: Facts, version: str) -> str:
    return facts.nodes[version].name if version in facts.nodes else version[:12]


def _when(seconds: float | None) -> str:
    moment = datetime.datetime.fromtimestamp(seconds or 0.0, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
