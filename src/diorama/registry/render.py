"""Answers in plain words: `text` of any result of this package."""

import datetime
import functools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from diorama.core.errors import DataError
from diorama.registry.channels import Debris, History, Rollback
from diorama.registry.costs import Cost, Flips, Total
from diorama.registry.debt import Debt
from diorama.registry.difference import Change, Difference, Paired
from diorama.registry.explain import Neighbour, Page
from diorama.registry.lineage import DOWN, Lineage, Link
from diorama.registry.plan import Action, Plan, Step
from diorama.registry.rules import RULES
from diorama.registry.status import Cause, StatusReport

SHORT = 12
"""Digits of an id that are shown."""
_VALUE = 120
_AT_MOST = 12
"""Changes of one field that are shown; a sketch of visits has hundreds."""
_DIGITS = re.compile(r"[0-9a-f]{64}")


@functools.singledispatch
def text(result: Any) -> str:
    """A result as lines of plain words. Raises `DataError` for anything that is no result of the registry."""
    raise DataError(f"{type(result).__name__} is no answer of the registry; render one of its results.")


@text.register
def _status(report: StatusReport) -> str:
    head = f"{report.kind} {short(report.name)} {report.id[:SHORT]}: {report.status}"
    lines = [line for cause in report.causes for line in _cause(cause)]
    return "\n".join([head, *(lines or ["  Nothing that it rests on has changed."])])


@text.register
def _plan(plan: Plan) -> str:
    lines = [f"From {plan.old[:SHORT]} to {plan.new[:SHORT]}: {_steps(len(plan.steps))}."]
    for number, step in enumerate(plan.steps, 1):
        lines += _step(number, step)
    return "\n".join([*lines, f"In all: {_total(plan.total)}.", *plan.notes])


@text.register
def _debt(debt: Debt) -> str:
    share = "no data in its ancestry" if debt.generated_share is None else f"{debt.generated_share:.1%} of its data"
    by = f" (counted in {debt.share_unit})" if debt.share_unit else ""
    made = share if debt.generated_share is None else f"{share} were made by learned worlds{by}"
    days = "no real data in its ancestry" if debt.calibration_days is None else _calibration(debt)
    return "\n".join(
        [
            f"{debt.name} {debt.id[:SHORT]}",
            f"  patches and fine-tunes in its descent: {debt.patch_depth}",
            f"  since the last full build ({debt.full_build[:SHORT]}): {debt.since_full_build}",
            f"  advisories never replayed: {', '.join(debt.unreplayed) or 'none'}",
            f"  self-generated data: {made}",
            f"  last real calibration: {days}",
        ]
    )


@text.register
def _lineage(lineage: Lineage) -> str:
    """A tree; what was shown above is named again and not unfolded again."""
    nodes = {node.id: node for node in lineage.nodes}
    below: dict[str, list[tuple[str, str]]] = {}
    for link in lineage.links:
        at, other = (link.target, link.source) if lineage.direction == DOWN else (link.source, link.target)
        below.setdefault(at, []).append((_role(link), other))
    lines, shown, waiting = [], set(), [("", lineage.id, 0)]
    while waiting:
        role, version, depth = waiting.pop()
        node, again = nodes[version], version in shown
        ending = " (see above)" if again and version in below else ""
        lines.append(f"{'  ' * depth}{role}{node.kind} {short(node.name)} {version[:SHORT]}{ending}")
        shown.add(version)
        children = [] if again else below.get(version, [])
        waiting += [(f"{name}: ", other, depth + 1) for name, other in reversed(children)]
    return "\n".join([*lines, *(["More lies beyond the depth that was asked for."] if lineage.cut else [])])


@text.register
def _difference(difference: Difference) -> str:
    names = zip(difference.names, (difference.before, difference.after), strict=True)
    lines = ["From " + " to ".join(f"{name} {version[:SHORT]}" for name, version in names)]
    lines += _changes(difference.fields)
    lines += [f"  blob {c.path}: {_digest(c.before)} -> {_digest(c.after)}" for c in difference.blobs]
    lines += [f"  only {e.where}: {e.role} {e.name} {e.target[:SHORT]}" for e in difference.edges]
    lines += [line for paired in difference.paired for line in _paired(paired)]
    return "\n".join(lines if len(lines) > 1 else [*lines, "  They do not differ."])


