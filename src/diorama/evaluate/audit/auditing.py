"""The whole audit: every check on one set of facts, and the verdict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from diorama.evaluate.audit import ancestry, evidence, membership
from diorama.evaluate.audit.facts import Facts
from diorama.evaluate.audit.findings import Finding, Outcome, State, Verdict, verdict_of

Check = Callable[[Facts], Outcome]

CHECKS: Mapping[str, Check] = {
    "C1": membership.policy_membership,
    "C2": membership.world_membership,
    "C3": membership.judge_membership,
    "C4": membership.shared_sessions,
    "C5": ancestry.self_evaluation,
    "C6": ancestry.shared_worlds,
    "C7": ancestry.own_rollouts,
    "C8": ancestry.order_of_times,
    "C9": evidence.looks,
    "C10": membership.canaries,
    "C11": evidence.resampled,
    "C12": evidence.perturbed,
    "C13": evidence.shortcuts,
    "C14": evidence.exploitation,
    "C15": evidence.judge_agreement,
    "C16": ancestry.undeclared,
}
"""The checks in the order in which they are reported."""


@dataclass(frozen=True)
class Audit:
    """The outcomes of all checks of one evaluation."""

    evaluation: str
    outcomes: tuple[Outcome, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, notes included."""
        return tuple(finding for outcome in self.outcomes for finding in outcome.findings)

    @property
    def verdict(self) -> Verdict:
        """clean, labelled, unverifiable or contaminated."""
        return verdict_of(self.findings)

    @property
    def not_run(self) -> dict[str, str]:
        """The checks that were not run, and why."""
        return {outcome.check: outcome.sentence for outcome in self.outcomes if outcome.state is State.NOT_RUN}

    def outcome(self, check: str) -> Outcome:
        """The outcome of one check."""
        return next(outcome for outcome in self.outcomes if outcome.check == check)


def audit(facts: Facts, checks: Mapping[str, Check] = CHECKS) -> Audit:
    """Run every check on the facts."""
    return Audit(facts.evaluation, tuple(check(facts) for check in checks.values()))
