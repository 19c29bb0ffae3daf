"""What ``diorama audit`` does."""

from diorama.cli.answering import find, opened, say_json
from diorama.cli.display import Display
from diorama.evaluate.audit import Outcome, Severity, State, Verdict
from diorama.recipes import testing_requests as requests
from diorama.recipes.auditing import Audited, audit_evaluation

_SHORT, _SHOWN = 12, 3
_EXIT = {Verdict.CLEAN: 0, Verdict.CONTAMINATED: 1, Verdict.LABELLED: 3, Verdict.UNVERIFIABLE: 4}


def audit(request: requests.Audit) -> int:
    """Audit an evaluation; the exit code follows from the verdict."""
    with opened(request.at) as book, Display() as display:
        evaluation = find(book, request.evaluation)
        found = audit_evaluation(book, evaluation, key=request.key, register=not request.dry_run)
        if request.json:
            say_json(_json(found))
        else:
            _show(display, found)
    verdict = found.audit.verdict
    return 0 if verdict.rank <= Verdict(request.accept).rank else _EXIT[verdict]


def _show(display: Display, found: Audited) -> None:
    result = found.audit
    display.table(["check", "", "asks", "answer"], [_row(outcome) for outcome in result.outcomes])
    for outcome in result.outcomes:
        for finding in outcome.findings:
            if finding.severity > Severity.NOTE:
                _witnesses(display, finding.check, finding.witnesses)
    display.say(f"verdict: {result.verdict}" + (f"; not run: {', '.join(result.not_run)}" if result.not_run else ""))
    if found.version:
        by = f", signed: attestation {found.signed[:_SHORT]}" if found.signed else ", not signed"
        display.say(f"audit {found.version[:_SHORT]}{by}")
    if found.regraded:
        display.say(f"claims that are STALE by this: {', '.join(one[:_SHORT] for one in found.regraded)}")


def _row(outcome: Outcome) -> list[str]:
    sign = {State.PASSED: "ok", State.FOUND: "found", State.UNKNOWN: "unknown", State.NOT_RUN: "not run"}
    worst = max((finding.severity for finding in outcome.findings), default=Severity.NOTE)
    said = "block" if worst is Severity.BLOCK else "label" if worst is Severity.LABEL else ""
    return [outcome.check, said or sign.get(outcome.state, "-"), outcome.title, outcome.sentence]


def _witnesses(display: Display, check: str, witnesses: tuple) -> None:
    for one in witnesses[:_SHOWN]:
        display.say(f"  {check}: {one.left[:16]} ~ {one.right[:16] or '?'}  {one.how}")
    if len(witnesses) > _SHOWN:
        display.say(f"  {check}: and {len(witnesses) - _SHOWN} pairs more")


def _json(found: Audited) -> dict:
    return {
        "evaluation": found.audit.evaluation,
        "verdict": str(found.audit.verdict),
        "outcomes": found.audit.outcomes,
        "audit": found.version,
        "attestation": found.signed,
        "regraded": found.regraded,
    }
