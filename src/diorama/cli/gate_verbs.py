"""What ``diorama gate`` does."""

from diorama.cli.answering import find, opened, say, say_json
from diorama.cli.display import Display
from diorama.cli.planned import find_protocol
from diorama.core.errors import ConfigError
from diorama.evaluate.gate import Decision, Release
from diorama.recipes import testing_requests as requests
from diorama.recipes.book import Book
from diorama.recipes.gating import Gated
from diorama.recipes.gating import gate as gate_policy

_SHORT = 12


def gate(request: requests.Gate) -> int:
    """Decide on a release; 1 where it is refused."""
    with opened(request.at) as book:
        protocol = _release(request.protocol, book)
        policy = find(book, request.policy)
        found = gate_policy(book, policy, protocol, key=request.key, dry_run=request.dry_run)
    if request.page is not None:
        from diorama.studio.gate_page import write_gate_page

        request.page.parent.mkdir(parents=True, exist_ok=True)
        write_gate_page(found.decision, protocol, request.page)
    if request.json:
        say_json({**vars(found), "passed": found.decision.passed})
    else:
        _show(found, protocol, request.dry_run)
    return int(not found.decision.passed)


def _release(word: str, book: Book) -> Release:
    """What a protocol asks for of a release."""
    release = find_protocol(word, book).release
    if release is None:
        raise ConfigError(
            f"The protocol {word} says nothing of a release; make one that does with `diorama protocol TASK --out FILE "
            "--least RATE --budget NAME`."
        )
    return release


def _show(found: Gated, protocol: Release, dry_run: bool) -> None:
    from diorama.studio.gate_page import headline, not_asked

    decision = found.decision
    say(f"{decision.name} {decision.policy[:_SHORT]}\n{headline(decision)}\n{decision.claim}\n")
    rows = [["yes" if step.passed else "NO", step.name, step.sentence] for step in decision.steps]
    Display().table(["", "asked", "answer"], rows)
    for world, checks, why in not_asked(decision):
        say(f"not run in the audit of {world}: {checks}. {why}")
    if decision.next is not None:
        _next(decision)
    if dry_run:
        say("dry run: nothing was registered, signed or moved")
    elif found.claim:
        by = f", signed: attestation {found.signed[:_SHORT]}" if found.signed else ", not signed"
        moved = f"\nchannel {found.channel} -> {decision.policy[:_SHORT]}" if found.channel else ""
        say(f"claim {found.claim[:_SHORT]} with evidence {decision.level}{by}{moved}")
    if found.record:
        say(f"decision on record: {found.record[:_SHORT]}")


def _next(decision: Decision) -> None:
    from diorama.studio.gate_page import cost

    say(f"next: {decision.next.what} {cost(decision.next.cost)}\n  {decision.next.command}")