@text.register
def _history(history: History) -> str:
    lines = [f"Channel {history.channel}"]
    for turn in history.turns:
        end = "now" if turn.until is None else _moment(turn.until)
        why = f": {turn.reason}" if turn.reason else ""
        lines.append(f"  {_moment(turn.since)} to {end}: {turn.name} {turn.version[:SHORT]}, by {turn.author}{why}")
    return "\n".join(lines)


@text.register
def _rollback(rollback: Rollback) -> str:
    away = ", ".join(one[:SHORT] for one in rollback.rolled_back)
    lines = [f"Channel {rollback.channel} goes back to {rollback.to[:SHORT]}; rolled back: {away}."]
    lines += _left("Left behind, made with what is rolled back", rollback.debris)
    lines += _left("Measurements and claims about it", rollback.measures)
    return "\n".join(lines)


@text.register
def _page(page: Page) -> str:
    parts = [
        text(page.status),
        _registered(page),
        *([f"REVOKED: {page.revoked or 'no reason given'}"] if page.revoked is not None else []),
        *_listed("Channels that point at it", page.channels),
        *_listed("Channels that pointed at it", page.former_channels),
        *_listed("Advisories on it", [f"{a.id} ({a.severity}): {a.title}" for a in page.advisories]),
        *_listed("Replays", [f"{r.advisory}: {r.passed} of {r.total}, {r.flips} flipped" for r in page.replays]),
        *_listed("Successors", [one[:SHORT] for one in page.successors]),
        *_listed("Rests on", [_neighbour(one) for one in page.rests_on]),
        *_listed(f"Used by (downstream in all: {page.downstream})", [_neighbour(one) for one in page.used_by]),
        *_listed("Builds", [one[:SHORT] for one in page.builds]),
        f"Took: {_cost(page.cost)}.",
        *_listed("Evaluations", [one[:SHORT] for one in page.measured]),
        *_listed("Claims", [one[:SHORT] for one in page.claims]),
        *_listed("Fields", [f"{name}: {_value(value)}" for name, value in page.fields.items()]),
        *_listed("Blobs", [f"{name}: {digest[:SHORT]}" for name, digest in page.blobs.items()]),
        "Debt of " + text(page.debt),
    ]
    return "\n".join(parts)


def _registered(page: Page) -> str:
    if not page.created:
        return f"Not a version of its own, since nothing was said of it yet; its id would be {page.id}."
    return f"Registered {_moment(page.created)} with id {page.id}."


def _cause(cause: Cause) -> list[str]:
    first, *others = cause.path
    path = "".join(f" -{hop.role}-> {short(hop.name)} {hop.id[:SHORT]}" for hop in others)
    lines = [f"  {cause.status}: {cause.sentence}"]
    return lines + ([f"    path: {first.name} {first.id[:SHORT]}{path}"] if others else [])


def _steps(count: int) -> str:
    return "1 version rests on it" if count == 1 else f"{count} versions rest on it"


def _step(number: int, step: Step) -> list[str]:
    lines = [f"{number}. {step.action}: {step.kind} {step.name} {step.id[:SHORT]} ({step.status})", f"   {step.reason}"]
    if step.action is not Action.KEEP:
        lines.append(f"   cost: {_cost(step.cost)}")
    if step.cheaper is not None:
        lines.append(f"   or fine-tune, which leaves its debt on record: {_cost(step.cheaper)}")
    return lines + ([f"   expected negative flips: {_flips(step.flips)}"] if step.flips is not None else [])


def _cost(cost: Cost) -> str:
    if not cost.known:
        return "unknown, nothing like it was recorded"
    return f"{_amounts(cost.wall_s, cost.device_s, cost.joules, cost.energy_source)} ({cost.basis})"


