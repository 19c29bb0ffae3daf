"""The gate's decision on one page, for a release manager."""

from pathlib import Path

from diorama.evaluate.gate import LEVELS, Cost, Decision, Release
from diorama.studio.page import Page


def write_gate_page(decision: Decision, protocol: Release, path: Path) -> Path:
    """Write one self-contained HTML file (and the same as Markdown beside it); its path."""
    page = Page(f"Release of {decision.name}", headline(decision))
    page.text(f"What may be claimed, and not more: {decision.claim}")
    rows = [["yes" if step.passed else "NO", step.name, step.sentence] for step in decision.steps]
    page.table(["", "asked", "answer"], rows)
    if decision.next is not None:
        page.heading("The cheapest next step")
        page.text(f"{decision.next.what} {cost(decision.next.cost)}")
        page.text(f"`{decision.next.command}`")
    if decision.not_run:
        page.heading("What the audits did not ask")
        page.table(["evaluation in", "checks", "why"], not_asked(decision))
    page.heading("How far the evidence reaches")
    page.table(
        ["rung", "meaning", ""], [[rung, text, _mark(rung, decision, protocol)] for rung, text in LEVELS.items()]
    )
    channel = f" Channel: {protocol.channel}." if protocol.channel else ""
    page.text(f"Policy `{decision.policy}`. Protocol: task {protocol.task}, budget {protocol.budget}.{channel}")
    return page.write(path.parent, path.stem)


def not_asked(decision: Decision) -> list[list[str]]:
    """The checks that were not run: for each world and each reason a row."""
    rows: dict[tuple[str, str], list[str]] = {}
    for world, checks in decision.not_run.items():
        for check, why in checks.items():
            rows.setdefault((world, why), []).append(check)
    return [[world, ", ".join(checks), why] for (world, why), checks in rows.items()]


def headline(decision: Decision) -> str:
    """Yes or no, in one line."""
    if decision.passed:
        return f"May be released: every step passed, evidence {decision.level}."
    failed = [step.name for step in decision.steps if not step.passed]
    return f"Must not be released: {len(failed)} of {len(decision.steps)} steps refuse ({', '.join(failed)})."


def cost(one: Cost) -> str:
    """A cost in words."""
    parts = [f"{one.trials} real starts"] if one.trials else []
    parts += [f"{one.wall_s:.3g} s"] if one.wall_s is not None else []
    parts += [f"{one.joules:.3g} J"] if one.joules is not None else []
    return f"Cost: {', '.join(parts) or 'unknown'} ({one.basis})."


def _mark(rung: str, decision: Decision, protocol: Release) -> str:
    words = [text for text, level in (("reached", decision.level), ("asked for", protocol.evidence)) if level == rung]
    return ", ".join(words)
