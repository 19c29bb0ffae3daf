"""Checks on who has seen what: C1 to C4 by episodes and sessions, C10 by canaries."""

from collections.abc import Sequence

from diorama.evaluate.audit.facts import Corpus, Facts, Item, Party
from diorama.evaluate.audit.findings import (
    Finding,
    Outcome,
    Severity,
    Witness,
    found,
    needless,
    passed,
)
from diorama.evaluate.audit.matching import Match, match_items

SHARED = ("session", "scene")
"""Identifiers that must not stand on both sides. Operators, objects and robots may."""


def policy_membership(facts: Facts) -> Outcome:
    """C1: a start of the evaluation is in the training set of the policy."""
    return _membership("C1", "starts unseen by the policy", facts, facts.policy, Severity.BLOCK)


def world_membership(facts: Facts) -> Outcome:
    """C2: ... of the world model, over all its ancestors; it blocks what claims held-out starts."""
    severity = Severity.BLOCK if facts.held_out else Severity.LABEL
    return _membership("C2", "starts unseen by the world", facts, facts.world, severity)


def judge_membership(facts: Facts) -> Outcome:
    """C3: ... of the judge."""
    title = "starts unseen by the judge"
    if facts.judge is None:
        return needless("C3", title, "Success is a function of the trajectory; nothing learned judges it.")
    return _membership("C3", title, facts, facts.judge, Severity.BLOCK)


def shared_sessions(facts: Facts) -> Outcome:
    """C4: a session or a scene is on both sides. Decided by identifiers, not by hashes."""
    title, parties = "no session on both sides", _parties(facts)
    corpora = _corpora(facts, parties)
    ours = {(kind, item.ids[kind]): item for item in facts.items for kind in SHARED if kind in item.ids}
    if not corpora:
        return needless("C4", title, "Nothing here was trained on data.")
    if not ours:
        return passed("C4", title, "The starts name no session and no scene, so none can be shared.")
    findings = []
    for corpus in corpora:
        theirs = {(k, item.ids[k]): item for item in corpus.items for k in SHARED if k in item.ids}
        if both := sorted(set(ours) & set(theirs)):
            pairs = [Witness(ours[i].digest, theirs[i].digest, f"{i[0]} {i[1]}") for i in both]
            kinds = " and ".join(sorted({kind for kind, _ in both}))
            sentence = f"{len(both)} {kinds} ids stand in the evaluation and in {corpus.name}."
            findings.append(Finding("C4", Severity.BLOCK, sentence, tuple(pairs)))
    if findings:
        return found("C4", title, *findings)
    return passed("C4", title, f"{len(ours)} session and scene ids, none of them in {_training(corpora)}.")


def canaries(facts: Facts) -> Outcome:
    """C10: a sealed scenario that was never released turns up in a training set."""
    title = "no canary in any training set"
    if not facts.canaries:
        return needless("C10", title, "No canaries were planted.")
    findings = []
    for corpus in _corpora(facts, _parties(facts)):
        matches = match_items([canary.marker for canary in facts.canaries], corpus.items)
        if matches:
            sentence = f"{len(matches)} of {len(facts.canaries)} canaries are in {corpus.name}."
            findings.append(Finding("C10", Severity.BLOCK, sentence, _witnesses(matches)))
    if findings:
        return found("C10", title, *findings)
    return passed("C10", title, f"None of {len(facts.canaries)} canaries is in a training set.")


def _membership(check: str, title: str, facts: Facts, party: Party, severity: Severity) -> Outcome:
    if not party.training:
        return passed(check, title, f"{party.name} was trained on no data.")
    corpora = _corpora(facts, [party])
    findings = [f for corpus in corpora if (f := _seen(check, facts.items, corpus, party, severity))]
    findings += _blind(check, facts, party)
    if findings:
        return found(check, title, *findings)
    return passed(check, title, f"None of {len(facts.items)} starts is in {_training(corpora)}.")


def _seen(check: str, items: Sequence[Item], corpus: Corpus, party: Party, severity: Severity) -> Finding | None:
    matches = match_items(items, corpus.items)
    if not matches:
        return None
    sentence = f"{len(matches)} of {len(items)} starts are in {corpus.name}, on which {party.name} was trained."
    return Finding(check, severity, sentence, _witnesses(matches))


def _blind(check: str, facts: Facts, party: Party) -> list[Finding]:
    """What hinders the comparison: starts or training episodes that could not be recognised."""
    findings = []
    if missing := [one for one in party.training if one not in facts.corpora]:
        sentence = f"The episodes of {len(missing)} training sets of {party.name} are not on record."
        findings.append(Finding(check, Severity.UNVERIFIABLE, sentence, _unknown(missing)))
    known = [corpus for corpus in _corpora(facts, [party]) if corpus.items]
    lost = [corpus.id for corpus in known if not any(_comparable(facts.items, item) for item in corpus.items)]
    if lost:
        sentence = f"Neither starts nor episodes are on record by which the evaluation and {len(lost)} sets compare."
        findings.append(Finding(check, Severity.UNVERIFIABLE, sentence, _unknown(lost)))
    return findings


def _comparable(items: Sequence[Item], other: Item) -> bool:
    """Whether the first start could have been recognised in the other."""
    if not items:
        return False
    one = items[0]
    starts = bool(one.start and other.start) and one.space == other.space and len(one.start) == len(other.start)
    return bool(
        starts or (one.exact and other.exact) or (one.motion and other.motion) or (one.percept and other.percept)
    )


def _unknown(ids: Sequence[str]) -> tuple[Witness, ...]:
    return tuple(Witness(one, "", "not on record") for one in ids)


def _witnesses(matches: Sequence[Match]) -> tuple[Witness, ...]:
    return tuple(Witness(m.left.digest, m.right.digest, f"{m.left.name} and {m.right.name}: {m.how}") for m in matches)


def _parties(facts: Facts) -> list[Party]:
    return [facts.policy, facts.world, *([facts.judge] if facts.judge else [])]


def _corpora(facts: Facts, parties: Sequence[Party]) -> list[Corpus]:
    ids = dict.fromkeys(one for party in parties for one in party.training)
    return [facts.corpora[one] for one in ids if one in facts.corpora]


def _training(corpora: Sequence[Corpus]) -> str:
    episodes = sum(len(corpus.items) for corpus in corpora)
    return f"the {episodes} episodes of {len(corpora)} training sets"