def _amounts(wall_s: float | None, device_s: float | None, joules: float | None, source: str) -> str:
    device = "device time unknown" if device_s is None else f"{device_s:.1f} device s"
    energy = "energy unknown" if joules is None else f"{joules:.0f} J"
    return f"{wall_s:.1f} s, {device}, {energy}" + (f" by {source}" if joules else "")


def _total(total: Total) -> str:
    joules = None if total.no_joules and not total.joules else total.joules
    sums = _amounts(total.wall_s, total.device_s, joules, ", ".join(total.energy_sources))
    unknown = f"; the cost of {total.unknown} steps is unknown" if total.unknown else ""
    energy = f"; {total.no_joules} more have no known energy" if total.no_joules and total.joules else ""
    return sums + unknown + energy


def _flips(flips: Flips) -> str:
    counted = f"{flips.count} of {flips.total} flipped in {flips.basis}"
    return f"{flips.rate:.1%} of scenarios, 95 % interval {flips.low:.1%} to {flips.high:.1%} ({counted})"


def _calibration(debt: Debt) -> str:
    return f"{debt.calibration_days:.1f} days ago, with {debt.calibrated_by[:SHORT]}"


def _role(link: Link) -> str:
    return f"{link.role} ({link.relation})" if link.relation else link.role


def _paired(paired: Paired) -> list[str]:
    before, after = ("unknown" if value is None else f"{value:g}" for value in paired.estimates)
    lines = [f"  {paired.metric}: {before} -> {after} in {paired.before[:SHORT]} and {paired.after[:SHORT]}"]
    if paired.seeds:
        lost, won = (_seeds(flips) for flips in (paired.negative, paired.positive))
        lines.append(f"    of {paired.seeds} equal seeds {lost} from success to failure, {won} from failure to success")
    return lines


def _seeds(flips: tuple) -> str:
    seeds = ", ".join(str(flip.seed) for flip in flips[:20]) + (", ..." if len(flips) > 20 else "")
    return f"{len(flips)} ({seeds})" if flips else "0"


def _left(title: str, debris: tuple[Debris, ...]) -> list[str]:
    return [f"{title}: {len(debris)}", *(f"  {_debris(one)}" for one in debris)]


def _debris(one: Debris) -> str:
    how = f"{RULES[one.role].words} {one.via[:SHORT]}{'' if one.direct else ', so indirectly'}"
    return f"{one.kind} {one.name} {one.id[:SHORT]}: it {how}"


def _neighbour(one: Neighbour) -> str:
    attributes = f" {_value(one.attributes)}" if one.attributes else ""
    return f"{one.role}: {one.kind} {short(one.name)} {one.id[:SHORT]}{attributes}"


def _listed(title: str, lines: Any) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def short(name: str) -> str:
    """A family's name with no more digits of a key in it than of an id: a build is called by its action key."""
    return _DIGITS.sub(lambda found: found[0][:SHORT], name)


def _changes(changes: Iterable[Change]) -> Iterator[str]:
    """One line for each change; of a field with many, what is least and most, and how many more there are."""
    fields: dict[str, list[Change]] = {}
    for change in changes:
        fields.setdefault(re.split(r"[.\[]", change.path)[0], []).append(change)
    for field, found in fields.items():
        shown = found if len(found) <= _AT_MOST else [c for c in found if c.path.endswith((".least", ".most"))]
        yield from (f"  {c.path}: {_value(c.before)} -> {_value(c.after)}" for c in shown[:_AT_MOST])
        if left := len(found) - len(shown[:_AT_MOST]):
            more = f"{left} more places differ" if shown else f"{left} places differ"
            yield f"  {field}: {more}; --json lists them"


def _value(value: Any) -> str:
    words = "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    words = f"{value:.6g}" if isinstance(value, float) else words
    return words if len(words) <= _VALUE else words[: _VALUE - 3] + "..."


def _digest(digest: str | None) -> str:
    return "nothing" if digest is None else digest[:SHORT]


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
