"""A lineage as SVG: layered from what is rested on (left) to what rests on it (right), laid out here.

Layers are longest paths; within a layer versions are ordered by the middle of their neighbours (Sugiyama, Tagawa and
Toda 1981, four sweeps), which leaves few crossings. Status is a colour and a word.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

BOX, TALL, GAP_X, GAP_Y, EDGE = 208, 50, 60, 16, 14
_SWEEPS, _LETTERS = 4, 24


@dataclass(frozen=True)
class Box:
    """A node: its id, two lines of words, its status, where a click leads, and whether it is the one in question."""

    id: str
    words: str
    below: str
    status: str
    link: str
    chosen: bool = False


@dataclass(frozen=True)
class Arrow:
    """That ``source`` rests on ``target`` in ``role``; ``lit`` where it lies on the path that is shown."""

    source: str
    target: str
    role: str
    lit: bool = False


def draw(boxes: Sequence[Box], arrows: Sequence[Arrow], label: str) -> Markup:
    """The graph. Arrows to boxes that are not there are left out."""
    known = {box.id for box in boxes}
    arrows = [arrow for arrow in arrows if arrow.source in known and arrow.target in known]
    layers = _ordered(_layers([box.id for box in boxes], arrows), arrows)
    place = {
        one: (EDGE + column * (BOX + GAP_X), row)
        for column, layer in enumerate(layers)
        for row, one in enumerate(layer)
    }
    tallest = max((len(layer) for layer in layers), default=1)
    at = {}
    for layer in layers:
        push = (tallest - len(layer)) * (TALL + GAP_Y) / 2
        for row, one in enumerate(layer):
            at[one] = (place[one][0], EDGE + push + row * (TALL + GAP_Y))
    width = 2 * EDGE + len(layers) * BOX + max(len(layers) - 1, 0) * GAP_X
    height = 2 * EDGE + tallest * TALL + (tallest - 1) * GAP_Y
    drawn = [_arrow(arrow, at) for arrow in sorted(arrows, key=lambda arrow: arrow.lit)]
    drawn += [_box(box, *at[box.id]) for box in boxes]
    head = f'<svg class="lineage" width="{width}" height="{height:.0f}" viewBox="0 0 {width} {height:.0f}" role="group"'
    return Markup(f'{head} aria-label="{html.escape(label)}">{"".join(drawn)}</svg>')


def _layers(ids: Sequence[str], arrows: Sequence[Arrow]) -> list[list[str]]:
    """Ids by the longest path from what rests on nothing."""
    targets: dict[str, set[str]] = {one: set() for one in ids}
    for arrow in arrows:
        if arrow.source != arrow.target:
            targets[arrow.source].add(arrow.target)
    depth: dict[str, int] = {}
    for first in ids:
        waiting = [first]
        while waiting:
            one = waiting[-1]
            open_ = [target for target in targets[one] if target not in depth and target not in waiting]
            if open_ and one not in depth:
                waiting += open_[:1]
                continue
            depth.setdefault(one, max((depth.get(target, -1) + 1 for target in targets[one]), default=0))
            waiting.pop()
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for one in ids:
        layers[depth[one]].append(one)
    return layers


def _ordered(layers: list[list[str]], arrows: Sequence[Arrow]) -> list[list[str]]:
    near: dict[str, list[str]] = {}
    for arrow in arrows:
        near.setdefault(arrow.source, []).append(arrow.target)
        near.setdefault(arrow.target, []).append(arrow.source)
    for sweep in range(_SWEEPS):
        rows = {one: (row + 0.5) / len(layer) for layer in layers for row, one in enumerate(layer)}
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            layer.sort(key=lambda one: _middle(near.get(one, ()), rows, rows[one]))
            rows |= {one: (row + 0.5) / len(layer) for row, one in enumerate(layer)}
    return layers


def _middle(neighbours: Sequence[str], rows: Mapping[str, float], own: float | int) -> float:
    return sum(rows[one] for one in neighbours) / len(neighbours) if neighbours else own


def _arrow(arrow: Arrow, at: Mapping[str, tuple[float | int, float | int]]) -> str:
    x0, y0 = at[arrow.target][0] + BOX, at[arrow.target][1] + TALL / 2
    x1, y1 = at[arrow.source][0], at[arrow.source][1] + TALL / 2
    bend = max((x1 - x0) / 2, 24)
    kind = "arrow lit" if arrow.lit else "arrow"
    path = f"M{x0:.0f},{y0:.0f} C{x0 + bend:.0f},{y0:.0f} {x1 - bend:.0f},{y1:.0f} {x1:.0f},{y1:.0f}"
    return f'<path class="{kind}" d="{path}"><title>{html.escape(arrow.role.replace("_", " "))}</title></path>'


def _box(box: Box, x: float | int, y: float | int) -> str:
    kind = f"box {box.status.lower()}{' chosen' if box.chosen else ''}"
    words = box.words if len(box.words) <= _LETTERS else f"…{box.words[-_LETTERS + 1 :]}"
    told = f"{box.words}, {box.below}, {box.status}"
    current = ' aria-current="true"' if box.chosen else ""
    return (
        f'<a class="{kind}" href="{html.escape(box.link)}" aria-label="{html.escape(told)}"{current}>'
        f"<title>{html.escape(told)}</title>"
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{BOX}" height="{TALL}" rx="8"/>'
        f'<rect class="stripe" x="{x:.0f}" y="{y:.0f}" width="5" height="{TALL}" rx="2.5"/>'
        f'<text class="name" x="{x + 14:.0f}" y="{y + 20:.0f}">{html.escape(words)}</text>'
        f'<text class="tick" x="{x + 14:.0f}" y="{y + 38:.0f}">{html.escape(box.below)}</text>'
        f'<text class="tick state" x="{x + BOX - 8:.0f}" y="{y + 38:.0f}" text-anchor="end">{box.status}</text></a>'
    )
