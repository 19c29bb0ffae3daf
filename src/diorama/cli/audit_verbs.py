"""What ``diorama audit`` does."""

from diorama.cli.answering import find, opened, say_json
from diorama.cli.display import Display
from diorama.evaluate.audit import Outcome, Probe, Severity, State, Verdict
from diorama.evaluate.running import Store
from diorama.recipes import testing_requests as requests
from diorama.recipes.auditing import Audited, audit_evaluation
from diorama.recipes.book import Book

_SHORT, _SHOWN = 12, 3
_EXIT = {Verdict.CLEAN: 0, Verdict.CONTAMINATED: 1, Verdict.LABELLED: 3, Verdict.UNVERIFIABLE: 4}


def audit(request: requests.Audit) -> int:
    """Audit an evaluation; the exit code follows from the verdict."""
    with opened(request.at) as book, Display() as display:
        evaluation, register = find(book, request.evaluation), not request.dry_run
        probes = _probed(request, book, evaluation, display) if request.probe else ()
        found = audit_evaluation(
            book, evaluation, key=request.key, register=register, probes=() if register else probes
        )
        if request.json:
            say_json(_json(found))
        else:
            _show(display, found)
    verdict = found.audit.verdict
    return 0 if verdict.rank <= Verdict(request.accept).rank else _EXIT[verdict]


def _probed(request: requests.Audit, book: Book, evaluation: str, display: Display) -> tuple[Probe, ...]:
    from diorama.recipes.probing import probe
    from diorama.recipes.worlds import cache

    def told(check: str, done: int, of: int) -> None:
        if not request.json:
            display.stage(f"probe {check}", done, of)

    return probe(
        book,
        evaluation,
        episodes=request.episodes,
        store=Store(request.items or cache("items")),
        policy=request.policy,
        world=request.world,
        axes=request.axes,
        register=not request.dry_run,
        told=told,
    )


def _show(display: Display, found: Audited) -> None:
    result = found.audit
    display.table(["check", "", "asks", "answer"], [_row(outcome) for outcome in result.outcomes])
    for outcome in result.outcomes:
        for finding in outcome.findings:
            if finding.severity > Severity.NOTE:
                _witnesses(display, finding.check, finding.witnesses)
    for check, why in result.not_run.items():
        display.say(f"not run: {check}. {why}")
    display.say(f"verdict: {result.verdict}")
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
