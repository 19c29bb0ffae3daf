"""What a check of the audit says: findings with witnesses and a severity, and the verdict that follows from them."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Severity(enum.IntEnum):
    """How bad a finding is. The verdict of an audit is that of its worst finding."""

    NOTE = 0
    LABEL = 1
    UNVERIFIABLE = 2
    BLOCK = 3


class Verdict(enum.StrEnum):
    """What an evaluation is worth as evidence, from best to worst."""

    CLEAN = "clean"
    LABELLED = "labelled"
    UNVERIFIABLE = "unverifiable"
    CONTAMINATED = "contaminated"

    @property
    def rank(self) -> int:
        """0 for the best."""
        return list(Verdict).index(self)


class State(enum.StrEnum):
    """How a check ended. ``NEEDLESS``: there is nothing here that it could be about."""

    PASSED = "passed"
    FOUND = "found"
    UNKNOWN = "cannot tell"
    NOT_RUN = "not run"
    NEEDLESS = "does not apply"


@dataclass(frozen=True)
class Witness:
    """A pair that proves a finding: ids or digests of what was found on the two sides, and how they are alike."""

    left: str
    right: str
    how: str


@dataclass(frozen=True)
class Finding:
    """Something that a check found, in a sentence that says what it means."""

    check: str
    severity: Severity
    sentence: str
    witnesses: tuple[Witness, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """One check: how it ended, in a sentence, and what it found."""

    check: str
    title: str
    state: State
    sentence: str
    findings: tuple[Finding, ...] = ()


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """The verdict of findings: more findings never make it better."""
    worst = max((finding.severity for finding in findings), default=Severity.NOTE)
    return list(Verdict)[int(worst)]


def found(check: str, title: str, *findings: Finding) -> Outcome:
    """A check that found something; the sentence is that of the worst finding."""
    worst = max(findings, key=lambda finding: finding.severity)
    state = State.UNKNOWN if worst.severity is Severity.UNVERIFIABLE else State.FOUND
    return Outcome(check, title, state, worst.sentence, findings)


def passed(check: str, title: str, sentence: str, *notes: Finding) -> Outcome:
    """A check that found nothing to hold against the evaluation."""
    return Outcome(check, title, State.PASSED, sentence, notes)


def needless(check: str, title: str, sentence: str) -> Outcome:
    """A check that is about something which does not exist here."""
    return Outcome(check, title, State.NEEDLESS, sentence)


def not_run(check: str, title: str, sentence: str) -> Outcome:
    """A check whose runs were not made; it says nothing and costs the verdict nothing."""
    return Outcome(check, title, State.NOT_RUN, sentence)
