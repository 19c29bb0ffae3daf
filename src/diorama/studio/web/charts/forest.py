"""Estimates with their intervals, one below the other, on one axis."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from diorama.studio.web.charts.plot import nice_ticks, tick_text

_ROW, _TOP, _BOTTOM, _WIDTH, _SIDE = 46, 6, 24, 520, 14


@dataclass(frozen=True)
class Estimated:
    """One line: what it is, where a click leads, the estimate, and the words at its right."""

    words: str
    value: float | int
    low: float | int
    high: float | int
    said: str
    link: str = ""
    colour: str = "c1"
    points: tuple[float, ...] = ()


def forest(
    rows: Sequence[Estimated], label: str, bounds: tuple[float | int, float | int] | None = None, percent: bool = False
) -> Markup:
    """The chart; with ``bounds`` the axis is that, else what the intervals need and a line at zero if it is inside."""
    low, high = bounds or _bounds(rows)
    height = _TOP + _ROW * len(rows) + _BOTTOM

    def across(value: float | int) -> float:
        inside = min(max(value, low), high)
        return _SIDE + (inside - low) / ((high - low) or 1.0) * (_WIDTH - 2 * _SIDE)

    parts = []
    for value in nice_ticks(low, high):
        x, text = across(value), (f"{100 * value:.4g} %" if percent else tick_text(value))
        kind = "zero" if value == 0 and low < 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{height - _BOTTOM}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{height - 7}" text-anchor="middle">{text}</text>')
    for place, row in enumerate(rows):
        parts.append(_row(row, _TOP + _ROW * place, across))
    head = f'<svg class="plot" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{html.escape(label)}">'
    return Markup(f"{head}<title>{html.escape(label)}</title>{''.join(parts)}</svg>")


def _row(row: Estimated, top: float | int, across) -> str:
    y, words = top + 32, html.escape(row.words)
    name = f'<text class="name" x="{_SIDE}" y="{top + 15}">{words}</text>'
    if row.link:
        name = f'<a href="{html.escape(row.link)}">{name}</a>'
    end = f'x="{_WIDTH - _SIDE}" y="{top + 15}" text-anchor="end"'
    said = f'<text class="said number" {end}>{html.escape(row.said)}</text>'
    dots = "".join(
        f'<circle class="faint" cx="{across(v):.1f}" cy="{y}" r="2"/>' for v in row.points if math.isfinite(v)
    )
    line = (
        f'<line class="whisker {row.colour}" x1="{across(row.low):.1f}" x2="{across(row.high):.1f}" y1="{y}" y2="{y}"/>'
    )
    dot = f'<circle class="dot {row.colour}" cx="{across(row.value):.1f}" cy="{y}" r="5"/>'
    return f"<g>{name}{said}{dots}{line}{dot}</g>"


def _bounds(rows: Sequence[Estimated]) -> tuple[float | int, float | int]:
    values = [v for row in rows for v in (row.low, row.high, row.value, *row.points) if math.isfinite(v)]
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room
